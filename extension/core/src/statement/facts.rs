//! What is known about an analysed query: everything that the decision needs, and no node of the tree.
//!
//! Relations are named by OID and by their index in the range table of a query level. Expressions that can be computed
//! before the statement runs are numbered ([`KeyId`]); the caller that collects the facts keeps the expressions.

use super::join_tree::{JoinTree, KeyId, Side};
use super::key_equality::Column;
use super::placement::{Placement, Table};

/// The number of a query level in [`QueryFacts::levels`].
pub type LevelId = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
}

/// What a query level does with a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Read,
    /// The target of INSERT, UPDATE, DELETE or MERGE.
    Written,
    /// FOR UPDATE, FOR SHARE and the like.
    Locked,
}

/// A relation in the range table of a query level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    pub relation: u32,
    /// From 1.
    pub index: u32,
    pub used: Use,
}

impl Mention {
    pub fn written(&self) -> bool {
        self.used != Use::Read
    }
}

/// Where a query level stands in the one around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Statement,
    From,
    With,
    Sublink,
}

/// A query or subquery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// `None` for the statement itself; smaller than the level's own number.
    pub parent: Option<LevelId>,
    pub origin: Origin,
    /// It belongs to a row security policy of a table that is not local, or to the check of such a policy.
    pub in_policy: bool,
    pub mentions: Vec<Mention>,
    /// It reads rows that only this session has: those that a write of the WITH clause returned.
    pub session_rows: bool,
    pub join_tree: JoinTree,
    /// It locks rows against others that lock them (FOR UPDATE, FOR NO KEY UPDATE).
    pub excludes: bool,
    pub has_with: bool,
}

/// What the functions that a query calls may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Functions {
    /// Another result at each call.
    pub volatile: bool,
    /// Volatile, and depending on what a session or a node keeps: not to be called on another node instead.
    pub bound_to_node: bool,
    /// Users' functions that may read tables, and cannot be computed before the statement runs.
    pub may_read_tables: bool,
}

/// What an INSERT puts into the distribution column of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// One row, with this key.
    Key(KeyId),
    /// The rows of a plain SELECT: the column of that level. The statement itself has no sublinks and no WITH clause.
    Rows {
        level: LevelId,
        column: Column,
    },
    Other,
}

/// What an action of MERGE does with the distribution column of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeAction {
    /// `None`: it stays as it is.
    Update {
        assigned: Option<Side>,
    },
    /// The column of the source that is inserted; `None`: something else.
    Insert {
        value: Option<Column>,
    },
    Other,
}

/// Everything that the decision needs to know about a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryFacts {
    pub command: Command,
    /// The statement itself and all queries in it, parents before what is inside of them.
    pub levels: Vec<Level>,
    /// Range table index of what the statement writes.
    pub target: Option<u32>,
    /// All relations of the statement itself are named by ONLY.
    pub names_only: bool,
    /// The WITH clause holds INSERT, UPDATE or DELETE.
    pub modifying_with: bool,
    pub functions: Functions,
    /// Columns such as `ctid` or `xmin` are used, other than in RETURNING.
    pub system_columns: bool,
    /// Rows are told apart by such columns, other than in RETURNING.
    pub rows_by_place: bool,
    /// LIMIT, DISTINCT ON or window functions, at any level.
    pub order_dependent: bool,
    /// Rows are written through a view WITH CHECK OPTION.
    pub view_check: bool,
    pub current_of: bool,
    /// What UPDATE assigns to the distribution column.
    pub assigned_key: Option<Side>,
    /// What ON CONFLICT DO UPDATE assigns to it, and the range table index of EXCLUDED.
    pub conflict_key: Option<(Side, u32)>,
    pub inserted: Inserted,
    pub merge_actions: Vec<MergeAction>,
}

impl QueryFacts {
    /// All relations of all levels.
    pub fn mentions(&self) -> impl Iterator<Item = &Mention> {
        self.levels.iter().flat_map(|level| &level.mentions)
    }

    /// Those that are distributed or replicated.
    pub fn placed<'a>(&'a self, placement: &'a Placement) -> impl Iterator<Item = &'a Mention> {
        self.mentions()
            .filter(|mention| !placement.is_local(mention.relation))
    }

    pub fn distributed<'a>(
        &'a self,
        placement: &'a Placement,
    ) -> impl Iterator<Item = &'a Mention> {
        self.mentions()
            .filter(|mention| placement.is_distributed(mention.relation))
    }

    pub fn replicated<'a>(&'a self, placement: &'a Placement) -> impl Iterator<Item = &'a Mention> {
        self.mentions()
            .filter(|mention| placement.is_replicated(mention.relation))
    }

    /// Does it need anything that exists on this node only?
    pub fn needs_this_node(&self, placement: &Placement) -> bool {
        self.levels
            .iter()
            .any(|level| level.needs_this_node(placement))
    }

    /// What the statement writes, when that is distributed or replicated.
    pub fn target(&self, placement: &Placement) -> Option<Target> {
        let index = self.target?;
        let level = self.levels.first()?;
        let mention = level
            .mentions
            .iter()
            .find(|mention| mention.index == index)?;
        Some(Target {
            relation: mention.relation,
            index,
            table: placement.table(mention.relation)?,
        })
    }

    /// Is `inner` the level `outer`, or inside of it?
    pub fn is_within(&self, inner: LevelId, outer: LevelId) -> bool {
        let mut at = Some(inner);
        while let Some(level) = at {
            if level == outer {
                return true;
            }
            at = self.levels[level].parent;
        }
        false
    }

    /// The level and all levels inside of it.
    pub fn within(&self, outer: LevelId) -> impl Iterator<Item = LevelId> + '_ {
        (outer..self.levels.len()).filter(move |&level| self.is_within(level, outer))
    }
}

impl Level {
    /// Does the level itself need anything that exists on this node only?
    pub fn needs_this_node(&self, placement: &Placement) -> bool {
        self.session_rows
            || self
                .mentions
                .iter()
                .any(|mention| placement.is_local(mention.relation))
    }
}

/// The table that a statement writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub relation: u32,
    pub index: u32,
    pub table: Table,
}

impl Target {
    /// Its distribution column; `None` when it is replicated.
    pub fn key(&self) -> Option<Column> {
        match self.table {
            Table::Distributed { column, .. } => Some(Column {
                index: self.index,
                attribute: column,
            }),
            Table::Replicated => None,
        }
    }
}
