//! PostgreSQL's lists: of nodes, of OIDs, of integers.

use super::{owned, NodeRef, Tagged};
use pgrx::pg_sys::{self, List, Node, Oid};
use std::marker::PhantomData;

/// A list of nodes of type `T` that is valid for `'a`. A null pointer is the empty list, as in PostgreSQL.
pub struct ListRef<'a, T = Node> {
    list: *mut List,
    elements: PhantomData<NodeRef<'a, T>>,
}

impl<T> Clone for ListRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ListRef<'_, T> {}

/// The cells of a list; none of a null pointer.
///
/// # Safety
/// `list` is null or a valid list for `'a`.
unsafe fn cells<'a>(list: *const List) -> &'a [pg_sys::ListCell] {
    // SAFETY: as the caller promises; a list has `length` cells.
    unsafe {
        match list.as_ref() {
            Some(list) if list.length > 0 => {
                std::slice::from_raw_parts(list.elements, list.length as usize)
            }
            _ => &[],
        }
    }
}

impl<'a, T> ListRef<'a, T> {
    /// # Safety
    /// `list` is null, or a list of valid nodes of type `T` (or null pointers), for `'a`.
    pub unsafe fn new(list: *const List) -> Self {
        ListRef {
            list: list.cast_mut(),
            elements: PhantomData,
        }
    }

    pub fn empty() -> Self {
        ListRef {
            list: std::ptr::null_mut(),
            elements: PhantomData,
        }
    }

    /// A new list with the elements of both.
    pub fn concat(self, other: ListRef<'a, T>) -> ListRef<'a, T>
    where
        T: 'a,
    {
        list_of(self.iter().chain(other.iter()))
    }

    /// A new list with one element more.
    pub fn with(self, element: NodeRef<'a, T>) -> ListRef<'a, T>
    where
        T: 'a,
    {
        list_of(self.iter().chain([element]))
    }

    /// A new list of deep copies of the elements.
    pub fn copied(self) -> ListRef<'a, T>
    where
        T: 'a,
    {
        list_of(self.iter().map(|element| super::copy(element).into_ref()))
    }

    /// For PostgreSQL's functions, and to be put into another tree.
    pub fn as_ptr(self) -> *mut List {
        self.list
    }

    pub fn len(self) -> usize {
        self.cells().len()
    }

    pub fn is_empty(self) -> bool {
        self.cells().is_empty()
    }

    fn cells(self) -> &'a [pg_sys::ListCell] {
        // SAFETY: a valid list (`new`).
        unsafe { cells(self.list) }
    }

    /// The element at `index` (from 0); `None` behind the end, and where PostgreSQL has put no node.
    pub fn get(self, index: usize) -> Option<NodeRef<'a, T>> {
        // SAFETY: the elements are null or nodes of this type (`new`).
        self.cells()
            .get(index)
            .and_then(|cell| unsafe { NodeRef::new(cell.ptr_value.cast()) })
    }

    pub fn first(self) -> Option<NodeRef<'a, T>> {
        self.get(0)
    }

    pub fn last(self) -> Option<NodeRef<'a, T>> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The elements in order; places without a node are left out.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = NodeRef<'a, T>> {
        // SAFETY: as in `get`.
        self.cells()
            .iter()
            .filter_map(|cell| unsafe { NodeRef::new(cell.ptr_value.cast()) })
    }

    /// Is there an element that equals the node by structure?
    pub fn has_equal<U>(self, node: NodeRef<'_, U>) -> bool {
        self.iter().any(|element| element.equals(node))
    }

    /// The list as a node of a tree; `None` when it is empty.
    pub fn node(self) -> Option<NodeRef<'a, Node>> {
        // SAFETY: a list begins with its tag.
        unsafe { NodeRef::new(self.list.cast()) }
    }
}

impl<'a> ListRef<'a, Node> {
    /// The list as one of nodes of this type; `None` when any element is of another.
    pub fn cast<T: Tagged>(self) -> Option<ListRef<'a, T>> {
        let fits = self.iter().all(|element| element.is::<T>());
        fits.then_some(ListRef {
            list: self.list,
            elements: PhantomData,
        })
    }

    /// Those elements that are of this type.
    pub fn filter<T: Tagged + 'a>(self) -> impl Iterator<Item = NodeRef<'a, T>> {
        self.iter().filter_map(|element| element.cast())
    }
}

impl ListRef<'_, pg_sys::String> {
    /// The strings of a list of names.
    pub fn texts(self) -> Vec<String> {
        self.iter().filter_map(|name| owned(name.value())).collect()
    }
}

/// A new list in the current memory context.
pub fn list_of<'a, T: 'a>(elements: impl IntoIterator<Item = NodeRef<'a, T>>) -> ListRef<'a, T> {
    let list = elements
        .into_iter()
        .fold(std::ptr::null_mut(), |list, element| {
            // SAFETY: appends to a list of ours.
            unsafe { pg_sys::lappend(list, element.as_ptr().cast()) }
        });
    ListRef {
        list,
        elements: PhantomData,
    }
}

/// A list of OIDs.
#[derive(Clone, Copy)]
pub struct OidList<'a> {
    list: *mut List,
    valid: PhantomData<&'a List>,
}

impl<'a> OidList<'a> {
    /// # Safety
    /// `list` is null or a valid list of OIDs for `'a`.
    pub unsafe fn new(list: *const List) -> Self {
        OidList {
            list: list.cast_mut(),
            valid: PhantomData,
        }
    }

    /// For PostgreSQL's functions, and to be put into another tree.
    pub fn as_ptr(self) -> *mut List {
        self.list
    }

    fn cells(self) -> &'a [pg_sys::ListCell] {
        // SAFETY: a valid list (`new`).
        unsafe { cells(self.list) }
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = Oid> + 'a {
        // SAFETY: the cells of a list of OIDs (`new`).
        self.cells().iter().map(|cell| unsafe { cell.oid_value })
    }
}

/// A list of integers.
#[derive(Clone, Copy)]
pub struct IntList<'a> {
    list: *mut List,
    valid: PhantomData<&'a List>,
}

impl<'a> IntList<'a> {
    /// # Safety
    /// `list` is null or a valid list of integers for `'a`.
    pub unsafe fn new(list: *const List) -> Self {
        IntList {
            list: list.cast_mut(),
            valid: PhantomData,
        }
    }

    /// For PostgreSQL's functions, and to be put into another tree.
    pub fn as_ptr(self) -> *mut List {
        self.list
    }

    fn cells(self) -> &'a [pg_sys::ListCell] {
        // SAFETY: a valid list (`new`).
        unsafe { cells(self.list) }
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = i32> + 'a {
        // SAFETY: the cells of a list of integers (`new`).
        self.cells().iter().map(|cell| unsafe { cell.int_value })
    }
}

/// A new list of OIDs in the current memory context.
pub fn oids_of<'a>(oids: impl IntoIterator<Item = Oid>) -> OidList<'a> {
    let list = oids.into_iter().fold(std::ptr::null_mut(), |list, oid| {
        // SAFETY: appends to a list of ours.
        unsafe { pg_sys::lappend_oid(list, oid) }
    });
    OidList {
        list,
        valid: PhantomData,
    }
}

/// A new list of integers in the current memory context.
pub fn ints_of<'a>(integers: impl IntoIterator<Item = i32>) -> IntList<'a> {
    let list = integers
        .into_iter()
        .fold(std::ptr::null_mut(), |list, integer| {
            // SAFETY: appends to a list of ours.
            unsafe { pg_sys::lappend_int(list, integer) }
        });
    IntList {
        list,
        valid: PhantomData,
    }
}
