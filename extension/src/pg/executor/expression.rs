//! Expressions that are ready to be computed.

use crate::pg::entry::guarded;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{self, Datum, ExprContext, ExprState, Node, Oid};
use std::ptr::NonNull;

/// An expression without columns, of a running scan.
#[derive(Clone, Copy)]
pub struct Expression {
    state: NonNull<ExprState>,
    context: *mut ExprContext,
}

impl Expression {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// Null, or an expression that PostgreSQL has made ready and that needs no columns; it and the context live as long as
    /// the result is used.
    pub unsafe fn new(state: *mut ExprState, context: *mut ExprContext) -> Option<Expression> {
        NonNull::new(state).map(|state| Expression { state, context })
    }

    /// The type of its value.
    pub fn kind(self) -> Oid {
        // SAFETY: the expression that it was made of.
        unsafe { pg_sys::exprType((*self.state.as_ptr()).expr.cast()) }
    }

    pub fn is_constant(self) -> bool {
        // SAFETY: the expression that it was made of.
        let node = unsafe { NodeRef::<Node>::new((*self.state.as_ptr()).expr.cast()) };
        node.is_some_and(|node| node.is::<pg_sys::Const>())
    }

    /// Its value; `None` is NULL. An error in it unwinds.
    pub fn value(self) -> Option<Datum> {
        // SAFETY: the guard keeps an error from jumping over the callers' frames.
        unsafe { guarded(|| self.value_unguarded()) }
    }

    /// The same, an error in it reaching PostgreSQL's handler as it is.
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames.
    pub unsafe fn value_unguarded(self) -> Option<Datum> {
        let mut null = false;
        // SAFETY: a ready expression and its context (`new`).
        unsafe {
            let compute = (*self.state.as_ptr()).evalfunc.expect("a ready expression");
            let value = compute(self.state.as_ptr(), self.context, &mut null);
            (!null).then_some(value)
        }
    }
}
