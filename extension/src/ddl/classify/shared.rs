//! Objects that every node has because any node takes any statement: roles, schemas, types, functions, extensions, and views
//! that need nothing of one node alone.

use crate::ddl::classify::objects::source_text;
use crate::ddl::classify::temporary;
use crate::ddl::tablespace;
use crate::metadata::cache::Metadata;
use crate::metadata::storages;
use crate::objects::portable::{is_shared_view, stands_anywhere};
use crate::pg::parse_tree::{list, names, relation, relation_named, tag, text};
use crate::pg::spi;
use pgrx::pg_sys::{self, DropBehavior, Node, NodeTag, ObjectType, Oid, PlannedStmt, RangeVar};
use std::os::raw::c_char;

/// A statement for the other nodes.
pub struct Shared {
    pub sql: String,
    pub when: When,
}

/// When the other nodes run it too.
pub enum When {
    Always,
    /// If the view that it makes needs nothing of this node alone: schema (if named) and name.
    View(Option<String>, String),
    /// If the functions that it makes need nothing of this node alone.
    Functions,
}

/// What the other nodes have to do for this statement, if it is about such an object.
pub fn of(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    metadata: &Metadata,
) -> Option<Shared> {
    // SAFETY: PostgreSQL passes a utility statement.
    let node = unsafe { (*pstmt).utilityStmt };
    if temporary::is_about(node) {
        return None;
    }
    let source = || source_text(pstmt, query_string);
    let always = |sql: String| {
        Some(Shared {
            sql,
            when: When::Always,
        })
    };
    // SAFETY: each node is read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_CreateRoleStmt
            | NodeTag::T_AlterRoleStmt
            | NodeTag::T_AlterRoleSetStmt
            | NodeTag::T_DropRoleStmt
            | NodeTag::T_GrantRoleStmt
            | NodeTag::T_ReassignOwnedStmt
            | NodeTag::T_DropOwnedStmt
            | NodeTag::T_AlterDefaultPrivilegesStmt
            | NodeTag::T_CompositeTypeStmt
            | NodeTag::T_CreateEnumStmt
            | NodeTag::T_CreateRangeStmt
            | NodeTag::T_CreateDomainStmt
            | NodeTag::T_AlterEnumStmt
            | NodeTag::T_AlterDomainStmt
            | NodeTag::T_AlterTypeStmt
            | NodeTag::T_CreateCastStmt
            | NodeTag::T_CreateOpClassStmt
            | NodeTag::T_CreateOpFamilyStmt
            | NodeTag::T_AlterOpFamilyStmt
            | NodeTag::T_AlterOperatorStmt
            | NodeTag::T_DefineStmt
            | NodeTag::T_AlterTSDictionaryStmt
            | NodeTag::T_AlterTSConfigurationStmt => always(source()),
            NodeTag::T_CreateExtensionStmt => {
                let stmt = &*node.cast::<pg_sys::CreateExtensionStmt>();
                always(source()).filter(|_| text(stmt.extname).as_deref() != Some("expanse"))
            }
            NodeTag::T_AlterExtensionStmt => {
                let stmt = &*node.cast::<pg_sys::AlterExtensionStmt>();
                always(source()).filter(|_| text(stmt.extname).as_deref() != Some("expanse"))
            }
            NodeTag::T_CreateFunctionStmt => Some(Shared {
                sql: source(),
                when: When::Functions,
            }),
            NodeTag::T_CreateSchemaStmt => {
                always(create_schema(&*node.cast::<pg_sys::CreateSchemaStmt>()))
            }
            NodeTag::T_ViewStmt => {
                let stmt = &*node.cast::<pg_sys::ViewStmt>();
                let view = &*stmt.view;
                (view.relpersistence as u8 != pg_sys::RELPERSISTENCE_TEMP).then(|| Shared {
                    sql: source(),
                    when: When::View(
                        text(view.schemaname),
                        text(view.relname).unwrap_or_default(),
                    ),
                })
            }
            NodeTag::T_RenameStmt => {
                let stmt = &*node.cast::<pg_sys::RenameStmt>();
                let shared = is_shared(stmt.renameType, stmt.object, metadata)
                    || of_view(stmt.relation, metadata);
                always(source()).filter(|_| shared)
            }
            NodeTag::T_AlterOwnerStmt => {
                let stmt = &*node.cast::<pg_sys::AlterOwnerStmt>();
                always(source()).filter(|_| is_shared(stmt.objectType, stmt.object, metadata))
            }
            NodeTag::T_AlterFunctionStmt => {
                let stmt = &*node.cast::<pg_sys::AlterFunctionStmt>();
                always(source()).filter(|_| is_shared(stmt.objtype, stmt.func.cast(), metadata))
            }
            NodeTag::T_AlterObjectSchemaStmt => {
                let stmt = &*node.cast::<pg_sys::AlterObjectSchemaStmt>();
                let shared = is_shared(stmt.objectType, stmt.object, metadata)
                    || of_view(stmt.relation, metadata);
                always(source()).filter(|_| shared)
            }
            NodeTag::T_AlterTableStmt => {
                let stmt = &*node.cast::<pg_sys::AlterTableStmt>();
                let shared =
                    stmt.objtype == ObjectType::OBJECT_TYPE || of_view(stmt.relation, metadata);
                always(source()).filter(|_| shared)
            }
            NodeTag::T_CommentStmt => {
                let stmt = &*node.cast::<pg_sys::CommentStmt>();
                let view = stmt.objtype == ObjectType::OBJECT_VIEW
                    && relation_named(stmt.object.cast())
                        .is_some_and(|v| is_shared_view(v, metadata));
                always(source()).filter(|_| view || is_shared(stmt.objtype, stmt.object, metadata))
            }
            NodeTag::T_GrantStmt => grant(&*node.cast(), metadata).then(|| Shared {
                sql: source(),
                when: When::Always,
            }),
            NodeTag::T_AlterTableSpaceOptionsStmt => {
                let stmt = &*node.cast::<pg_sys::AlterTableSpaceOptionsStmt>();
                let name = text(stmt.tablespacename);
                always(source()).filter(|_| name.is_some_and(|name| storages::exists(&name)))
            }
            NodeTag::T_DropStmt => drop(&*node.cast(), metadata, source).and_then(always),
            _ => None,
        }
    }
}

