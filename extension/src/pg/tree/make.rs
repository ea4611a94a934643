//! New nodes and copies, in the current memory context.

use super::{ListRef, NodeMut, NodeRef, Tagged};
use pgrx::pg_sys::{self, Node, RawStmt};
use std::ffi::CStr;

/// A new node: its tag, and zeroes.
pub fn make<'a, T: Tagged>() -> NodeMut<'a, T> {
    // SAFETY: palloc0 gives zeroed memory of the size, or raises; a zeroed node with its tag is what makeNode gives.
    unsafe {
        let node = pg_sys::palloc0(std::mem::size_of::<T>()).cast::<T>();
        (*node.cast::<Node>()).type_ = T::TAG;
        NodeMut::new(node).expect("palloc0 raises rather than giving null")
    }
}

/// A deep copy.
pub fn copy<'a, T>(node: NodeRef<'_, T>) -> NodeMut<'a, T> {
    // SAFETY: copies a valid tree; the copy is only ours.
    unsafe {
        let copy = pg_sys::copyObjectImpl(node.as_ptr().cast()).cast();
        NodeMut::new(copy).expect("the copy of a node is a node")
    }
}

/// A copy of the node itself, sharing what is below it.
pub fn flat_copy<'a, T: Tagged>(node: NodeRef<'a, T>) -> NodeMut<'a, T> {
    // SAFETY: palloc gives memory of the size, or raises; nodes are plain data.
    unsafe {
        let place = pg_sys::palloc(std::mem::size_of::<T>()).cast::<T>();
        std::ptr::copy_nonoverlapping(node.as_ptr(), place, 1);
        NodeMut::new(place).expect("palloc raises rather than giving null")
    }
}

/// The statements of a string, as the parser makes them; raises where it is none.
pub fn parse<'a>(source: &CStr) -> ListRef<'a, RawStmt> {
    // SAFETY: a NUL-terminated string; gives a list of RawStmt in the current memory context, or raises.
    unsafe {
        ListRef::new(pg_sys::raw_parser(
            source.as_ptr(),
            pg_sys::RawParseMode::RAW_PARSE_DEFAULT,
        ))
    }
}
