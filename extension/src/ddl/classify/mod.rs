//! What a utility statement is about: which spread tables, and what the other nodes have to do.

pub mod elements;
pub mod locks;
pub mod objects;
pub mod shared;
pub mod tables;
pub mod temporary;
pub mod upkeep;

use crate::ddl::attempts::Wanted;
use crate::ddl::classify::shared::Shared;
use crate::ddl::names::{spread_table, table_of};
use crate::ddl::refuse;
use crate::ddl::tablespace;
use crate::metadata::cache::Metadata;
use crate::pg::names;
use crate::pg::parse_tree::{list, relation, tag};
use pgrx::pg_sys::{self, DropBehavior, NodeTag, ObjectType, Oid, PlannedStmt, RangeVar};
use std::os::raw::c_char;

/// What is to be done once the statement has run here.
pub enum Action {
    /// Only this node's own metadata follows: another node coordinates the statement.
    Own,
    /// A table of this node alone has changed: it must not point to distributed rows.
    Check,
    /// As `Check`, but nothing that could point anywhere.
    Plain,
    /// Nothing about spread tables: see `Concern::shared`.
    Shared,
    /// The same text runs on the other nodes.
    Schema(String),
    /// A new index; those with a lower or equal OID were there before.
    Index { newest: u32, if_missing: bool },
    /// REINDEX CONCURRENTLY: runs on each node by itself.
    Rebuild(String),
    /// Whatever spread tables were dropped here are dropped there.
    Drop { cascade: bool },
    /// As `Schema`, but only writers have to wait for it.
    Truncate(String),
    /// Nothing about the schema changes: ANALYZE, REINDEX, CLUSTER, LOCK.
    Maintain(String),
    /// Runs on each node by itself, outside of any transaction.
    Vacuum(String),
}

/// What is made on the other nodes, where it is missing, before they run a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Where something moves to: types and sequences that move are there under their old names.
    Schemas,
    /// Schemas, types, functions and sequences.
    Everything,
}

/// A statement about spread tables.
pub struct Concern {
    pub tables: Vec<Oid>,
    pub action: Action,
    /// Tables of this node alone, and their names, which must still be that once the statement has their locks.
    pub plain: Vec<(Oid, String)>,
    /// The statement locks an index or a sequence of such a table, and not the table itself.
    pub beside: bool,
    /// Table, old and new name of a renamed column.
    pub renamed_column: Option<(Oid, String, String)>,
    /// What is locked in short attempts before the statement runs.
    pub wanted: Vec<Wanted>,
    /// CREATE or DROP INDEX CONCURRENTLY.
    pub concurrently: bool,
    /// Columns may be filled by new sequences.
    pub sequences: bool,
    /// Columns that ALTER TABLE adds.
    pub new_columns: Vec<String>,
    /// What the tables may need that they did not need before.
    pub needs: Needs,
    /// The table has a trigger more, or less.
    pub triggers: bool,
    /// A function has been made or changed.
    pub functions: bool,
    /// What the other nodes do besides, about objects that every node has.
    pub shared: Option<Shared>,
}

impl Concern {
    pub(super) fn new(tables: Vec<Oid>, action: Action) -> Concern {
        Concern {
            tables,
            action,
            plain: Vec::new(),
            beside: false,
            renamed_column: None,
            wanted: Vec::new(),
            concurrently: false,
            sequences: false,
            new_columns: Vec::new(),
            needs: Needs::Nothing,
            triggers: false,
            functions: false,
            shared: None,
        }
    }

    pub fn creates_concurrently(&self) -> bool {
        self.concurrently && matches!(self.action, Action::Index { .. })
    }

    /// A statement about tables of this node alone, or their indexes and sequences.
    fn plain(relations: Vec<Oid>, action: Action) -> Option<Concern> {
        let mut concern = Concern::new(Vec::new(), action);
        concern.beside = relations.iter().any(|&oid| table_of(oid) != oid);
        concern.plain = Concern::tables_here(relations.into_iter());
        (!concern.plain.is_empty()).then_some(concern)
    }

    /// For `Concern::plain`.
    fn tables_here(relations: impl Iterator<Item = Oid>) -> Vec<(Oid, String)> {
        relations
            .map(table_of)
            .map(|table| (table, names::bare(table)))
            .collect()
    }

    /// A CREATE or DROP INDEX CONCURRENTLY of such tables, which ends in another transaction than it begins in.
    fn plain_concurrently(relations: Vec<Oid>) -> Option<Concern> {
        let mut concern = Concern::plain(relations, Action::Plain)?;
        concern.concurrently = true;
        Some(concern)
    }
}