/// Objects of this kind exist on every node.
fn kind_is_shared(kind: ObjectType::Type) -> bool {
    use ObjectType::*;
    matches!(
        kind,
        OBJECT_ROLE
            | OBJECT_SCHEMA
            | OBJECT_TYPE
            | OBJECT_DOMAIN
            | OBJECT_DOMCONSTRAINT
            | OBJECT_ATTRIBUTE
            | OBJECT_FUNCTION
            | OBJECT_PROCEDURE
            | OBJECT_ROUTINE
            | OBJECT_AGGREGATE
            | OBJECT_OPERATOR
            | OBJECT_OPCLASS
            | OBJECT_OPFAMILY
            | OBJECT_CAST
            | OBJECT_COLLATION
            | OBJECT_CONVERSION
            | OBJECT_EXTENSION
            | OBJECT_TSCONFIGURATION
            | OBJECT_TSDICTIONARY
            | OBJECT_TSPARSER
            | OBJECT_TSTEMPLATE
    )
}

/// Does this object exist on every node?
fn is_shared(kind: ObjectType::Type, object: *mut Node, metadata: &Metadata) -> bool {
    use ObjectType::*;
    match kind {
        OBJECT_FUNCTION | OBJECT_PROCEDURE | OBJECT_ROUTINE | OBJECT_AGGREGATE => {
            // SAFETY: the parser's name of a function; a missing one gives InvalidOid.
            let oid = unsafe { pg_sys::LookupFuncWithArgs(kind, object.cast(), true) };
            oid == pg_sys::InvalidOid || stands_anywhere("pg_proc", oid, metadata)
        }
        OBJECT_TABLESPACE => tablespace::is_storage(object),
        _ => kind_is_shared(kind),
    }
}

