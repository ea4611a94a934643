//! How strongly a statement locks the spread tables that it is about, where others wait for that.

use crate::ddl::attempts::Wanted;
use crate::ddl::classify::Concern;
use crate::ddl::concurrently;
use crate::ddl::names::spread_table;
use crate::metadata::cache::Metadata;
use crate::pg::parse_tree::{list, relation, tag};
use pgrx::pg_sys::{self, Node, NodeTag, ObjectType, Oid, RangeVar};

const SHARE: i32 = pg_sys::ShareLock as i32;
const SHARE_ROW_EXCLUSIVE: i32 = pg_sys::ShareRowExclusiveLock as i32;
const ACCESS_EXCLUSIVE: i32 = pg_sys::AccessExclusiveLock as i32;

/// What is to be locked before the statement runs: nothing, where no other node is concerned.
pub fn of(node: *mut Node, concern: &Concern, metadata: &Metadata) -> Vec<Wanted> {
    if concern.tables.is_empty() || metadata.active_nodes().len() < 2 {
        return Vec::new();
    }
    if concern.creates_concurrently() {
        return concern
            .tables
            .iter()
            .map(|&t| concurrently::wanted(t))
            .collect();
    }
    let Some(mode) = mode(node) else {
        return Vec::new();
    };
    let tables = concern.tables.iter().map(|&table| (table, mode));
    let pointed_to = pointed_to(node, metadata).into_iter();
    tables
        .chain(pointed_to.map(|table| (table, SHARE_ROW_EXCLUSIVE)))
        .filter_map(|(table, mode)| Wanted::everywhere(table, mode))
        .collect()
}

/// As in PostgreSQL's manual, "Explicit Locking"; `None` for what locks no table, or many that are not named.
fn mode(node: *mut Node) -> Option<i32> {
    // SAFETY: a utility statement, read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_AlterTableStmt => {
                let stmt = &*node.cast::<pg_sys::AlterTableStmt>();
                // Of a composite type: its tables are left alone.
                (stmt.objtype != ObjectType::OBJECT_TYPE)
                    .then(|| pg_sys::AlterTableGetLockLevel(stmt.cmds))
            }
            NodeTag::T_IndexStmt => Some(SHARE),
            NodeTag::T_ReindexStmt => {
                let stmt = &*node.cast::<pg_sys::ReindexStmt>();
                // The table itself less strongly, but its indexes, which every plan needs.
                (!crate::ddl::classify::upkeep::option_set(stmt.params, "concurrently"))
                    .then_some(ACCESS_EXCLUSIVE)
            }
            NodeTag::T_CreateTrigStmt => Some(SHARE_ROW_EXCLUSIVE),
            NodeTag::T_TruncateStmt
            | NodeTag::T_ClusterStmt
            | NodeTag::T_CreatePolicyStmt
            | NodeTag::T_AlterPolicyStmt => Some(ACCESS_EXCLUSIVE),
            NodeTag::T_DropStmt => matches!(
                (*node.cast::<pg_sys::DropStmt>()).removeType,
                ObjectType::OBJECT_TABLE
                    | ObjectType::OBJECT_INDEX
                    | ObjectType::OBJECT_TRIGGER
                    | ObjectType::OBJECT_POLICY
            )
            .then_some(ACCESS_EXCLUSIVE),
            NodeTag::T_RenameStmt => matches!(
                (*node.cast::<pg_sys::RenameStmt>()).renameType,
                ObjectType::OBJECT_TABLE
                    | ObjectType::OBJECT_COLUMN
                    | ObjectType::OBJECT_TABCONSTRAINT
                    | ObjectType::OBJECT_TRIGGER
                    | ObjectType::OBJECT_POLICY
            )
            .then_some(ACCESS_EXCLUSIVE),
            NodeTag::T_AlterObjectSchemaStmt => {
                let stmt = &*node.cast::<pg_sys::AlterObjectSchemaStmt>();
                (stmt.objectType == ObjectType::OBJECT_TABLE).then_some(ACCESS_EXCLUSIVE)
            }
            NodeTag::T_LockStmt => {
                let stmt = &*node.cast::<pg_sys::LockStmt>();
                // The first statement on another node would fix what a transaction with one snapshot sees there.
                let one_snapshot = pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32;
                (!stmt.nowait && !one_snapshot).then_some(stmt.mode)
            }
            _ => None,
        }
    }
}

/// The spread tables that new foreign keys point to.
fn pointed_to(node: *mut Node, metadata: &Metadata) -> Vec<Oid> {
    // SAFETY: as in `mode`; commands that add a constraint or a column have it as their definition.
    unsafe {
        if tag(node) != NodeTag::T_AlterTableStmt {
            return Vec::new();
        }
        let stmt = &*node.cast::<pg_sys::AlterTableStmt>();
        let added = list::<pg_sys::AlterTableCmd>(stmt.cmds)
            .into_iter()
            .map(|cmd| (*cmd).def)
            .filter(|def| !def.is_null())
            .flat_map(|def| match tag(def) {
                NodeTag::T_Constraint => vec![def.cast::<pg_sys::Constraint>()],
                NodeTag::T_ColumnDef => list((*def.cast::<pg_sys::ColumnDef>()).constraints),
                _ => Vec::new(),
            });
        let tables = added.map(|constraint| (*constraint).pktable);
        tables
            .filter_map(|range: *mut RangeVar| spread_table(metadata, relation(range)?))
            .collect()
    }
}
