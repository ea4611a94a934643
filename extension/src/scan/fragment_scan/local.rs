//! This node's own fragment, run in-process.

use crate::pg::executor::parameters::Parameters;
use crate::pg::executor::running_query::{plan, RunningQuery};
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::tree::NodeMut;
use crate::snapshot::agree::local_snapshot;
use crate::snapshot::repeatable_read;
use crate::state::local_planning;
use pgrx::pg_sys::Query;

/// Plans the query for this node and starts it under the scan's snapshot, in the current memory context. `agreed`: the nodes
/// have agreed on their snapshots for this scan.
pub fn start(
    node: ScanNode<'_>,
    query: NodeMut<'_, Query>,
    parameters: Parameters,
    agreed: bool,
) -> RunningQuery {
    local_planning::enter_next();
    let planned = plan(query, c"fragment", parameters);
    local_planning::leave();
    // What the nodes agreed on, if others take part, as this statement sees it after those before it in the
    // transaction. In REPEATABLE READ the statement has that already.
    let own = node.snapshot().expect("a running query has a snapshot");
    let mut seen = local_snapshot()
        .filter(|_| agreed && !repeatable_read::has_agreed())
        .map(|theirs| theirs.at_command(own.command()));
    let snapshot = seen.as_mut().map_or(own.as_ptr(), std::ptr::from_mut);
    // SAFETY: registered, or a copy that is valid here and points to the arrays of a registered one.
    unsafe { RunningQuery::start(planned, c"fragment", parameters, snapshot) }
}
