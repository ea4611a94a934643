//! The executor's calls.

use crate::pg::entry::entry;
use crate::pg::executor::explanation::Explanation;
use crate::pg::executor::query::only_explains;
use crate::pg::executor::scan_node::ScanNode;
use crate::plan::statement::Place;
use crate::plan::text::one_line;
use crate::scan::custom::over_child::{callbacks, OverChild};
use crate::scan::custom::{scan_of, Callbacks, Scan};
use crate::scan::pending;
use crate::scan::statement_scan::state::StatementScan;
use pgrx::pg_sys::CustomScanState;

impl Scan for StatementScan {
    const CALLBACKS: Callbacks = callbacks::<StatementScan>();

    /// Decides the nodes.
    fn begin(node: ScanNode<'_>, flags: i32) -> StatementScan {
        let mut scan = StatementScan::new(node, only_explains(flags));
        if scan.may_start_early() {
            scan.pending = pending::add(node, flags, start_early);
        }
        scan
    }

    /// The nodes and, where other nodes take part, the statement's text.
    fn explain(&self, _node: ScanNode<'_>, output: &mut Explanation<'_>) {
        let names = self.node_names();
        let label = if names.len() == 1 { "Node" } else { "Nodes" };
        output.property(label, &names.join(", "));
        let statement = &self.plan.statement;
        for source in &statement.sources {
            output.property("Source", &one_line(&source.sql));
        }
        if !self.others.is_empty() {
            output.property("Remote SQL", &one_line(&statement.sql));
        }
    }
}

impl OverChild for StatementScan {
    const HIDES_COLUMNS: bool = true;

    fn runs_child(&self) -> bool {
        self.local
    }

    fn is_due(&self) -> bool {
        !self.prepared && self.begins_elsewhere()
    }

    fn prepare(&mut self, _node: ScanNode<'_>) {
        self.prepared = true;
        self.deliver_sources();
        // Elsewhere they work while this node does; a replicated table's first node comes first.
        if self.plan.statement.place != Place::Everywhere || self.waits_for_first() {
            self.start();
        }
    }

    fn own_row(&mut self, node: ScanNode<'_>) -> bool {
        self.next(node)
    }

    fn restart(&mut self) {
        self.reset();
    }

    /// What other nodes still send is cancelled.
    fn end(&mut self) {
        self.reset();
    }
}

/// Sends the text before the first row is wanted.
unsafe fn start_early(node: *mut CustomScanState) {
    // SAFETY: a scan of this type that has begun and not started.
    entry(|| unsafe { scan_of::<StatementScan>(node).start() });
}
