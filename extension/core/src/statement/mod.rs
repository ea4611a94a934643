//! What becomes of a statement: decided from plain facts about it.
//!
//! # How it works
//! The extension walks an analysed query once and fills [`QueryFacts`]; [`Placement`] says where the tables are that the
//! query names. [`decide`] chooses one [`Way`]. Three ways are rewrites ([`Way::WritesFirst`], [`Way::MoveRows`],
//! [`Way::Exchange`]): the extension changes the query, collects the facts of what is left, and asks again.
//!
//! * [`facts`]: what is known about a query
//! * [`placement`]: where tables are
//! * [`join_tree`]: which equalities hold for which relations, outer joins considered
//! * [`key_equality`]: to which keys columns are equal
//! * [`mod@decide`]: the way of a statement
//! * [`writes`]: the ways of UPDATE, DELETE, MERGE and INSERT
//! * [`refusal`]: what is refused, and why
//! * [`reads`]: what the snapshot of a statement has to cover
//!
//! # Invariants
//! * The order of a query's conditions changes nothing (key numbers aside).
//! * A routed statement reads and writes rows of one key's node alone.
//!
//! # What is decided elsewhere
//! These look at the query itself, after the way has been chosen:
//! * which parts of a statement an exchange replaces, and whether that is possible (`planner::exchange`): the parts are
//!   found by [`KeyEqualities`]; whether PostgreSQL's tree allows the replacement shows when it is made
//! * which writes a WITH clause may hold, and what a changed distribution column needs (`planner::prior_writes`)
//! * whether the source of a MERGE can be restricted to the rows that a node owns (`planner::merge`): [`Way::Owners`] says
//!   only by which column
//! * checks of foreign keys, which PostgreSQL runs by itself, are recognised by its security context and stay local
//! * which parts of a [`Way::Fragments`] run on the nodes: PostgreSQL's planner compares costs (`planner::fragment`)

pub mod decide;
pub mod facts;
pub mod join_tree;
pub mod key_equality;
pub mod placement;
pub mod reads;
pub mod refusal;
pub mod writes;

pub use decide::{check, decide, decide_nested, NestedWay, Way};
pub use facts::Target;
pub use facts::{
    Command, Functions, Inserted, Level, LevelId, Mention, MergeAction, Origin, QueryFacts, Use,
};
pub use join_tree::{Equality, Join, JoinKind, JoinTree, KeyId, Side};
pub use key_equality::{Column, Key, KeyEqualities};
pub use placement::{Placement, Table};
pub use reads::Reads;
pub use refusal::{Reason, Refusal};
pub use writes::{check_insertion, decide_exchanged, refuse_exchange, refuse_several, Insertion};