/// `None` when neither a spread table nor an object of all nodes is concerned. Refuses (raises) what can not be spread.
pub fn classify(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    metadata: &Metadata,
) -> Option<Concern> {
    // SAFETY: PostgreSQL passes a utility statement.
    tablespace::check(unsafe { (*pstmt).utilityStmt }, metadata);
    let shared = shared::of(pstmt, query_string, metadata);
    let mut concern = match by_statement(pstmt, query_string, metadata) {
        Some(concern) => concern,
        None => Concern::new(Vec::new(), shared.as_ref().map(|_| Action::Shared)?),
    };
    // A statement about spread tables is sent as it is anyway.
    concern.shared = shared.filter(|_| !matches!(concern.action, Action::Schema(_)));
    // SAFETY: PostgreSQL passes a utility statement.
    let tag = tag(unsafe { (*pstmt).utilityStmt });
    concern.needs = match tag {
        NodeTag::T_AlterObjectSchemaStmt => Needs::Schemas,
        NodeTag::T_AlterTableStmt
        | NodeTag::T_IndexStmt
        | NodeTag::T_CreateTrigStmt
        | NodeTag::T_CreatePolicyStmt
        | NodeTag::T_AlterPolicyStmt
        | NodeTag::T_CreateStatsStmt => Needs::Everything,
        _ => Needs::Nothing,
    };
    // SAFETY: PostgreSQL passes a utility statement.
    concern.wanted = locks::of(unsafe { (*pstmt).utilityStmt }, &concern, metadata);
    concern.triggers = tag == NodeTag::T_CreateTrigStmt || drops_trigger(pstmt);
    concern.functions = matches!(
        tag,
        NodeTag::T_CreateFunctionStmt | NodeTag::T_AlterFunctionStmt
    );
    Some(concern)
}

fn drops_trigger(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: PostgreSQL passes a utility statement; it is read as the type that its tag names.
    unsafe {
        let node = (*pstmt).utilityStmt;
        tag(node) == NodeTag::T_DropStmt
            && (*node.cast::<pg_sys::DropStmt>()).removeType == ObjectType::OBJECT_TRIGGER
    }
}

/// A copy of a DROP INDEX CONCURRENTLY without that word.
///
/// # Safety
/// `pstmt` is a statement of the parser, a DROP.
pub unsafe fn not_concurrently(pstmt: *mut PlannedStmt) -> *mut PlannedStmt {
    // SAFETY: as the caller promises; the copy is palloc'd.
    unsafe {
        let copy = pg_sys::copyObjectImpl(pstmt.cast()).cast::<PlannedStmt>();
        (*(*copy).utilityStmt.cast::<pg_sys::DropStmt>()).concurrent = false;
        copy
    }
}

