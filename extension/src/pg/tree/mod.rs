//! PostgreSQL's trees (queries, expressions, statements, plans) as safe references.
//!
//! # How it works
//! A [`NodeRef`] stands for a node and everything below it. It is made once, unsafely, where PostgreSQL hands a tree to a hook;
//! from there the methods of [`fields`] lead to the nodes below, [`NodeRef::cast`] tests a tag before it gives a type, and
//! [`walk`] visits a whole tree. Plain fields are read through `Deref`. A [`NodeMut`] is a node that its holder alone
//! changes: made or copied here, or handed over by PostgreSQL to be changed.
//!
//! # Invariants
//! Below a [`NodeRef`] every pointer is null or valid for `'a`, and every list has elements of the type that
//! PostgreSQL's headers say. Where the parser puts nodes of several types into a field, its type here is `Node`. Code that
//! assigns a pointer field through a [`NodeMut`] keeps this: it assigns what [`NodeRef::as_ptr`] or [`ListRef::as_ptr`] gave, or
//! null.
//!
//! # What is not guaranteed
//! `'a` is the lifetime that the unsafe constructor was given; memory contexts are not tracked. Nodes that are made here live
//! as long as the memory context that was current.

pub mod analyze;
pub mod build;
pub mod calls;
pub mod change;
pub mod deparse;
pub mod fields;
pub mod list;
pub mod make;
pub mod statements;
pub mod vars;
pub mod walk;

pub use build::ValueType;
pub use list::{ints_of, list_of, oids_of, IntList, ListRef, OidList};
pub use make::{copy, flat_copy, make, parse};
pub use walk::{
    mutate, mutate_below, mutate_query, walk, walk_levels, walk_list, walk_query, Change, Step,
};

use crate::pg::entry::guarded;
use pgrx::pg_sys::{self, Node, NodeTag, Oid};
use std::ffi::{c_char, CStr};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A node type of PostgreSQL.
///
/// # Safety
/// A node with this tag is a structure of this type.
pub unsafe trait Tagged {
    const TAG: NodeTag;
}

/// A node of a tree that is valid for `'a`; of any type unless `T` says which.
pub struct NodeRef<'a, T = Node> {
    node: NonNull<T>,
    tree: PhantomData<&'a T>,
}

impl<T> Clone for NodeRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for NodeRef<'_, T> {}

impl<T> Deref for NodeRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the node is valid as long as the reference (`new`).
        unsafe { self.node.as_ref() }
    }
}

impl<'a, T> NodeRef<'a, T> {
    /// The node where PostgreSQL never has none.
    ///
    /// # Safety
    /// As for [`NodeRef::new`].
    pub unsafe fn present(node: *const T) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::new(node) }.expect("PostgreSQL has a node here")
    }

    /// `None` for a null pointer.
    ///
    /// # Safety
    /// `node` is null, or a node of type `T` with everything below it as PostgreSQL makes it, for `'a`.
    pub unsafe fn new(node: *const T) -> Option<Self> {
        NonNull::new(node.cast_mut()).map(|node| NodeRef {
            node,
            tree: PhantomData,
        })
    }

    /// For PostgreSQL's functions, and to be put into another tree.
    pub fn as_ptr(self) -> *mut T {
        self.node.as_ptr()
    }

    /// The same without its type.
    pub fn node(self) -> NodeRef<'a, Node> {
        NodeRef {
            node: self.node.cast(),
            tree: PhantomData,
        }
    }

    /// Is this the same node, not only an equal one?
    pub fn is_same(self, other: Self) -> bool {
        self.node == other.node
    }

    pub fn tag(self) -> NodeTag {
        self.node().type_
    }

    /// Are the two equal by structure, as PostgreSQL's `equal` says?
    pub fn equals<U>(self, other: NodeRef<'_, U>) -> bool {
        // SAFETY: both are valid trees.
        unsafe { pg_sys::equal(self.as_ptr().cast(), other.as_ptr().cast()) }
    }
}

impl<'a> NodeRef<'a, Node> {
    /// The node as the type that its tag stands for; `None` when it is of another type.
    pub fn cast<T: Tagged>(self) -> Option<NodeRef<'a, T>> {
        self.is::<T>().then_some(NodeRef {
            node: self.node.cast(),
            tree: PhantomData,
        })
    }

    pub fn is<T: Tagged>(self) -> bool {
        self.type_ == T::TAG
    }

    /// The name of an object as statements have it: the node is a list of strings. `None` for any other node.
    pub fn names(self) -> Option<ListRef<'a, pg_sys::String>> {
        self.cast::<pg_sys::List>()?.nodes().cast()
    }

    /// The type of the values of an expression.
    pub fn expression_type(self) -> Oid {
        // SAFETY: reads a valid expression; raises for what is none.
        unsafe { pg_sys::exprType(self.as_ptr()) }
    }

    /// The collation of an expression's result; `InvalidOid` when it has none.
    pub fn collation(self) -> Oid {
        // SAFETY: as above.
        unsafe { pg_sys::exprCollation(self.as_ptr()) }
    }

    /// Does the expression, or the query, call a volatile function anywhere?
    pub fn is_volatile(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::contain_volatile_functions(self.as_ptr()) }
    }

    /// Does the expression have a sublink at its own level?
    pub fn has_sublink(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::checkExprHasSubLink(self.as_ptr()) }
    }
}

/// A node that its holder alone changes, with everything that it alone refers to.
pub struct NodeMut<'a, T = Node> {
    node: NonNull<T>,
    tree: PhantomData<&'a mut T>,
}

impl<T> Deref for NodeMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: valid and only ours (`new`).
        unsafe { self.node.as_ref() }
    }
}

impl<T> DerefMut for NodeMut<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: valid and only ours (`new`).
        unsafe { self.node.as_mut() }
    }
}

impl<'a, T> NodeMut<'a, T> {
    /// The node where PostgreSQL never has none.
    ///
    /// # Safety
    /// As for [`NodeMut::new`].
    pub unsafe fn present(node: *mut T) -> Self {
        // SAFETY: as the caller promises.
        unsafe { Self::new(node) }.expect("PostgreSQL has a node here")
    }

    /// `None` for a null pointer.
    ///
    /// # Safety
    /// As for [`NodeRef::new`]; no other code reads or changes the node while this value is used.
    pub unsafe fn new(node: *mut T) -> Option<Self> {
        NonNull::new(node).map(|node| NodeMut {
            node,
            tree: PhantomData,
        })
    }

    /// For reading, as long as it is not changed.
    pub fn as_ref(&self) -> NodeRef<'_, T> {
        NodeRef {
            node: self.node,
            tree: PhantomData,
        }
    }

    /// For reading from now on.
    pub fn into_ref(self) -> NodeRef<'a, T> {
        NodeRef {
            node: self.node,
            tree: PhantomData,
        }
    }

    pub fn as_ptr(&self) -> *mut T {
        self.node.as_ptr()
    }
}

/// A string of a tree; `None` when null.
///
/// # Safety
/// Null, or NUL-terminated and valid for `'a`.
unsafe fn string<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// A string of a tree as a value of its own.
pub fn owned(text: Option<&CStr>) -> Option<String> {
    text.map(|text| text.to_string_lossy().into_owned())
}

/// Runs a function of PostgreSQL's that has no guard of its own and gives a node.
fn guarded_node<'a, T>(call: impl FnOnce() -> *mut T) -> Option<NodeRef<'a, T>> {
    // SAFETY: the callers' closures hold nothing droppable; what PostgreSQL returns is null or a valid node.
    unsafe { NodeRef::new(guarded(call)) }
}
