//! PostgreSQL's deparser.

use super::{NodeMut, NodeRef};
use pgrx::pg_sys::{self, Oid, Query};
use std::ffi::CStr;

/// The query's text, as the session's settings have it. The deparser locks the query's relations and may change the tree.
pub fn query_text(query: NodeMut<'_, Query>) -> String {
    // SAFETY: a valid query that no other code uses; the text is palloc'd and NUL-terminated.
    unsafe {
        let text = pg_sys::pg_get_querydef(query.as_ptr(), false);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// An expression over one relation, whose columns are named without it.
pub fn expression_text(expression: NodeRef<'_>, relation: Oid) -> String {
    // SAFETY: an existing relation, and an expression over it; the text is palloc'd and NUL-terminated.
    unsafe {
        let context = pg_sys::deparse_context_for(pg_sys::get_rel_name(relation), relation);
        let text = pg_sys::deparse_expression(expression.as_ptr(), context, false, false);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// Runs `write` with a search path under which the deparser qualifies all names but those of pg_catalog.
pub fn with_qualified_names<T>(write: impl FnOnce() -> T) -> T {
    // SAFETY: a new search path of the current memory context; PostgreSQL copies it.
    unsafe {
        let path = pg_sys::GetOverrideSearchPath(pg_sys::CurrentMemoryContext);
        (*path).schemas = std::ptr::null_mut();
        (*path).addCatalog = true;
        (*path).addTemp = false;
        pg_sys::PushOverrideSearchPath(path);
    }
    let written = write();
    // SAFETY: pushed above; if `write` raises, the transaction's end restores the search path.
    unsafe { pg_sys::PopOverrideSearchPath() };
    written
}
