//! Objects that every node has because any node takes any statement: roles, schemas, types, functions, extensions, and views
//! that need nothing of one node alone.

use crate::ddl::classify::temporary;
use crate::ddl::source::Source;
use crate::metadata::cache::Metadata;
use crate::metadata::storages;
use crate::objects::portable::{is_portable, is_shared_view, Class};
use crate::pg::tree::{owned, ListRef, NodeRef};
use crate::pg::{names, spi};
use expanse_core::utility::{Existence, Home, Object, Objects, OnObjects, Rule};
use pgrx::pg_sys::{
    self, CreateSchemaStmt, DropBehavior, DropStmt, GrantStmt, GrantTargetType, ObjectWithArgs,
    RangeVar,
};

/// The extension of this library, which comes and goes node by node.
const OWN_EXTENSION: &str = "expanse";

/// A statement for the other nodes about such an object.
pub struct ObjectStatement {
    pub sql: String,
    pub when: When,
}

/// When the other nodes run it.
pub enum When {
    Always,
    /// If the view that it makes needs nothing of this node alone: schema (if named) and name.
    View(Option<String>, String),
    /// If the functions that it makes need nothing of this node alone.
    Functions,
}

/// Which nodes have the object of a statement, as far as its rule asks.
pub fn existence(node: NodeRef<'_>, rule: &Rule, object: Object, metadata: &Metadata) -> Existence {
    if rule.objects == OnObjects::Nothing {
        return Existence::ThisNode;
    }
    if temporary::is_about(node) {
        return Existence::ThisSession;
    }
    let asked = rule.objects == OnObjects::ByKind && object.home() == Home::Depends;
    if asked && is_everywhere(node, object, metadata).unwrap_or(false) {
        Existence::AllNodes
    } else {
        Existence::ThisNode
    }
}

