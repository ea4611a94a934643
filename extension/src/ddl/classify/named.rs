//! The tables that a statement names, itself or by an index, a sequence, a type, a schema of theirs.

use crate::ddl::classify::objects::{
    commented, distributed, in_schema, pointing_to, relations, relations_listed, statistics_table,
    with_type,
};
use crate::ddl::classify::{elements, tags};
use crate::ddl::tables::distributed_table;
use crate::ddl::tablespace;
use crate::metadata::cache::Metadata;
use crate::objects::portable::is_shared_view;
use crate::pg::tree::{owned, ListRef, NodeRef};
use crate::pg::{catalog, names};
use expanse_core::utility::{Object, Statement, Tables};
use pgrx::pg_sys::{self, DropBehavior, DropStmt, GrantStmt, GrantTargetType, Oid, RangeVar};
use Statement as S;

/// Tables of a statement.
#[derive(Default)]
pub struct Named {
    pub distributed: Vec<Oid>,
    /// Local relations.
    pub local: Vec<Oid>,
    /// It is about local tables that it does not name: a new one, or whatever CASCADE takes with it.
    pub unnamed: bool,
}

impl Named {
    fn distributed(distributed: Vec<Oid>) -> Named {
        Named {
            distributed,
            ..Named::default()
        }
    }

    /// A relation, if it exists.
    fn one(relation: Option<Oid>, metadata: &Metadata) -> Named {
        let Some(relation) = relation else {
            return Named::default();
        };
        match distributed_table(metadata, relation) {
            Some(table) => Named::distributed(vec![table]),
            None => Named {
                local: vec![relation],
                ..Named::default()
            },
        }
    }

    fn range(range: Option<NodeRef<'_, RangeVar>>, metadata: &Metadata) -> Named {
        Named::one(range.and_then(names::relation), metadata)
    }

    /// Tables by their own names.
    fn tables(named: Vec<Oid>, metadata: &Metadata) -> Named {
        let (distributed, local) = named
            .into_iter()
            .partition(|&table| metadata.table(table).is_some());
        Named {
            distributed,
            local,
            unnamed: false,
        }
    }

    /// Without local tables beside distributed ones, which the statement is not sent for.
    fn distributed_first(mut self) -> Named {
        if !self.distributed.is_empty() {
            self.local.clear();
        }
        self
    }

    /// For the rules.
    pub fn kind(&self) -> Tables {
        match (self.distributed.is_empty(), self.local.is_empty()) {
            (false, false) => Tables::Mixed,
            (false, true) => Tables::Distributed,
            (true, true) if !self.unnamed => Tables::None,
            (true, _) => Tables::Local,
        }
    }
}

