//! Fragments in EXPLAIN.

use crate::metadata::cache::metadata;
use crate::pg::entry::entry;
use crate::scan::fragment_scan::state::FragmentScanState;
use pgrx::pg_sys::*;
use std::ffi::{CStr, CString};

/// # Safety
/// Called by PostgreSQL's EXPLAIN.
pub unsafe extern "C-unwind" fn explain(
    node: *mut CustomScanState,
    _ancestors: *mut List,
    es: *mut ExplainState,
) {
    // SAFETY: the scan is ours.
    entry(|| unsafe { show(node.cast(), es) });
}

unsafe fn show(state: *mut FragmentScanState, es: *mut ExplainState) {
    // SAFETY: a scan that has begun.
    unsafe {
        let run = &*(*state).run;
        let Some(metadata) = metadata() else { return };
        let name = |node: i32| {
            metadata
                .nodes
                .get(&node)
                .map_or_else(|| node.to_string(), |node| node.name.clone())
        };
        let nodes: Vec<std::string::String> = metadata
            .map_of(run.plan.group)
            .map(|map| map.nodes().into_iter().map(name).collect())
            .unwrap_or_default();
        property(c"Nodes", &nodes.join(", "), es);
        property(c"Fragment", &run.plan.sql, es);
        if !(*es).analyze {
            return;
        }
        for delivered in &run.delivered {
            let mut text = format!("rows={}", delivered.rows);
            if delivered.node != metadata.local_node {
                text += &format!(" bytes={}", delivered.bytes);
            }
            if (*es).timing {
                text += &format!(" time={:.3}", delivered.milliseconds);
            }
            let label = CString::new(format!("Node {}", name(delivered.node))).unwrap_or_default();
            property(&label, &text, es);
        }
    }
}

unsafe fn property(label: &CStr, value: &str, es: *mut ExplainState) {
    let value = CString::new(value).unwrap_or_default();
    // SAFETY: PostgreSQL copies both strings.
    unsafe { ExplainPropertyText(label.as_ptr(), value.as_ptr(), es) };
}