fn is_everywhere(node: NodeRef<'_>, object: Object, metadata: &Metadata) -> Option<bool> {
    let portable = |object| is_portable_object(object, metadata);
    let view = |range| Some(is_view(range, metadata));
    if let Some(stmt) = node.cast::<pg_sys::RenameStmt>() {
        return match stmt.object() {
            Some(named) if is_function(object) => portable(Of::function(object, named)?),
            _ => view(stmt.relation()?),
        };
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterObjectSchemaStmt>() {
        return match stmt.object() {
            Some(named) if is_function(object) => portable(Of::function(object, named)?),
            _ => view(stmt.relation()?),
        };
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterTableStmt>() {
        return view(stmt.relation()?);
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterOwnerStmt>() {
        return portable(Of::object(object, stmt.object()?)?);
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterFunctionStmt>() {
        return portable(Of::Function(object, stmt.function()?));
    }
    if let Some(stmt) = node.cast::<pg_sys::CommentStmt>() {
        if object == Object::View {
            let view = names::relation_named(stmt.object()?.names()?)?;
            return Some(is_shared_view(view, metadata));
        }
        return portable(Of::object(object, stmt.object()?)?);
    }
    if let Some(stmt) = node.cast::<GrantStmt>() {
        return Some(grant(stmt, object, metadata));
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterTableSpaceOptionsStmt>() {
        return Some(storages::exists(&owned(stmt.name())?));
    }
    if let Some(stmt) = node.cast::<pg_sys::CreateExtensionStmt>() {
        return Some(owned(stmt.name())? != OWN_EXTENSION);
    }
    if let Some(stmt) = node.cast::<pg_sys::AlterExtensionStmt>() {
        return Some(owned(stmt.name())? != OWN_EXTENSION);
    }
    let stmt = node.cast::<DropStmt>()?;
    Some(object == Object::View && !shared_views(stmt, metadata).is_empty())
}

fn is_function(object: Object) -> bool {
    matches!(
        object,
        Object::Function | Object::Procedure | Object::Routine | Object::Aggregate
    )
}

/// An object whose kind does not say whether every node has it.
enum Of<'a> {
    Function(Object, NodeRef<'a, ObjectWithArgs>),
    Tablespace(String),
}

impl<'a> Of<'a> {
    fn function(object: Object, named: NodeRef<'a>) -> Option<Of<'a>> {
        Some(Of::Function(object, named.cast()?))
    }

    fn object(object: Object, named: NodeRef<'a>) -> Option<Of<'a>> {
        if is_function(object) {
            return Of::function(object, named);
        }
        let tablespace = named.cast::<pg_sys::String>()?;
        (object == Object::Tablespace)
            .then(|| owned(tablespace.value()))
            .flatten()
            .map(Of::Tablespace)
    }
}

fn is_portable_object(object: Of<'_>, metadata: &Metadata) -> Option<bool> {
    Some(match object {
        // One that does not exist is PostgreSQL's to refuse.
        Of::Function(kind, name) => {
            let oid = names::function_of(crate::ddl::classify::tags::kind_of(kind)?, name);
            oid.is_none_or(|oid| is_portable(Class::Function, oid, metadata))
        }
        Of::Tablespace(name) => storages::exists(&name),
    })
}

fn is_view(range: NodeRef<'_, RangeVar>, metadata: &Metadata) -> bool {
    names::relation(range).is_some_and(|view| is_shared_view(view, metadata))
}

fn grant(stmt: NodeRef<'_, GrantStmt>, object: Object, metadata: &Metadata) -> bool {
    let named = stmt.targtype == GrantTargetType::ACL_TARGET_OBJECT;
    let objects = stmt.objects();
    match object {
        Object::Table if named => {
            let ranges = objects.cast::<RangeVar>();
            ranges.is_some_and(|ranges| {
                !ranges.is_empty() && ranges.iter().all(|range| is_view(range, metadata))
            })
        }
        Object::Tablespace => {
            let storages = objects.cast::<pg_sys::String>().map(ListRef::texts);
            storages
                .is_some_and(|all| !all.is_empty() && all.iter().all(|name| storages::exists(name)))
        }
        _ if is_function(object) => {
            let portable = |function| {
                Of::function(object, function)
                    .and_then(|function| is_portable_object(function, metadata))
                    .unwrap_or(false)
            };
            !named || objects.iter().all(portable)
        }
        _ => false,
    }
}

/// What the other nodes run, if they have a part in it.
pub fn statement(
    source: Source<'_>,
    objects: Objects,
    object: Object,
    metadata: &Metadata,
) -> Option<ObjectStatement> {
    let node = source.node()?;
    let (sql, when) = if objects == Objects::IfPortable {
        let when = match node.cast::<pg_sys::ViewStmt>() {
            Some(stmt) => {
                let view = stmt.view()?;
                When::View(owned(view.schema()), owned(view.name()).unwrap_or_default())
            }
            None => When::Functions,
        };
        (source.text(), when)
    } else if let Some(stmt) = node.cast::<CreateSchemaStmt>() {
        (create_schema(stmt), When::Always)
    } else if let Some(stmt) = node.cast::<DropStmt>() {
        (drop(stmt, source, object, metadata)?, When::Always)
    } else {
        (source.text(), When::Always)
    };
    Some(ObjectStatement { sql, when })
}

/// Without what else the statement makes in it: tables are made where they are asked for.
fn create_schema(stmt: NodeRef<'_, CreateSchemaStmt>) -> String {
    let role = stmt.owner().map(|role| role.role_name());
    let name = owned(stmt.name())
        .or_else(|| role.clone())
        .unwrap_or_default();
    let name = spi::identifier(&name);
    match role {
        Some(role) => format!(
            "CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {}",
            spi::identifier(&role)
        ),
        None => format!("CREATE SCHEMA IF NOT EXISTS {name}"),
    }
}

/// The names of the views among these that every node has.
fn shared_views(stmt: NodeRef<'_, DropStmt>, metadata: &Metadata) -> Vec<String> {
    let views = stmt.objects().iter().filter_map(|object| object.names());
    views
        .filter_map(names::relation_named)
        .filter(|&view| is_shared_view(view, metadata))
        .filter_map(names::qualified)
        .collect()
}

fn drop(
    stmt: NodeRef<'_, DropStmt>,
    source: Source<'_>,
    object: Object,
    metadata: &Metadata,
) -> Option<String> {
    let tail = if stmt.behavior == DropBehavior::DROP_CASCADE {
        " CASCADE"
    } else {
        ""
    };
    let named = || stmt.objects().cast::<pg_sys::String>().map(ListRef::texts);
    match object {
        Object::View => {
            let views = shared_views(stmt, metadata);
            Some(format!("DROP VIEW IF EXISTS {}{tail}", views.join(", ")))
        }
        Object::Schema => {
            let schemas: Vec<String> = named()?.iter().map(|name| spi::identifier(name)).collect();
            Some(format!(
                "DROP SCHEMA IF EXISTS {}{tail}",
                schemas.join(", ")
            ))
        }
        Object::Extension => {
            let ours = named()?.iter().any(|name| name == OWN_EXTENSION);
            (!ours).then(|| source.text())
        }
        _ => Some(if_exists(source.text(), stmt.missing_ok)),
    }
}

/// `DROP FUNCTION f()` as `DROP FUNCTION IF EXISTS f()`; kinds of more than one word stay as they are.
fn if_exists(sql: String, already: bool) -> String {
    let mut words = sql.splitn(3, char::is_whitespace);
    let kinds = [
        "function",
        "procedure",
        "routine",
        "aggregate",
        "type",
        "domain",
    ];
    match (words.next(), words.next(), words.next()) {
        (Some(drop), Some(kind), Some(rest))
            if !already && kinds.contains(&kind.to_ascii_lowercase().as_str()) =>
        {
            format!("{drop} {kind} IF EXISTS {rest}")
        }
        _ => sql,
    }
}
