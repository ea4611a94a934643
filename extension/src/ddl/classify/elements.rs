//! What CREATE SCHEMA makes besides the schema: PostgreSQL runs each element as a part of the statement, on this node alone.

use crate::ddl::classify::named::Named;
use crate::ddl::classify::objects::in_schema;
use crate::ddl::refuse;
use crate::ddl::tables::distributed_table;
use crate::metadata::cache::Metadata;
use crate::pg::names;
use crate::pg::tree::{owned, NodeRef};
use expanse_core::utility::refusal;
use pgrx::pg_sys::{self, CreateSchemaStmt, CreateStmt, GrantStmt, ObjectType, Oid, RangeVar};

/// Refuses (raises) new tables that inherit from distributed ones; gives the distributed tables that a GRANT is about. What
/// new tables point to is checked once they are there.
pub fn named(stmt: NodeRef<'_, CreateSchemaStmt>, metadata: &Metadata) -> Named {
    let elements = stmt.elements();
    let own: Vec<String> = elements.iter().filter_map(made_by).collect();
    // The new schema comes first in the search path of its elements.
    let elsewhere = |range: &NodeRef<RangeVar>| {
        range.schema().is_some() || owned(range.name()).is_none_or(|name| !own.contains(&name))
    };
    for table in elements.filter::<CreateStmt>() {
        let parents = table.parents().iter().filter(elsewhere);
        if let Some(parent) = distributed(parents, metadata) {
            refuse::refuse(metadata, parent, refusal::INHERITANCE);
        }
    }
    let grants = elements.filter::<GrantStmt>();
    Named {
        distributed: grants
            .filter_map(|grant| granted(grant, metadata, elsewhere))
            .collect(),
        local: Vec::new(),
        unnamed: !elements.is_empty(),
    }
}

/// The first distributed table among these relations.
fn distributed<'a>(
    mut ranges: impl Iterator<Item = NodeRef<'a, RangeVar>>,
    metadata: &Metadata,
) -> Option<Oid> {
    ranges.find_map(|range| {
        let table = metadata.table(names::relation(range)?)?;
        Some(table.relation)
    })
}

/// The name of the relation that an element makes.
fn made_by(element: NodeRef<'_>) -> Option<String> {
    let range = if let Some(table) = element.cast::<CreateStmt>() {
        table.relation()
    } else if let Some(view) = element.cast::<pg_sys::ViewStmt>() {
        view.view()
    } else {
        element.cast::<pg_sys::CreateSeqStmt>()?.sequence()
    };
    owned(range?.name())
}

/// The first distributed table that a GRANT is about.
fn granted(
    stmt: NodeRef<'_, GrantStmt>,
    metadata: &Metadata,
    elsewhere: impl Fn(&NodeRef<RangeVar>) -> bool,
) -> Option<Oid> {
    if !matches!(
        stmt.objtype,
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE
    ) {
        return None;
    }
    let objects = stmt.objects();
    if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA {
        let schemas = objects.cast::<pg_sys::String>()?.texts().into_iter();
        return schemas.flat_map(|name| in_schema(metadata, &name)).next();
    }
    objects
        .filter::<RangeVar>()
        .filter(elsewhere)
        .filter_map(names::relation)
        .find_map(|oid| distributed_table(metadata, oid))
}
