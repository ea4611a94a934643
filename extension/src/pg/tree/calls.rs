//! Which functions expressions call, and what that makes of them.

use super::walk::{walk, Step};
use super::NodeRef;
use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Oid};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

impl NodeRef<'_> {
    /// Does the expression call a function that is not immutable, at its own level?
    pub fn is_mutable(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::contain_mutable_functions(self.as_ptr()) }
    }

    /// Does the expression give a set?
    pub fn returns_set(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::expression_returns_set(self.as_ptr()) }
    }

    /// Does the test hold for a function that this very node calls (an operator's and a cast's too)?
    pub fn calls(self, test: &mut dyn FnMut(Oid) -> bool) -> bool {
        let mut check = Check { test, raised: None };
        let context = std::ptr::from_mut(&mut check).cast();
        // SAFETY: a valid node; the context outlives the call.
        let found = unsafe {
            guarded(|| raw::check_functions_in_node(self.as_ptr(), on_function, context))
        };
        match check.raised {
            Some(payload) => resume_unwind(payload),
            None => found,
        }
    }

    /// Does the test hold for a function that is called anywhere below, in queries too?
    pub fn calls_anywhere(self, test: &mut dyn FnMut(Oid) -> bool) -> bool {
        walk(self, &mut |node| {
            if node.calls(test) {
                Step::Stop
            } else {
                Step::Into
            }
        })
    }
}

struct Check<'t> {
    test: &'t mut dyn FnMut(Oid) -> bool,
    raised: Option<Box<dyn Any + Send>>,
}

unsafe extern "C-unwind" fn on_function(function: Oid, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL passes on the context of `calls`. What the test raises is kept: no Rust unwinding crosses
    // PostgreSQL's frames.
    unsafe {
        let check = context.cast::<Check>();
        match catch_unwind(AssertUnwindSafe(|| ((*check).test)(function))) {
            Ok(found) => found,
            Err(payload) => {
                (*check).raised = Some(payload);
                true
            }
        }
    }
}
