//! What nodes do about the tables of a statement.

/// What is to be done about tables once the statement has run on the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Another node coordinates the statement: this node's own metadata follows.
    OwnMetadata,
    /// A local table has changed: it must not point to rows of distributed tables.
    CheckLocal,
    /// As `CheckLocal`, but nothing that could point anywhere.
    Local,
    /// Nothing about tables: only objects that all nodes have.
    ObjectsOnly,
    /// The other nodes run the same text.
    SameText,
    /// They make the same index, under the name that it was given here.
    CreateIndex,
    /// They drop the same indexes.
    DropIndexes,
    /// REINDEX CONCURRENTLY: each node by itself.
    RebuildIndexes,
    /// They drop whatever distributed tables were dropped here.
    DropTables,
    /// As `SameText`, but only writers have to wait for it.
    Truncate,
    /// Nothing about the schema changes: ANALYZE, REINDEX, CLUSTER, LOCK.
    Maintain,
    /// VACUUM: each node by itself, outside of any transaction.
    EachByItself,
}

/// What keeps a statement apart from rebinds and from other schema changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupLock {
    None,
    /// Sizes and order on disk: nothing that a rebind could trip over. All nodes must be active.
    ActiveNodes,
    /// The colocation groups of its tables, as a writer locks them.
    Writer,
    /// The metadata, and the groups of its tables.
    SchemaChange,
}

impl Action {
    /// What the statement locks; `objects` says whether it is also about objects that all nodes have.
    pub fn group_lock(self, objects: bool) -> GroupLock {
        match self {
            Action::OwnMetadata | Action::CheckLocal | Action::Local if !objects => GroupLock::None,
            Action::EachByItself | Action::RebuildIndexes | Action::Maintain => {
                GroupLock::ActiveNodes
            }
            Action::Truncate => GroupLock::Writer,
            _ => GroupLock::SchemaChange,
        }
    }

    /// Is it a schema change that a transaction of one snapshot cannot be part of? Not one of this node alone.
    pub fn is_for_all_nodes(self) -> bool {
        !matches!(
            self,
            Action::OwnMetadata | Action::CheckLocal | Action::Local
        )
    }
}

/// What is made on the other nodes, where it is missing, before they run a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prerequisites {
    Nothing,
    /// Where something moves to: types and sequences that move are there under their old names.
    Schemas,
    /// Schemas, types, functions and sequences.
    Everything,
}