/// Without what else the statement makes in it: tables are made where they are asked for.
fn create_schema(stmt: &pg_sys::CreateSchemaStmt) -> String {
    // SAFETY: a role of the parser, or null.
    let role = unsafe {
        (!stmt.authrole.is_null()).then(|| {
            let name = pg_sys::get_rolespec_name(stmt.authrole);
            text(name).unwrap_or_default()
        })
    };
    let name = text(stmt.schemaname)
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

fn grant(stmt: &pg_sys::GrantStmt, metadata: &Metadata) -> bool {
    use ObjectType::*;
    match stmt.objtype {
        OBJECT_FUNCTION | OBJECT_PROCEDURE | OBJECT_ROUTINE
            if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_OBJECT =>
        {
            list::<Node>(stmt.objects)
                .into_iter()
                .all(|function| is_shared(stmt.objtype, function, metadata))
        }
        OBJECT_TABLESPACE => tablespace::all_storages(stmt.objects),
        OBJECT_SCHEMA | OBJECT_FUNCTION | OBJECT_PROCEDURE | OBJECT_ROUTINE | OBJECT_TYPE
        | OBJECT_DOMAIN => true,
        OBJECT_TABLE if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_OBJECT => {
            let named = list::<RangeVar>(stmt.objects);
            !named.is_empty() && named.into_iter().all(|range| of_view(range, metadata))
        }
        _ => false,
    }
}

fn drop(
    stmt: &pg_sys::DropStmt,
    metadata: &Metadata,
    source: impl Fn() -> String,
) -> Option<String> {
    let tail = if stmt.behavior == DropBehavior::DROP_CASCADE {
        " CASCADE"
    } else {
        ""
    };
    match stmt.removeType {
        ObjectType::OBJECT_VIEW => {
            let shared: Vec<String> = list::<pg_sys::List>(stmt.objects)
                .into_iter()
                .filter_map(relation_named)
                .filter(|&view| is_shared_view(view, metadata))
                .filter_map(crate::pg::names::qualified)
                .collect();
            (!shared.is_empty()).then(|| format!("DROP VIEW IF EXISTS {}{tail}", shared.join(", ")))
        }
        ObjectType::OBJECT_SCHEMA => {
            let named: Vec<String> = names(stmt.objects)
                .iter()
                .map(|n| spi::identifier(n))
                .collect();
            Some(format!("DROP SCHEMA IF EXISTS {}{tail}", named.join(", ")))
        }
        ObjectType::OBJECT_EXTENSION => {
            let named = names(stmt.objects);
            (!named.iter().any(|name| name == "expanse")).then(source)
        }
        // Those of this node alone are not missed elsewhere.
        kind if kind_is_shared(kind) => Some(if_exists(source(), stmt.missing_ok)),
        _ => None,
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

fn of_view(range: *mut RangeVar, metadata: &Metadata) -> bool {
    relation(range).is_some_and(|view| is_shared_view(view, metadata))
}

/// The view that a statement has made.
pub fn view_named(schema: Option<&str>, name: &str) -> Option<Oid> {
    let to_c = |text: &str| std::ffi::CString::new(text).ok();
    let (schema, name) = (schema.map(to_c), to_c(name)?);
    // SAFETY: both names are copied into the parser's memory.
    unsafe {
        let schema = match schema {
            Some(schema) => pg_sys::pstrdup(schema?.as_ptr()),
            None => std::ptr::null_mut(),
        };
        relation(pg_sys::makeRangeVar(
            schema,
            pg_sys::pstrdup(name.as_ptr()),
            -1,
        ))
    }
}
