//! What EXPLAIN shows of a plan's node.

use pgrx::pg_sys::{self, ExplainState};
use std::ffi::CString;

/// The output of an EXPLAIN that runs.
pub struct Explanation<'a>(&'a mut ExplainState);

impl<'a> Explanation<'a> {
    /// # Safety
    /// EXPLAIN's own state, which nothing else refers to for `'a`.
    pub unsafe fn new(state: *mut ExplainState) -> Explanation<'a> {
        // SAFETY: as the caller promises.
        Explanation(unsafe { &mut *state })
    }

    /// Adds a property of the node.
    pub fn property(&mut self, label: &str, text: &str) {
        let text_of = |text: &str| CString::new(text.replace('\0', "")).expect("no NUL is left");
        let (label, text) = (text_of(label), text_of(text));
        // SAFETY: two NUL-terminated texts, which are copied.
        unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), text.as_ptr(), self.0) };
    }

    /// Has the query been run (ANALYZE)?
    pub fn analyzes(&self) -> bool {
        self.0.analyze
    }

    /// Are times shown?
    pub fn shows_times(&self) -> bool {
        self.0.timing
    }
}
