//! What a fragment scan keeps, from its beginning to its end.

use crate::dispatch::stream::Stream;
use crate::metadata::cache::metadata;
use crate::pg::executor::explanation::Explanation;
use crate::pg::executor::running_query::RunningQuery;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::memory::Context;
use crate::pg::session::transaction::subtransaction;
use crate::pg::tree::NodeRef;
use crate::plan::fragment::Plan;
use crate::scan::custom::{Callbacks, Scan};
use crate::scan::decode::Decoder;
use crate::scan::fragment_scan::callbacks;
use crate::scan::fragment_scan::parameters::Computed;
use crate::scan::pending;
use crate::scan::pending::Pending;
use crate::snapshot::agree::Agreement;
use pgrx::pg_sys::{Query, SubTransactionId};
use std::time::Instant;

/// What one node delivered, for EXPLAIN ANALYZE.
#[derive(Debug, Clone, Default)]
pub struct Delivered {
    pub node: i32,
    pub rows: u64,
    pub bytes: u64,
    pub milliseconds: f64,
}

/// A fragment scan that runs.
pub struct FragmentScan {
    pub plan: Plan,
    pub query: NodeRef<'static, Query>,
    pub streams: Vec<Stream>,
    pub decoders: Vec<Decoder>,
    /// Index in the scan's row of each result column.
    pub places: Vec<usize>,
    /// Other parts of the statement read nodes, too.
    pub shared: bool,
    /// Holds the snapshots that the nodes agreed on.
    pub agreement: Option<Agreement>,
    pub delivered: Vec<Delivered>,
    pub started_at: Option<Instant>,
    /// The subtransaction in which the scan began.
    pub begun_in: SubTransactionId,
    /// Until it starts.
    pub pending: Option<Pending>,
    pub measured: bool,
    pub started: bool,
    /// It was to start before its first row was asked for, and could not.
    pub failed: bool,
    /// This node's own fragment while it runs.
    pub local: Option<RunningQuery>,
    pub parameters: Computed,
    /// Lives as long as one execution of the fragment.
    pub run_memory: Context,
    /// Values of the current row.
    pub row_memory: Context,
}

impl Scan for FragmentScan {
    const CALLBACKS: Callbacks = callbacks::CALLBACKS;

    fn begin(node: ScanNode<'_>, flags: i32) -> FragmentScan {
        let scan = node.plan();
        let (plan, query) = load(node);
        let slot = node.slot();
        if let Some(table) = node.table() {
            slot.set_table(table);
        }
        let columns = slot.attributes();
        let places: Vec<usize> = if scan.scan.scanrelid > 0 {
            plan.attributes.iter().map(|&n| n as usize - 1).collect()
        } else {
            (0..columns.len()).collect()
        };
        let decoders = places
            .iter()
            .map(|&place| Decoder::new(&columns[place], plan.binary))
            .collect();
        let memory = Context::current();
        FragmentScan {
            shared: shares_statement(node) || node.is_correlated(),
            agreement: None,
            plan,
            query,
            streams: Vec::new(),
            decoders,
            places,
            delivered: Vec::new(),
            started_at: None,
            begun_in: subtransaction(),
            pending: pending::add(node, flags, callbacks::start),
            measured: node.is_measured(),
            started: false,
            failed: false,
            local: None,
            parameters: Computed::new(node),
            run_memory: memory.child(c"fragment run"),
            row_memory: memory.child(c"fragment row"),
        }
    }

    fn explain(&self, _node: ScanNode<'_>, output: &mut Explanation<'_>) {
        let Some(metadata) = metadata() else { return };
        let name = |node: i32| {
            let known = metadata.nodes.get(&node);
            known.map_or_else(|| node.to_string(), |node| node.name.clone())
        };
        let map = metadata.map_of(self.plan.group);
        let nodes: Vec<String> = map
            .map(|map| map.nodes().into_iter().map(name).collect())
            .unwrap_or_default();
        output.property("Nodes", &nodes.join(", "));
        output.property("Fragment", &self.plan.sql);
        if !output.analyzes() {
            return;
        }
        for delivered in &self.delivered {
            let mut text = format!("rows={}", delivered.rows);
            if delivered.node != metadata.local_node {
                text += &format!(" bytes={}", delivered.bytes);
            }
            if output.shows_times() {
                text += &format!(" time={:.3}", delivered.milliseconds);
            }
            output.property(&format!("Node {}", name(delivered.node)), &text);
        }
    }
}

/// The plan's data; the query lives as long as the plan, and that as long as the scan.
fn load(node: ScanNode<'_>) -> (Plan, NodeRef<'static, Query>) {
    let (plan, query) = Plan::load(node.plan());
    // SAFETY: used by the scan alone.
    (plan, unsafe { NodeRef::present(query.as_ptr()) })
}

/// Does the statement name more than one distributed table? Then its reads share a snapshot on each node.
fn shares_statement(node: ScanNode<'_>) -> bool {
    let Some(metadata) = metadata() else {
        return true;
    };
    let distributed = node.range_table().iter().filter(|entry| {
        let table = metadata.table(entry.relid);
        table.is_some_and(|table| table.distribution_column().is_some())
    });
    distributed.count() > 1
}
