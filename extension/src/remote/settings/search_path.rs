//! `search_path` on other nodes: built-in objects come first.
//!
//! Statements for other nodes name functions, operators and types of PostgreSQL without their schema. Where a path puts another
//! schema before `pg_catalog`, such a name could mean an object of a user's, and run with the rights of a view's owner.

use crate::error::Raised;
use crate::pg::spi;
use crate::pg::tree::ListRef;
use expanse_core::sqlstate::SEARCH_PATH_HIDES_BUILT_IN;
use pgrx::pg_sys;
use std::ffi::{c_char, CStr, CString};

const BUILT_IN: &str = "pg_catalog";

/// The path with `pg_catalog` first, where PostgreSQL puts it when it is not named.
///
/// Raises XP036 if that would change what a name means here.
pub fn for_others(path: String) -> String {
    if !path.contains(BUILT_IN) {
        return path;
    }
    let names = split(&path);
    let before: Vec<&String> = names.iter().take_while(|name| *name != BUILT_IN).collect();
    if before.is_empty() || before.len() == names.len() {
        return path;
    }
    if let Some(schema) = shadowing(&before) {
        Raised {
            sqlstate: SEARCH_PATH_HIDES_BUILT_IN.into(),
            message: format!("search_path has schema \"{schema}\" before pg_catalog"),
            detail: Some(
                "It has a function, an operator or a type like a built-in one, which other nodes would take for the other."
                    .into(),
            ),
            hint: Some("Leave pg_catalog out of search_path, and name that schema where its objects are meant.".into()),
            ..Raised::default()
        }
        .raise();
    }
    let others = names.iter().filter(|name| *name != BUILT_IN);
    let quoted: Vec<String> = std::iter::once(BUILT_IN.to_owned())
        .chain(others.map(|name| spi::identifier(name)))
        .collect();
    quoted.join(", ")
}

fn split(path: &str) -> Vec<String> {
    let text = CString::new(path).unwrap_or_default();
    let mut list: *mut pg_sys::List = std::ptr::null_mut();
    // SAFETY: the copy is changed in place and outlives the list, whose cells point into it; a path that is set is well formed.
    unsafe {
        let copy = pg_sys::pstrdup(text.as_ptr());
        pg_sys::SplitIdentifierString(copy, b',' as c_char, &mut list);
        let names: ListRef<'_, c_char> = ListRef::new(list);
        names
            .iter()
            .map(|name| {
                let name = CStr::from_ptr(name.as_ptr());
                name.to_string_lossy().into_owned()
            })
            .collect()
    }
}

/// One of the schemas with an object that hides a built-in one.
fn shadowing(schemas: &[&String]) -> Option<String> {
    let names: Vec<String> = schemas.iter().map(|name| spi::literal(name)).collect();
    spi::qualified(|| {
        spi::value(&format!(
            "SELECT n.nspname FROM pg_namespace n WHERE n.nspname IN (SELECT CASE s WHEN '$user' THEN current_user ELSE s END \
                 FROM unnest(ARRAY[{names}]) AS s) AND EXISTS ( \
                 SELECT FROM pg_proc p JOIN pg_proc b USING (proname, proargtypes) WHERE p.pronamespace = n.oid \
                     AND b.pronamespace = 'pg_catalog'::regnamespace AND {own} d.classid = 'pg_proc'::regclass AND d.objid = p.oid) \
                 UNION ALL SELECT FROM pg_operator o JOIN pg_operator b USING (oprname, oprleft, oprright) WHERE o.oprnamespace = n.oid \
                     AND b.oprnamespace = 'pg_catalog'::regnamespace AND {own} d.classid = 'pg_operator'::regclass AND d.objid = o.oid) \
                 UNION ALL SELECT FROM pg_type t JOIN pg_type b USING (typname) WHERE t.typnamespace = n.oid \
                     AND b.typnamespace = 'pg_catalog'::regnamespace AND {own} d.classid = 'pg_type'::regclass AND d.objid = t.oid)) \
             LIMIT 1",
            names = names.join(", "),
            // What an extension brings, such as gen_random_uuid of pgcrypto, is what is built in by now.
            own = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e' AND",
        ))
    })
}