/// One arm a kind of statement.
fn by_statement(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    metadata: &Metadata,
) -> Option<Concern> {
    // SAFETY: PostgreSQL passes a utility statement.
    let node = unsafe { (*pstmt).utilityStmt };
    let source = || objects::source_text(pstmt, query_string);
    let about = |tables: Vec<Oid>| {
        (!tables.is_empty()).then(|| Concern::new(tables, Action::Schema(source())))
    };
    let one = |relation: Option<Oid>| {
        let relation = relation?;
        match spread_table(metadata, relation) {
            Some(table) => about(vec![table]),
            None => Concern::plain(vec![relation], Action::Plain),
        }
    };
    // SAFETY: each node is read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_AlterTableStmt => tables::alter_table(&*node.cast(), metadata, source),
            NodeTag::T_CreateStmt => {
                tables::check_parents(&*node.cast(), metadata, |_| true);
                Some(Concern::new(Vec::new(), Action::Check))
            }
            NodeTag::T_CreateForeignTableStmt => {
                let stmt = &*node.cast::<pg_sys::CreateForeignTableStmt>();
                tables::check_parents(&stmt.base, metadata, |_| true);
                Some(Concern::new(Vec::new(), Action::Check))
            }
            NodeTag::T_CreateSchemaStmt => elements::check(&*node.cast(), metadata),
            NodeTag::T_IndexStmt => tables::index(&*node.cast(), metadata),
            NodeTag::T_RenameStmt => tables::rename(&*node.cast(), metadata, one, about),
            NodeTag::T_AlterObjectSchemaStmt => {
                let stmt = &*node.cast::<pg_sys::AlterObjectSchemaStmt>();
                match stmt.objectType {
                    ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN => {
                        about(objects::using_type(metadata, stmt.object.cast()))
                    }
                    ObjectType::OBJECT_STATISTIC_EXT => {
                        one(objects::statistics_table(stmt.object.cast()))
                    }
                    _ => one(relation(stmt.relation)),
                }
            }
            NodeTag::T_AlterOwnerStmt => {
                let stmt = &*node.cast::<pg_sys::AlterOwnerStmt>();
                (stmt.objectType == ObjectType::OBJECT_STATISTIC_EXT)
                    .then(|| one(objects::statistics_table(stmt.object.cast())))?
            }
            NodeTag::T_DropStmt => tables::drop(&*node.cast(), metadata, one),
            NodeTag::T_DropOwnedStmt => {
                let stmt = &*node.cast::<pg_sys::DropOwnedStmt>();
                let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
                let tables = metadata
                    .tables
                    .values()
                    .map(|table| table.relation)
                    .collect();
                Some(Concern::new(tables, Action::Drop { cascade }))
            }
            NodeTag::T_TruncateStmt => upkeep::truncate(&*node.cast(), metadata),
            NodeTag::T_CommentStmt => {
                let stmt = &*node.cast::<pg_sys::CommentStmt>();
                one(objects::commented(stmt.objtype, stmt.object))
            }
            NodeTag::T_GrantStmt => tables::grant(&*node.cast(), metadata, about),
            NodeTag::T_CreateTrigStmt => {
                one(relation((*node.cast::<pg_sys::CreateTrigStmt>()).relation))
            }
            NodeTag::T_CreatePolicyStmt => {
                one(relation((*node.cast::<pg_sys::CreatePolicyStmt>()).table))
            }
            NodeTag::T_AlterPolicyStmt => {
                one(relation((*node.cast::<pg_sys::AlterPolicyStmt>()).table))
            }
            NodeTag::T_CreateStatsStmt => {
                let stmt = &*node.cast::<pg_sys::CreateStatsStmt>();
                one(list::<RangeVar>(stmt.relations)
                    .into_iter()
                    .find_map(relation))
            }
            NodeTag::T_AlterStatsStmt => one(objects::statistics_table(
                (*node.cast::<pg_sys::AlterStatsStmt>()).defnames,
            )),
            NodeTag::T_AlterEnumStmt => about(objects::using_type(
                metadata,
                (*node.cast::<pg_sys::AlterEnumStmt>()).typeName,
            )),
            NodeTag::T_AlterDomainStmt => about(objects::using_type(
                metadata,
                (*node.cast::<pg_sys::AlterDomainStmt>()).typeName,
            )),
            NodeTag::T_RuleStmt => {
                let table = relation((*node.cast::<pg_sys::RuleStmt>()).relation);
                refuse::if_spread(metadata, table, "a rule", "A trigger can do its work.");
                one(table)
            }
            NodeTag::T_AlterSeqStmt => {
                let range = (*node.cast::<pg_sys::AlterSeqStmt>()).sequence;
                let table = relation(range).and_then(|oid| spread_table(metadata, oid));
                refuse::if_spread(
                    metadata,
                    table,
                    "ALTER SEQUENCE of a column's sequence",
                    "Every node gives its own values; they stay unique only as they are.",
                );
                None
            }
            NodeTag::T_ReindexStmt => upkeep::reindex(&*node.cast(), metadata, source),
            NodeTag::T_ClusterStmt => {
                let range = (*node.cast::<pg_sys::ClusterStmt>()).relation;
                let table = relation(range).and_then(|oid| spread_table(metadata, oid))?;
                Some(Concern::new(vec![table], Action::Maintain(source())))
            }
            NodeTag::T_VacuumStmt => upkeep::vacuum(&*node.cast(), metadata),
            NodeTag::T_LockStmt => upkeep::lock(&*node.cast(), metadata),
            _ => None,
        }
    }
}

/// In an internal session: what this node's own metadata has to follow. All else is the coordinating node's.
pub fn own(pstmt: *mut PlannedStmt, metadata: &Metadata) -> Option<Concern> {
    // SAFETY: PostgreSQL passes a utility statement; it is read as the type that its tag names.
    let stmt = unsafe {
        let node = (*pstmt).utilityStmt;
        (tag(node) == NodeTag::T_RenameStmt).then(|| &*node.cast::<pg_sys::RenameStmt>())
    }?;
    let about = |tables| Some(Concern::new(tables, Action::Own));
    tables::rename(stmt, metadata, |table| about(vec![table?]), about)
        .filter(|concern| concern.renamed_column.is_some())
}