/// What a statement names. `None` for nodes that are not what the parser makes of it.
pub fn of(node: NodeRef<'_>, statement: S, object: Object, metadata: &Metadata) -> Option<Named> {
    let range = |range| Some(Named::range(range, metadata));
    let by_type = |names| {
        Some(Named::distributed(with_type(
            metadata,
            names::type_named(names),
        )))
    };
    match statement {
        S::AlterTable => alter_table(node.cast()?, object, metadata),
        S::Create => Some(new_table(node.cast()?, metadata)),
        S::CreateForeignTable => {
            let stmt = node.cast::<pg_sys::CreateForeignTableStmt>()?;
            Some(new_table(stmt.table(), metadata))
        }
        S::CreateSchema => Some(elements::named(node.cast()?, metadata)),
        S::Index => {
            let table = names::relation(node.cast::<pg_sys::IndexStmt>()?.relation()?)?;
            Some(Named::tables(vec![table], metadata))
        }
        S::CreateTrig => range(node.cast::<pg_sys::CreateTrigStmt>()?.relation()),
        S::CreatePolicy => range(node.cast::<pg_sys::CreatePolicyStmt>()?.table()),
        S::AlterPolicy => range(node.cast::<pg_sys::AlterPolicyStmt>()?.table()),
        S::CreateStats => {
            let stmt = node.cast::<pg_sys::CreateStatsStmt>()?;
            // Anything that FROM may have: PostgreSQL refuses all but a table.
            let mut tables = stmt.relations().filter::<RangeVar>();
            let table = tables.find_map(names::relation);
            Some(Named::one(table, metadata))
        }
        S::AlterStats => {
            let stmt = node.cast::<pg_sys::AlterStatsStmt>()?;
            Some(Named::one(statistics_table(stmt.names()), metadata))
        }
        S::Rule => range(node.cast::<pg_sys::RuleStmt>()?.relation()),
        S::AlterSeq => range(node.cast::<pg_sys::AlterSeqStmt>()?.sequence()),
        S::Rename => rename(node.cast()?, object, metadata),
        S::AlterObjectSchema => {
            let stmt = node.cast::<pg_sys::AlterObjectSchemaStmt>()?;
            match object {
                Object::Type | Object::Domain => by_type(stmt.object()?.names()?),
                Object::Statistics => Some(statistics(stmt.object(), metadata)),
                _ => range(stmt.relation()),
            }
        }
        S::AlterOwner if object == Object::Statistics => {
            let stmt = node.cast::<pg_sys::AlterOwnerStmt>()?;
            Some(statistics(stmt.object(), metadata))
        }
        S::AlterEnum => by_type(node.cast::<pg_sys::AlterEnumStmt>()?.names()),
        S::AlterDomain => by_type(node.cast::<pg_sys::AlterDomainStmt>()?.names()),
        S::Drop => Some(drop(node.cast()?, object, metadata)),
        S::DropOwned => Some(Named {
            distributed: metadata.tables.values().map(|t| t.relation).collect(),
            local: Vec::new(),
            unnamed: true,
        }),
        S::Comment => {
            let stmt = node.cast::<pg_sys::CommentStmt>()?;
            let table = commented(stmt.objtype, stmt.object()?);
            Some(Named::one(table, metadata))
        }
        S::Grant => Some(grant(node.cast()?, object, metadata)),
        S::AlterTableMoveAll => {
            let tables = tablespace::tables_moved(node.cast()?, metadata);
            Some(Named::distributed(tables))
        }
        S::Truncate | S::Lock | S::Vacuum | S::Cluster | S::Reindex => upkeep(node, metadata),
        _ => Some(Named::default()),
    }
}

fn statistics(object: Option<NodeRef<'_>>, metadata: &Metadata) -> Named {
    let name = object.and_then(|object| object.names());
    Named::one(name.and_then(statistics_table), metadata)
}

fn alter_table(
    stmt: NodeRef<'_, pg_sys::AlterTableStmt>,
    object: Object,
    metadata: &Metadata,
) -> Option<Named> {
    if object != Object::Type {
        return Some(Named::range(stmt.relation(), metadata));
    }
    let of_rows = names::relation(stmt.relation()?).and_then(catalog::row_type);
    Some(Named::distributed(with_type(metadata, of_rows)))
}

/// A new table, and the distributed ones that it inherits from.
fn new_table(stmt: NodeRef<'_, pg_sys::CreateStmt>, metadata: &Metadata) -> Named {
    Named {
        distributed: distributed(metadata, &relations(stmt.parents())),
        local: Vec::new(),
        unnamed: true,
    }
}

fn rename(
    stmt: NodeRef<'_, pg_sys::RenameStmt>,
    object: Object,
    metadata: &Metadata,
) -> Option<Named> {
    Some(match object {
        Object::Schema => {
            let schema = owned(stmt.old_name())?;
            Named::distributed(in_schema(metadata, &schema))
        }
        Object::Type | Object::Domain | Object::DomainConstraint => {
            let of_type = names::type_named(stmt.object()?.names()?);
            Named::distributed(with_type(metadata, of_type))
        }
        Object::Statistics => statistics(stmt.object(), metadata),
        _ => Named::range(stmt.relation(), metadata),
    })
}

fn drop(stmt: NodeRef<'_, DropStmt>, object: Object, metadata: &Metadata) -> Named {
    let objects = stmt.objects();
    let found = |of: fn(ListRef<'_, pg_sys::String>) -> Option<Oid>| {
        let mut lists = objects.iter().filter_map(|object| object.names());
        Named::one(lists.find_map(of), metadata)
    };
    let cascading = |distributed| Named {
        distributed,
        local: Vec::new(),
        unnamed: true,
    };
    match object {
        Object::Index => drop_indexes(stmt, metadata),
        Object::Trigger | Object::Policy | Object::Rule => found(names::relation_before_last),
        Object::Statistics => found(statistics_table),
        Object::Sequence => {
            let sequences = relations_listed(objects).into_iter();
            let filled = sequences.filter_map(|oid| distributed_table(metadata, oid));
            Named::distributed(filled.collect())
        }
        Object::Table => cascading(distributed(metadata, &relations_listed(objects))),
        Object::Schema => {
            let schemas = objects.cast::<pg_sys::String>().map(ListRef::texts);
            let schemas = schemas.unwrap_or_default().into_iter();
            cascading(
                schemas
                    .flat_map(|schema| in_schema(metadata, &schema))
                    .collect(),
            )
        }
        _ => cascading(Vec::new()),
    }
}

