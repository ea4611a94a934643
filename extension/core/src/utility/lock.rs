//! Locks on the distributed tables of a statement, taken on all nodes before it runs.

use super::{Facts, Locks, Rule};

/// PostgreSQL's lock modes, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    AccessShare = 1,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    pub const ALL: [LockMode; 8] = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ];

    /// By PostgreSQL's number; `None` for 0, no lock, and for what is no mode.
    pub fn from_number(number: i32) -> Option<LockMode> {
        LockMode::ALL
            .into_iter()
            .find(|mode| mode.number() == number)
    }

    /// PostgreSQL's number.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// As LOCK TABLE says it.
    pub fn sql(self) -> &'static str {
        match self {
            LockMode::AccessShare => "ACCESS SHARE",
            LockMode::RowShare => "ROW SHARE",
            LockMode::RowExclusive => "ROW EXCLUSIVE",
            LockMode::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            LockMode::Share => "SHARE",
            LockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            LockMode::Exclusive => "EXCLUSIVE",
            LockMode::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Do writers wait for it?
    pub fn stops_writers(self) -> bool {
        self >= LockMode::Share
    }
}

/// How a table is locked on the coordinator, and on the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLock {
    pub here: LockMode,
    pub there: LockMode,
}

/// For the tables that new foreign keys point to.
pub const FOREIGN_KEY_TARGET: TableLock = TableLock {
    here: LockMode::ShareRowExclusive,
    there: LockMode::ShareRowExclusive,
};

impl TableLock {
    /// The same on all nodes; `None` for what no writer waits for: the statement takes it by itself.
    pub fn everywhere(mode: LockMode) -> Option<TableLock> {
        mode.stops_writers().then_some(TableLock {
            here: mode,
            there: mode,
        })
    }
}

pub(super) fn of(rule: &Rule, facts: &Facts) -> Option<TableLock> {
    match rule.locks {
        Locks::Nothing => None,
        Locks::Mode(mode) => TableLock::everywhere(mode),
        Locks::UnlessConcurrent(_) if facts.concurrently => None,
        Locks::UnlessConcurrent(mode) => TableLock::everywhere(mode),
        // PostgreSQL's own statement does with a lock that no writer waits for.
        Locks::NewIndex if facts.concurrently => Some(TableLock {
            here: LockMode::ShareUpdateExclusive,
            there: LockMode::Share,
        }),
        Locks::NewIndex => TableLock::everywhere(LockMode::Share),
        Locks::Own => facts.own_lock.and_then(TableLock::everywhere),
    }
}
