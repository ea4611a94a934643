//! Types and views of one session: they are in its temporary schema, and no other node has them.

use crate::pg::catalog::{creation_schema, is_temporary_schema, relation_schema, schema_named};
use crate::pg::tree::{ListRef, NodeRef};
use crate::pg::{names, spi};
use pgrx::pg_sys::{self, ObjectType, Oid, RangeVar, TypeName};

/// Is the statement about such objects and nothing else?
pub fn is_about(node: NodeRef<'_>) -> bool {
    makes_temporary(node).unwrap_or_else(|| names_temporary(node).unwrap_or(false))
}

/// Does a statement that makes a type or a view make a temporary one? `None` for other statements.
fn makes_temporary(node: NodeRef<'_>) -> Option<bool> {
    if let Some(stmt) = node.cast::<pg_sys::ViewStmt>() {
        let persistence = stmt.view()?.relpersistence as u8;
        return Some(persistence == pg_sys::RELPERSISTENCE_TEMP);
    }
    let schema = if let Some(stmt) = node.cast::<pg_sys::CompositeTypeStmt>() {
        crate::pg::tree::owned(stmt.name()?.schema())
    } else if let Some(stmt) = node.cast::<pg_sys::CreateEnumStmt>() {
        schema_of(stmt.names())
    } else if let Some(stmt) = node.cast::<pg_sys::CreateRangeStmt>() {
        schema_of(stmt.names())
    } else {
        schema_of(node.cast::<pg_sys::CreateDomainStmt>()?.names())
    };
    Some(makes(schema))
}

/// Are all objects that a statement names temporary types? `None` for statements about other objects.
fn names_temporary(node: NodeRef<'_>) -> Option<bool> {
    if let Some(stmt) = node.cast::<pg_sys::AlterEnumStmt>() {
        return Some(is_temporary_type(names::type_named(stmt.names())));
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterDomainStmt>() {
        return Some(is_temporary_type(names::type_named(stmt.names())));
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterTableStmt>() {
        let composite = stmt.objtype == ObjectType::OBJECT_TYPE;
        return Some(composite && is_temporary_relation(stmt.relation()?));
    }
    if let Some(stmt) = node.cast::<pg_sys::RenameStmt>() {
        return match stmt.renameType {
            ObjectType::OBJECT_ATTRIBUTE => Some(is_temporary_relation(stmt.relation()?)),
            kind => Some(is_type(kind) && is_temporary(stmt.object()?)),
        };
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterOwnerStmt>() {
        return Some(is_type(stmt.objectType) && is_temporary(stmt.object()?));
    }
    if let Some(stmt) = node.cast::<pg_sys::CommentStmt>() {
        return Some(is_type(stmt.objtype) && is_temporary(stmt.object()?));
    }
    if let Some(stmt) = node.cast::<pg_sys::GrantStmt>() {
        let named = stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_OBJECT;
        return Some(named && is_type(stmt.objtype) && all_temporary(stmt.objects()));
    }
    let stmt = node.cast::<pg_sys::DropStmt>()?;
    Some(is_type(stmt.removeType) && all_temporary(stmt.objects()))
}

fn is_type(kind: ObjectType::Type) -> bool {
    matches!(
        kind,
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN | ObjectType::OBJECT_DOMCONSTRAINT
    )
}

/// The schema in a name of a new object, if it says one.
fn schema_of(named: ListRef<'_, pg_sys::String>) -> Option<String> {
    let mut parts = named.texts();
    parts.pop();
    parts.pop()
}

/// Is a new object that is to be in this schema made in the session's temporary one?
fn makes(schema: Option<String>) -> bool {
    let named = match schema {
        Some(schema) if schema == "pg_temp" => return true,
        // Its real name.
        Some(schema) => schema_named(&schema),
        None => creation_schema(),
    };
    named.is_some_and(is_temporary_schema)
}

fn is_temporary_relation(range: NodeRef<'_, RangeVar>) -> bool {
    let schema = names::relation(range).and_then(relation_schema);
    schema.is_some_and(is_temporary_schema)
}

fn all_temporary(types: ListRef<'_>) -> bool {
    !types.is_empty() && types.iter().all(is_temporary)
}

/// Is a type, as statements name it, one of this session? A TypeName, a list of names, or a list of a TypeName and the name
/// of its constraint.
fn is_temporary(object: NodeRef<'_>) -> bool {
    if let Some(name) = object.cast::<TypeName>() {
        return is_temporary_type(names::type_of(name));
    }
    if let Some(parts) = object.names() {
        return parts.len() <= 3 && is_temporary_type(names::type_named(parts));
    }
    let first = object
        .cast::<pg_sys::List>()
        .and_then(|list| list.nodes().first());
    first
        .and_then(|first| first.cast::<TypeName>())
        .is_some_and(|name| is_temporary_type(names::type_of(name)))
}

fn is_temporary_type(of: Option<Oid>) -> bool {
    let schema = of.and_then(|of| {
        spi::oid(&format!(
            "SELECT typnamespace::pg_catalog.int8 FROM pg_catalog.pg_type WHERE oid = {}",
            of.to_u32()
        ))
    });
    schema.is_some_and(is_temporary_schema)
}