fn drop_indexes(stmt: NodeRef<'_, DropStmt>, metadata: &Metadata) -> Named {
    let mut named = Named::default();
    for index in relations_listed(stmt.objects()) {
        match distributed_table(metadata, index) {
            Some(table) => named.distributed.push(table),
            None => named.local.push(index),
        }
    }
    let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
    if !named.distributed.is_empty() && stmt.concurrent && (cascade || stmt.objects().len() > 1) {
        // PostgreSQL refuses it.
        return Named::default();
    }
    named
}

fn grant(stmt: NodeRef<'_, GrantStmt>, object: Object, metadata: &Metadata) -> Named {
    if !matches!(object, Object::Table | Object::Sequence) {
        return Named::default();
    }
    let objects = stmt.objects();
    if stmt.targtype == GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA {
        let schemas = objects.cast::<pg_sys::String>().map(ListRef::texts);
        let schemas = schemas.unwrap_or_default().into_iter();
        let tables = schemas.flat_map(|schema| in_schema(metadata, &schema));
        return Named::distributed(tables.collect());
    }
    if stmt.targtype != GrantTargetType::ACL_TARGET_OBJECT {
        return Named::default();
    }
    let mut named = Named::default();
    for relation in objects.filter::<RangeVar>().filter_map(names::relation) {
        match distributed_table(metadata, relation) {
            Some(table) => named.distributed.push(table),
            None => named.local.push(relation),
        }
    }
    // Views that every node has are granted together with distributed tables.
    if !named.distributed.is_empty() {
        named.local.retain(|&oid| !is_shared_view(oid, metadata));
    }
    named
}

/// Statements that leave the schema as it is.
fn upkeep(node: NodeRef<'_>, metadata: &Metadata) -> Option<Named> {
    if let Some(stmt) = node.cast::<pg_sys::TruncateStmt>() {
        let mut named = Named::tables(relations(stmt.relations()), metadata);
        if stmt.behavior == DropBehavior::DROP_CASCADE && !named.distributed.is_empty() {
            let pointing = pointing_to(&named.distributed, metadata);
            named.distributed.extend(pointing);
        }
        return Some(named);
    }
    if let Some(stmt) = node.cast::<pg_sys::LockStmt>() {
        let named = Named::tables(relations(stmt.relations()), metadata);
        return Some(named.distributed_first());
    }
    if let Some(stmt) = node.cast::<pg_sys::VacuumStmt>() {
        let targets = stmt.relations().iter();
        let tables = targets.filter_map(|target| names::relation(target.relation()?));
        let named = Named::tables(tables.collect(), metadata);
        return Some(named.distributed_first());
    }
    if let Some(stmt) = node.cast::<pg_sys::ReindexStmt>() {
        return Some(Named::range(stmt.relation(), metadata));
    }
    let stmt = node.cast::<pg_sys::ClusterStmt>()?;
    Some(Named::range(stmt.relation(), metadata))
}

/// The kind of object that a statement is about.
pub fn object(node: NodeRef<'_>) -> Object {
    let kind = if let Some(stmt) = node.cast::<pg_sys::AlterTableStmt>() {
        stmt.objtype
    } else if let Some(stmt) = node.cast::<pg_sys::RenameStmt>() {
        stmt.renameType
    } else if let Some(stmt) = node.cast::<pg_sys::AlterObjectSchemaStmt>() {
        stmt.objectType
    } else if let Some(stmt) = node.cast::<pg_sys::AlterOwnerStmt>() {
        stmt.objectType
    } else if let Some(stmt) = node.cast::<pg_sys::AlterFunctionStmt>() {
        stmt.objtype
    } else if let Some(stmt) = node.cast::<DropStmt>() {
        stmt.removeType
    } else if let Some(stmt) = node.cast::<pg_sys::CommentStmt>() {
        stmt.objtype
    } else if let Some(stmt) = node.cast::<GrantStmt>() {
        stmt.objtype
    } else if node.is::<pg_sys::AlterTableSpaceOptionsStmt>() {
        pg_sys::ObjectType::OBJECT_TABLESPACE
    } else {
        return Object::Unnamed;
    };
    tags::object(kind)
}
