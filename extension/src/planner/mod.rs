//! From an analysed query to a plan over nodes. `docs/architecture.md`, The way of a statement.
//!
//! [`decide`] runs before PostgreSQL's planner and chooses one [`Way`]; [`finish`] runs after it and turns the
//! result into that way's plan.

pub mod binding;
pub mod distribute;
pub mod equality;
pub mod exchange;
pub mod first;
pub mod fragment;
pub mod group_lock;
pub mod key_equality;
pub mod merge;
pub mod modify;
pub mod nested;
pub mod ownership;
pub mod refusals;
pub mod rekey;
pub mod route;
pub mod tables;
pub mod wrap;

use crate::pg::list;
use crate::pg::tree::{NodeMut, NodeRef};
use crate::state::local_planning;

use crate::metadata::cache::{metadata, Metadata};
use crate::planner::first::{moving, First};
use crate::planner::group_lock::{Groups, Reads};
use crate::planner::tables::Mentions;
use pgrx::pg_sys::{CmdType, PlannedStmt, Query};
use std::rc::Rc;

/// The routing token: every statement takes exactly one of these ways.
pub enum Way {
    /// Replicated tables are read, nothing else: any node can answer, so this one does.
    Local,
    /// One node answers the whole statement; which one is decided at execution.
    Route(wrap::Plan),
    /// PostgreSQL plans, over fragments offered by the path hooks.
    Fragments,
    /// The statement runs as it is on several nodes.
    Modify(wrap::Plan),
    /// Rows computed here are spread over the nodes.
    Distribute(distribute::Plan),
}

/// A statement of ours between [`decide`] and [`finish`].
pub struct Planning {
    way: Way,
    first: First,
    groups: Groups,
    metadata: Rc<Metadata>,
    reads: Reads,
    /// A DELETE whose rows are inserted elsewhere.
    moves: bool,
}

/// What the planner hook carries over PostgreSQL's planner.
#[derive(Clone, Copy)]
pub enum Decision {
    PassThrough,
    /// A statement for this node alone, a DELETE whose rows are inserted elsewhere.
    Moving,
    Plan(*mut Planning),
}

/// Chooses the way of a statement and prepares the query for it. On an error between here and [`finish`] the
/// (small) planning state is leaked to the memory context of the message, never freed twice.
pub fn decide(query: *mut Query) -> Decision {
    let works_for_another = crate::metadata::peer::internal_session();
    let nested = works_for_another && nested::of_function();
    if local_planning::announced() || works_for_another && !nested {
        return if moving::take(query) {
            Decision::Moving
        } else {
            Decision::PassThrough
        };
    }
    let Some(known) = metadata() else {
        return Decision::PassThrough;
    };
    if known.tables.is_empty() {
        return Decision::PassThrough;
    }
    let (mentions, groups, metadata) = group_lock::lock(query, known);
    if mentions.is_empty() {
        return Decision::PassThrough;
    }
    binding::refuse_newer(&mentions, &metadata);
    let (way, first) = if nested::of_foreign_key(query) {
        (Way::Local, First::default())
    } else if nested {
        match nested::decide(query, &mentions, &metadata) {
            nested::Here::Local => (Way::Local, First::default()),
            nested::Here::Route(plan) => (Way::Route(plan), First::default()),
        }
    } else {
        choose(query, &mentions, &metadata)
    };
    if way.plans_locally() {
        local_planning::enter();
    } else {
        local_planning::enter_whole();
    }
    let reads = match way {
        Way::Fragments | Way::Distribute(_) => Reads {
            several: !mentions.distributed.is_empty(),
            beside: !mentions.distributed.is_empty()
                && (!mentions.replicated.is_empty() || local_only(query, &metadata)),
        },
        Way::Modify(_) => Reads {
            several: true,
            beside: false,
        },
        Way::Local | Way::Route(_) => Reads {
            several: false,
            beside: false,
        },
    };
    let planning = Planning {
        // The text for other nodes has been written.
        moves: moving::take(query),
        reads,
        way,
        first,
        groups,
        metadata,
    };
    Decision::Plan(Box::into_raw(Box::new(planning)))
}

impl Way {
    /// Is PostgreSQL's plan to be one for this node alone?
    fn plans_locally(&self) -> bool {
        matches!(self, Way::Local | Way::Route(_) | Way::Modify(_))
    }
}

