//! PostgreSQL's lists as iterators.

use pgrx::pg_sys::{List, Node};

/// The nodes of a list (none of a null list). The list must not change meanwhile.
pub fn nodes<T>(list: *mut List) -> impl Iterator<Item = *mut T> {
    // SAFETY: PostgreSQL's lists are null or valid.
    let length = unsafe { list.as_ref() }.map_or(0, |list| list.length);
    // SAFETY: each index is below the length; the elements are node pointers.
    (0..length).map(move |index| unsafe {
        (*(*list).elements.add(index as usize))
            .ptr_value
            .cast::<T>()
    })
}

/// Is the node of this type? `is_a!(node, T_Var)`.
#[macro_export]
macro_rules! is_a {
    ($node:expr, $tag:ident) => {
        $crate::pg::list::has_tag($node.cast(), ::pgrx::pg_sys::NodeTag::$tag)
    };
}

/// Does the node have this tag? A null pointer is no node.
pub fn has_tag(node: *mut Node, tag: pgrx::pg_sys::NodeTag) -> bool {
    // SAFETY: every node begins with its tag.
    !node.is_null() && unsafe { (*node).type_ } == tag
}
