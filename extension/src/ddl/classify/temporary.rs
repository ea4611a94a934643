//! Types of one session: they are in its temporary schema, and no other node has them.

use crate::pg::parse_tree::{list, names, relation, tag, text};
use pgrx::pg_sys::{self, List, Node, NodeTag, ObjectType, Oid, RangeVar, TypeName};

/// Is the statement about such types and nothing else?
pub fn is_about(node: *mut Node) -> bool {
    // SAFETY: each node is read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_CompositeTypeStmt => {
                let range = (*node.cast::<pg_sys::CompositeTypeStmt>()).typevar;
                makes(text((*range).schemaname))
            }
            NodeTag::T_CreateEnumStmt => {
                makes(schema_of((*node.cast::<pg_sys::CreateEnumStmt>()).typeName))
            }
            NodeTag::T_CreateRangeStmt => makes(schema_of(
                (*node.cast::<pg_sys::CreateRangeStmt>()).typeName,
            )),
            NodeTag::T_CreateDomainStmt => makes(schema_of(
                (*node.cast::<pg_sys::CreateDomainStmt>()).domainname,
            )),
            NodeTag::T_AlterEnumStmt => {
                is_temporary((*node.cast::<pg_sys::AlterEnumStmt>()).typeName.cast())
            }
            NodeTag::T_AlterDomainStmt => {
                is_temporary((*node.cast::<pg_sys::AlterDomainStmt>()).typeName.cast())
            }
            NodeTag::T_AlterTableStmt => {
                let stmt = &*node.cast::<pg_sys::AlterTableStmt>();
                stmt.objtype == ObjectType::OBJECT_TYPE && is_temporary_relation(stmt.relation)
            }
            NodeTag::T_RenameStmt => {
                let stmt = &*node.cast::<pg_sys::RenameStmt>();
                match stmt.renameType {
                    ObjectType::OBJECT_ATTRIBUTE => is_temporary_relation(stmt.relation),
                    kind => of_types(kind) && is_temporary(stmt.object),
                }
            }
            NodeTag::T_AlterOwnerStmt => {
                let stmt = &*node.cast::<pg_sys::AlterOwnerStmt>();
                of_types(stmt.objectType) && is_temporary(stmt.object)
            }
            NodeTag::T_CommentStmt => {
                let stmt = &*node.cast::<pg_sys::CommentStmt>();
                of_types(stmt.objtype) && is_temporary(stmt.object)
            }
            NodeTag::T_GrantStmt => {
                let stmt = &*node.cast::<pg_sys::GrantStmt>();
                stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_OBJECT
                    && of_types(stmt.objtype)
                    && all_temporary(stmt.objects)
            }
            NodeTag::T_DropStmt => {
                let stmt = &*node.cast::<pg_sys::DropStmt>();
                of_types(stmt.removeType) && all_temporary(stmt.objects)
            }
            _ => false,
        }
    }
}

fn of_types(kind: ObjectType::Type) -> bool {
    matches!(
        kind,
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN | ObjectType::OBJECT_DOMCONSTRAINT
    )
}

/// The schema in a name of a new object, if it says one.
fn schema_of(named: *mut List) -> Option<String> {
    let mut parts = names(named);
    parts.pop();
    parts.pop()
}

/// Is a new object that is to be in this schema made in the session's temporary one?
fn makes(schema: Option<String>) -> bool {
    if let Some(schema) = schema {
        return schema == "pg_temp" || is_own_schema(&schema);
    }
    // SAFETY: gives a palloc'd list of OIDs, the first of which is where objects are made.
    unsafe {
        let path = pg_sys::fetch_search_path(false);
        !path.is_null() && (*path).length > 0 && is_temporary_schema((*(*path).elements).oid_value)
    }
}

/// Is it the temporary schema of this session by its real name?
fn is_own_schema(name: &str) -> bool {
    // What no schema can be called is none.
    let Ok(name) = std::ffi::CString::new(name) else {
        return false;
    };
    // SAFETY: a system-cache lookup by a NUL-terminated name; a missing schema gives InvalidOid.
    is_temporary_schema(unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) })
}

fn is_temporary_schema(schema: Oid) -> bool {
    // SAFETY: compares with the session's own.
    schema != pg_sys::InvalidOid && unsafe { pg_sys::isTempNamespace(schema) }
}

fn is_temporary_relation(range: *mut RangeVar) -> bool {
    relation(range).is_some_and(|oid| {
        // SAFETY: a system-cache lookup.
        is_temporary_schema(unsafe { pg_sys::get_rel_namespace(oid) })
    })
}

fn all_temporary(types: *mut List) -> bool {
    let types = list::<Node>(types);
    !types.is_empty() && types.into_iter().all(is_temporary)
}

/// Is a type, as statements name it, one of this session? A TypeName, a list of names, or a list of a TypeName and the name
/// of its constraint.
fn is_temporary(object: *mut Node) -> bool {
    if object.is_null() {
        return false;
    }
    // SAFETY: the parser's names, read as what their tags name; missing types give InvalidOid.
    unsafe {
        let name: *mut TypeName = match tag(object) {
            NodeTag::T_TypeName => object.cast(),
            NodeTag::T_List => {
                let parts = list::<Node>(object.cast());
                match parts.first() {
                    Some(&first) if tag(first) == NodeTag::T_TypeName => first.cast(),
                    Some(_) if parts.len() <= 3 => pg_sys::makeTypeNameFromNameList(object.cast()),
                    _ => return false,
                }
            }
            _ => return false,
        };
        let oid = pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true);
        oid != pg_sys::InvalidOid && is_temporary_schema(namespace_of(oid))
    }
}

/// The schema of a type that exists.
fn namespace_of(oid: Oid) -> Oid {
    crate::pg::spi::value(&format!(
        "SELECT typnamespace::pg_catalog.int8 FROM pg_catalog.pg_type WHERE oid = {}",
        oid.to_u32()
    ))
    .and_then(|text| text.parse::<u32>().ok())
    .map_or(pg_sys::InvalidOid, Oid::from)
}