fn choose(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> (Way, First) {
    if let Some(relation) = nested::reading_policy(query, metadata) {
        modify::refuse(
            &crate::pg::names::bare(relation),
            "row security of another table that reads it",
            "Let the policy read replicated tables, or columns of its own table.",
        );
    }
    refusals::check(query, metadata);
    let mut first = first::take(query, metadata);
    let rest;
    let mut mentions = mentions;
    if !first.taken.sources.is_empty() {
        rest = tables::collect(query, metadata);
        mentions = &rest;
    }
    rekey::check_conflict(query, metadata);
    if rekey::changes_key(query, metadata) {
        let change = first::change_key(query, metadata);
        first.taken.sources.extend(change.taken.sources);
        first.taken.relations.extend(change.taken.relations);
        first.shown_as = change.shown_as;
    }
    (way_of(query, mentions, metadata), first)
}

fn analysed<'a>(query: *mut Query) -> NodeRef<'a, Query> {
    // SAFETY: PostgreSQL's analysed tree.
    unsafe { NodeRef::new(query) }.expect("a query is planned")
}

fn way_of(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Way {
    let writes = mentions.all().any(|mention| mention.written);
    if let Some(plan) = route::consider(query, mentions, metadata) {
        return Way::Route(plan);
    }
    // SAFETY: the query is PostgreSQL's analysed tree.
    let command = unsafe { (*query).commandType };
    match command {
        CmdType::CMD_SELECT if mentions.distributed.is_empty() && !(writes && excludes(query)) => {
            Way::Local
        }
        CmdType::CMD_SELECT if mentions.distributed.is_empty() => {
            match modify::lock(query, metadata) {
                Some(plan) => Way::Modify(plan),
                None => {
                    fragment::check(analysed(query), mentions, metadata);
                    Way::Fragments
                }
            }
        }
        CmdType::CMD_SELECT => {
            fragment::check(analysed(query), mentions, metadata);
            Way::Fragments
        }
        CmdType::CMD_INSERT => match modify::consider(query, mentions, metadata) {
            Some(plan) => Way::Modify(plan),
            None => distribute::consider(query, mentions, metadata)
                .map_or(Way::Fragments, Way::Distribute),
        },
        _ => match modify::consider(query, mentions, metadata) {
            Some(plan) => Way::Modify(plan),
            // Only a local table is written; distributed ones are read.
            None => {
                // SAFETY: the planner's query, which is ours to change.
                let mut query = unsafe { NodeMut::new(query) }.expect("a query is planned");
                fragment::local_write::set(&mut query, metadata);
                Way::Fragments
            }
        },
    }
}

/// Turns PostgreSQL's plan into the plan of the chosen way.
pub fn finish(stmt: *mut PlannedStmt, planning: *mut Planning) -> *mut PlannedStmt {
    // SAFETY: made by `decide` of the same call of the hook, and used once.
    let planning = unsafe { Box::from_raw(planning) };
    local_planning::leave();
    if planning.moves {
        moving::wrap(stmt);
    }
    match &planning.way {
        Way::Local | Way::Fragments => {}
        Way::Route(plan) => route::wrap(stmt, plan),
        Way::Modify(plan) => modify::wrap(stmt, plan),
        Way::Distribute(plan) => distribute::wrap(stmt, plan),
    }
    first::wrap(stmt, &planning.first);
    group_lock::add_to_plan(stmt, &planning.groups, &planning.metadata, planning.reads);
    stmt
}

/// Does the query name relations that exist on this node only (ordinary tables that are not spread, temporary ones, ...)?
pub fn local_only(query: *mut Query, metadata: &Metadata) -> bool {
    tables::others(query, metadata)
}

/// Does it lock rows against others that lock them? FOR SHARE and FOR KEY SHARE are only about writers, who come to every
/// copy of a row: the one on this node is enough.
fn excludes(query: *mut Query) -> bool {
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe {
        let strong = list::nodes::<pgrx::pg_sys::RowMarkClause>((*query).rowMarks)
            .any(|mark| (*mark).strength > pgrx::pg_sys::LockClauseStrength::LCS_FORSHARE);
        let inner = list::nodes::<pgrx::pg_sys::RangeTblEntry>((*query).rtable)
            .any(|entry| !(*entry).subquery.is_null() && excludes((*entry).subquery));
        strong || inner || (*query).hasModifyingCTE || !(*query).cteList.is_null()
    }
}
