//! What a fragment costs: the nodes work at once, their rows come one after the other.

use crate::planner::fragment::info::Fragment;
use pgrx::pg_sys::*;

/// Asking the nodes.
const STARTUP: f64 = 100.0;
/// Sending and reading one row, and one byte of it.
const PER_ROW: f64 = 0.03;
const PER_BYTE: f64 = 0.0005;

/// Startup and total cost of fetching `rows` rows of `width` bytes.
pub fn fetch(fragment: &Fragment, work: f64, rows: f64, width: i32) -> (f64, f64) {
    let transfer = rows * (PER_ROW + PER_BYTE * f64::from(width));
    (STARTUP, STARTUP + work / fragment.nodes + transfer)
}

/// Reading a table on the nodes.
///
/// # Safety
/// `rel` is a base relation whose size is known.
pub unsafe fn scan(rel: *const RelOptInfo) -> f64 {
    // SAFETY: by the caller's promise; settings are plain variables.
    unsafe {
        let all = f64::from((*rel).pages) * seq_page_cost
            + (*rel).tuples * (cpu_tuple_cost + (*rel).baserestrictcost.per_tuple);
        // An index may help to find few rows of many.
        let found = (*rel).rows * random_page_cost;
        all.min(found.max(all * 0.01))
    }
}

/// Joining two inputs on the nodes.
pub fn join(left: &Fragment, right: &Fragment, rows: f64) -> f64 {
    // SAFETY: a setting is a plain variable.
    let tuple = unsafe { cpu_tuple_cost };
    left.work + right.work + tuple * (left.rows + right.rows + rows)
}

/// What PostgreSQL takes for the number of groups by an expression is the number of different values of the columns in it,
/// which is only the most that there can be. To fetch all rows where there are few groups costs many times what it costs to
/// group twice where there are many, so fewer are counted on.
const COMPUTED_GROUPS: f64 = 0.1;

/// Rows of groups that the nodes begin, when there are `groups` in all: no node has more groups than rows.
pub fn begun_groups(fragment: &Fragment, groups: f64, computed: bool) -> f64 {
    let most = (groups * fragment.nodes).min(fragment.rows);
    let counted_on = if computed {
        most * COMPUTED_GROUPS
    } else {
        most
    };
    counted_on.max(fragment.nodes)
}

/// Rows that come when each node delivers up to `rows`.
pub fn top_rows(fragment: &Fragment, rows: i64) -> f64 {
    (rows as f64 * fragment.nodes).min(fragment.rows.max(1.0))
}

/// Grouping on the nodes.
pub fn group(fragment: &Fragment, columns: usize) -> f64 {
    // SAFETY: a setting is a plain variable.
    let operator = unsafe { cpu_operator_cost };
    fragment.work + fragment.rows * operator * (columns.max(1) as f64)
}
