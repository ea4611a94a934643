//! What EXPLAIN shows of Route and Modify.

use crate::pg::entry::entry;
use crate::plan::text::one_line;
use crate::scan::statement_scan::state::ScanState;
use pgrx::pg_sys::{self, CustomScanState, ExplainState, List};
use std::ffi::{CStr, CString};

/// The nodes and, where other nodes take part, the statement's text.
pub unsafe extern "C-unwind" fn explain(
    node: *mut CustomScanState,
    _ancestors: *mut List,
    output: *mut ExplainState,
) {
    let state = node.cast::<ScanState>();
    entry(|| {
        // SAFETY: begun by `begin`; EXPLAIN's own state is passed on.
        unsafe {
            let inner = &*(*state).inner;
            let names = inner.node_names();
            let label = if names.len() == 1 { c"Node" } else { c"Nodes" };
            property(label, &names.join(", "), output);
            for source in &inner.plan.statement.sources {
                show(c"Source", &source.sql, output);
            }
            if !inner.others.is_empty() {
                show(c"Remote SQL", &inner.plan.statement.sql, output);
            }
        }
    });
}

/// A text as EXPLAIN shows it, in one line.
///
/// # Safety
/// `output` is EXPLAIN's own state.
pub unsafe fn show(label: &CStr, text: &str, output: *mut ExplainState) {
    // SAFETY: as the caller promises.
    unsafe { property(label, &one_line(text), output) };
}

unsafe fn property(label: &CStr, text: &str, output: *mut ExplainState) {
    let text = CString::new(text.replace('\0', "")).expect("NUL bytes were removed");
    // SAFETY: two NUL-terminated texts and EXPLAIN's own state.
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), text.as_ptr(), output) };
}
