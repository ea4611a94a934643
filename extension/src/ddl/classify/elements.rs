//! What CREATE SCHEMA makes besides the schema: PostgreSQL runs each element as a part of the statement, on this node alone.

use crate::ddl::classify::objects::in_schema;
use crate::ddl::classify::{tables, Action, Concern};
use crate::ddl::names::spread_table;
use crate::ddl::refuse;
use crate::metadata::cache::Metadata;
use crate::pg::parse_tree::{list, names, relation, tag, text};
use pgrx::pg_sys::{self, Node, NodeTag, ObjectType, RangeVar};

/// Refuses (raises) elements about spread tables. What new tables point to is checked once they are there.
pub fn check(stmt: &pg_sys::CreateSchemaStmt, metadata: &Metadata) -> Option<Concern> {
    let elements = list::<Node>(stmt.schemaElts);
    let own: Vec<String> = elements.iter().filter_map(|&node| made_by(node)).collect();
    // The new schema comes first in the search path of its elements.
    let elsewhere = |range: *mut RangeVar| {
        // SAFETY: a name of the parser.
        let range = unsafe { &*range };
        !range.schemaname.is_null() || text(range.relname).is_none_or(|name| !own.contains(&name))
    };
    for &element in &elements {
        // SAFETY: each node is read as the type that its tag names.
        unsafe {
            match tag(element) {
                NodeTag::T_CreateStmt => {
                    tables::check_parents(&*element.cast(), metadata, elsewhere);
                }
                NodeTag::T_GrantStmt => check_grant(&*element.cast(), metadata, elsewhere),
                _ => {}
            }
        }
    }
    (!elements.is_empty()).then(|| Concern::new(Vec::new(), Action::Check))
}

/// The name of the relation that an element makes.
fn made_by(element: *mut Node) -> Option<String> {
    // SAFETY: each node is read as the type that its tag names.
    unsafe {
        let range = match tag(element) {
            NodeTag::T_CreateStmt => (*element.cast::<pg_sys::CreateStmt>()).relation,
            NodeTag::T_ViewStmt => (*element.cast::<pg_sys::ViewStmt>()).view,
            NodeTag::T_CreateSeqStmt => (*element.cast::<pg_sys::CreateSeqStmt>()).sequence,
            _ => return None,
        };
        text((*range).relname)
    }
}

fn check_grant(
    stmt: &pg_sys::GrantStmt,
    metadata: &Metadata,
    elsewhere: impl Fn(*mut RangeVar) -> bool,
) {
    if !matches!(
        stmt.objtype,
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE
    ) {
        return;
    }
    let spread = if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA {
        let schemas = names(stmt.objects).into_iter();
        schemas.flat_map(|name| in_schema(metadata, &name)).next()
    } else {
        let named = list::<RangeVar>(stmt.objects).into_iter();
        named
            .filter(|&range| elsewhere(range))
            .filter_map(relation)
            .find_map(|oid| spread_table(metadata, oid))
    };
    if let Some(table) = spread {
        refuse::raise(
            metadata,
            table,
            "GRANT or REVOKE as a part of CREATE SCHEMA",
            "Run it as a statement of its own, after CREATE SCHEMA.",
        );
    }
}
