//! PostgreSQL's lists as iterators.

use pgrx::pg_sys::{List, Node};

/// The nodes of a list (none of a null list). The list must not change meanwhile.
pub fn nodes<T>(list: *mut List) -> impl Iterator<Item = *mut T> {
    // SAFETY: PostgreSQL's lists are null or valid; each index is below the length.
    let length = if list.is_null() {
        0
    } else {
        unsafe { (*list).length }
    };
    (0..length).map(move |index| unsafe {
        // SAFETY: as above; the elements are node pointers.
        (*(*list).elements.add(index as usize))
            .ptr_value
            .cast::<T>()
    })
}

/// Is the node of this type? `is_a!(node, T_Var)`.
#[macro_export]
macro_rules! is_a {
    ($node:expr, $tag:ident) => {{
        let node: *mut ::pgrx::pg_sys::Node = $node.cast();
        // SAFETY: every node begins with its tag; null is none.
        !node.is_null() && unsafe { (*node).type_ } == ::pgrx::pg_sys::NodeTag::$tag
    }};
}

/// The node without relabelings, which change neither value nor hash.
pub fn strip_relabel(mut node: *mut Node) -> *mut Node {
    while is_a!(node, T_RelabelType) {
        // SAFETY: the tag was tested.
        node = unsafe { (*node.cast::<pgrx::pg_sys::RelabelType>()).arg.cast() };
    }
    node
}
