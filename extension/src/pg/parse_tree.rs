//! Reading PostgreSQL's parse trees.

use pgrx::pg_sys::{self, List, Node, NodeTag, Oid, RangeVar};
use std::ffi::CStr;
use std::os::raw::c_char;

/// The elements of a list of nodes.
pub fn list<T>(list: *mut List) -> Vec<*mut T> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list of `length` pointers.
    unsafe {
        (0..(*list).length as usize)
            .map(|n| (*(*list).elements.add(n)).ptr_value.cast::<T>())
            .collect()
    }
}

/// The tag of a node.
pub fn tag(node: *mut Node) -> NodeTag {
    // SAFETY: every node begins with its tag.
    unsafe { (*node).type_ }
}

/// A C string of a parse tree; `None` when null.
pub fn text(string: *const c_char) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: strings of parse trees are NUL-terminated and live as long as the tree.
    let string = unsafe { CStr::from_ptr(string) };
    Some(string.to_string_lossy().into_owned())
}

/// A list of names (String nodes).
pub fn names(of: *mut List) -> Vec<String> {
    list::<pg_sys::String>(of)
        .into_iter()
        // SAFETY: the parser makes lists of names of String nodes only.
        .filter_map(|name| text(unsafe { (*name).sval }))
        .collect()
}

/// The relation that a RangeVar names, by this session's search path; `None` when it does not exist.
pub fn relation(range: *mut RangeVar) -> Option<Oid> {
    if range.is_null() {
        return None;
    }
    // SAFETY: the parser's RangeVar; no lock, a missing relation gives InvalidOid.
    let oid = unsafe {
        pg_sys::RangeVarGetRelidExtended(
            range,
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// The relation that a list of names (catalog, schema, relation) names.
pub fn relation_named(names: *mut List) -> Option<Oid> {
    if names.is_null() {
        return None;
    }
    // SAFETY: one to three String nodes, as the parser makes them.
    unsafe {
        if !(1..=3).contains(&(*names).length) {
            return None;
        }
        relation(pg_sys::makeRangeVarFromNameList(names))
    }
}

/// The relation that all but the last of a list of names name: `schema.table.object`.
pub fn relation_before_last(names: *mut List) -> Option<Oid> {
    if names.is_null() {
        return None;
    }
    // SAFETY: a copy of the list loses its last element.
    unsafe {
        if (*names).length < 2 {
            return None;
        }
        let without_last = pg_sys::list_truncate(pg_sys::list_copy(names), (*names).length - 1);
        relation_named(without_last)
    }
}
