//! What becomes of a utility statement: which other nodes run it, what they run, what is locked before, and what is refused.
//!
//! # How it works
//! The extension finds out what a statement is and what it names ([`Facts`]); [`decide`] looks it up in a table with one
//! rule for each statement and, where that matters, kind of object ([`rules`]). "Distributed table" stands here for one that is
//! distributed by hash or replicated, as in Citus; a local table is one of the node that is asked.
//!
//! # Invariants
//! Every utility statement of PostgreSQL has a rule, be it that other nodes have no part in it. Only a statement about a
//! distributed table is refused. A statement about local tables or temporary objects alone sends nothing to other nodes.

pub mod action;
pub mod alter_table;
pub mod lock;
pub mod object;
pub mod refusal;
pub mod rules;
pub mod statement;

pub use action::{Action, GroupLock, Prerequisites};
pub use alter_table::Command;
pub use lock::{LockMode, TableLock};
pub use object::{Home, Object};
pub use refusal::Refusal;
pub use rules::{rule, Locks, OnObjects, Rule};
pub use statement::Statement;

/// The tables that a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// None, or none that exists.
    None,
    /// Tables of this node alone.
    Local,
    /// Distributed tables.
    Distributed,
    Mixed,
}

/// The object that a statement is about, where it is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    /// It needs nothing of one node alone, or every node has a part of it: a view or function over such things, the tablespace
    /// of a storage.
    AllNodes,
    /// It needs a table, or anything else, of this node alone.
    ThisNode,
    /// It is a temporary object of this session.
    ThisSession,
}

/// What the extension has found out about a statement.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub statement: Statement,
    pub object: Object,
    pub tables: Tables,
    /// Read where the object is of a kind that not every node has.
    pub existence: Existence,
    /// With CONCURRENTLY.
    pub concurrently: bool,
    /// VACUUM rather than ANALYZE.
    pub vacuum: bool,
    /// The lock that the statement itself names or, by its commands, needs: ALTER TABLE, LOCK. `None` where it is not to be
    /// waited for, or the transaction's one snapshot would be taken by waiting.
    pub own_lock: Option<LockMode>,
}

/// When other nodes run a statement about objects that all nodes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    Always,
    /// If what it has made needs nothing of this node alone, which is seen once it is made.
    IfPortable,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the other nodes do about tables.
    pub action: Option<Action>,
    /// Whether they also run the statement for an object that all nodes have.
    pub objects: Option<Objects>,
    /// How its distributed tables are locked on all nodes before it runs.
    pub lock: Option<TableLock>,
    /// What is made on the other nodes before.
    pub prerequisites: Prerequisites,
}

/// Decides about a statement.
///
/// # Errors
/// The refusal, when a distributed table cannot have this.
pub fn decide(facts: &Facts) -> Result<Decision, Refusal> {
    let rule = rule(facts.statement, facts.object);
    let action = match facts.tables {
        Tables::None => None,
        Tables::Local => rule.local,
        Tables::Distributed => match rule.distributed {
            Ok(action) => action.map(|action| by_option(action, facts)),
            Err(refusal) => return Err(refusal),
        },
        Tables::Mixed => match rule.mixed.or(rule.distributed.err()) {
            Some(refusal) => return Err(refusal),
            None => rule
                .distributed
                .unwrap_or(None)
                .map(|action| by_option(action, facts)),
        },
    };
    // A statement about distributed tables is sent as it is anyway.
    let objects = match rule.objects {
        _ if action == Some(Action::SameText) || facts.existence == Existence::ThisSession => None,
        OnObjects::Nothing => None,
        OnObjects::Always => Some(Objects::Always),
        OnObjects::Made => Some(Objects::IfPortable),
        OnObjects::ByKind => match facts.object.home() {
            Home::AllNodes => Some(Objects::Always),
            Home::Depends => (facts.existence == Existence::AllNodes).then_some(Objects::Always),
            Home::OneNode => None,
        },
    };
    let about_distributed = matches!(facts.tables, Tables::Distributed | Tables::Mixed);
    Ok(Decision {
        action,
        objects,
        lock: about_distributed.then(|| lock::of(rule, facts)).flatten(),
        prerequisites: rule.prerequisites,
    })
}

/// Options of a statement can change what is to be done.
fn by_option(action: Action, facts: &Facts) -> Action {
    match action {
        Action::Maintain if facts.statement == Statement::Vacuum && facts.vacuum => {
            Action::EachByItself
        }
        Action::Maintain if facts.statement == Statement::Reindex && facts.concurrently => {
            Action::RebuildIndexes
        }
        action => action,
    }
}
