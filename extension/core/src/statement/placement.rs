//! Where the tables are that a statement names.

use std::collections::BTreeMap;

/// How the cluster keeps a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Each row is on the node that owns the bucket of this column, by the hash map of the group.
    Distributed { column: i16, group: i32 },
    /// Every node has all rows.
    Replicated,
}

/// The distributed and replicated tables by OID. Any other relation is local: it exists on this node only.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    tables: BTreeMap<u32, Table>,
}

impl FromIterator<(u32, Table)> for Placement {
    fn from_iter<I: IntoIterator<Item = (u32, Table)>>(tables: I) -> Self {
        Placement {
            tables: tables.into_iter().collect(),
        }
    }
}

impl Placement {
    /// `None` for a local relation.
    pub fn table(&self, relation: u32) -> Option<Table> {
        self.tables.get(&relation).copied()
    }

    /// The column that distributes the relation's rows; `None` for replicated and local ones.
    pub fn column(&self, relation: u32) -> Option<i16> {
        match self.table(relation)? {
            Table::Distributed { column, .. } => Some(column),
            Table::Replicated => None,
        }
    }

    pub fn is_distributed(&self, relation: u32) -> bool {
        matches!(self.table(relation), Some(Table::Distributed { .. }))
    }

    pub fn is_replicated(&self, relation: u32) -> bool {
        self.table(relation) == Some(Table::Replicated)
    }

    pub fn is_local(&self, relation: u32) -> bool {
        self.table(relation).is_none()
    }
}
