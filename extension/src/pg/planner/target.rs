//! What relations and paths give: expressions with the sort-group references of some.

use super::references;
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys::{self, Index, Node, SortGroupClause};

references! {
    /// What a relation or a path gives.
    Target(PathTarget);
}

impl<'a> Target<'a> {
    /// A new one without expressions.
    pub fn empty() -> Self {
        // SAFETY: a new structure.
        unsafe { Target::new(pg_sys::create_empty_pathtarget()) }
    }

    pub fn expressions(self) -> ListRef<'a, Node> {
        // SAFETY: a list of expressions.
        unsafe { ListRef::new(self.exprs) }
    }

    /// The expressions with their sort-group references; 0 for none.
    pub fn columns(self) -> impl Iterator<Item = (NodeRef<'a>, Index)> {
        let expressions = self.expressions().iter().enumerate();
        expressions.map(move |(index, expression)| (expression, self.reference(index)))
    }

    fn reference(self, index: usize) -> Index {
        if self.sortgrouprefs.is_null() {
            return 0;
        }
        // SAFETY: the array, when there is one, has an entry for each expression.
        unsafe { *self.sortgrouprefs.add(index) }
    }

    /// Adds an expression to a target of our own.
    pub fn push(self, expression: NodeRef<'a>, reference: Index) {
        // SAFETY: a valid target and expression of the planner at work.
        unsafe {
            pg_sys::add_column_to_pathtarget(self.as_ptr(), expression.as_ptr().cast(), reference);
        }
    }
}

/// Is there a clause with this sort-group reference?
pub fn has_reference(clauses: ListRef<'_, SortGroupClause>, reference: Index) -> bool {
    reference > 0
        && clauses
            .iter()
            .any(|clause| clause.tleSortGroupRef == reference)
}
