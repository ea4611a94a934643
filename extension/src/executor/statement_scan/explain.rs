//! What EXPLAIN shows of Route and Modify.

use super::state::ScanState;
use crate::entry::entry;
use crate::planner::fragment::query::one_line;
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
                property(c"Source", &one_line(&source.sql), output);
            }
            if !inner.others.is_empty() {
                property(c"Remote SQL", &one_line(&inner.plan.statement.sql), output);
            }
        }
    });
}

unsafe fn property(label: &CStr, text: &str, output: *mut ExplainState) {
    let text = CString::new(text.replace('\0', "")).expect("NUL bytes were removed");
    // SAFETY: two NUL-terminated texts and EXPLAIN's own state.
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), text.as_ptr(), output) };
}
