//! Distribute: waits for the other nodes once this node's rows are inserted.

use crate::pg::executor::plan_node::PlanNode;
use crate::pg::executor::scan_node::ScanNode;
use crate::scan::custom::over_child::{callbacks, OverChild};
use crate::scan::custom::{Callbacks, Scan};
use crate::scan::decode::RowDecoder;
use crate::scan::distribute_scan::outbox::Outbox;
use crate::scan::distribute_scan::ROUTE_ROWS;
use std::cell::RefCell;
use std::rc::Rc;

pub struct DistributeScan {
    /// That of the scan below ModifyTable, once it has begun.
    outbox: Option<Rc<RefCell<Outbox>>>,
    flushed: bool,
    decoder: Option<RowDecoder>,
}

impl Scan for DistributeScan {
    const CALLBACKS: Callbacks = callbacks::<DistributeScan>();

    fn begin(_node: ScanNode<'_>, _flags: i32) -> DistributeScan {
        DistributeScan {
            outbox: None,
            flushed: false,
            decoder: None,
        }
    }
}

impl OverChild for DistributeScan {
    /// The plan below is the ModifyTable that the planner left there, and its source is Route Rows.
    fn child_begun(&mut self, _node: ScanNode<'_>, child: PlanNode) {
        self.outbox = child
            .left()
            .and_then(|source| ROUTE_ROWS.read(source, |scan| scan.outbox.clone()));
    }

    /// What the rows of other nodes return.
    fn own_row(&mut self, node: ScanNode<'_>) -> bool {
        let Some(outbox) = self.outbox.clone() else {
            return false;
        };
        let mut outbox = outbox.borrow_mut();
        if !std::mem::replace(&mut self.flushed, true) {
            outbox.flush();
        }
        while let Some(stream) = outbox.streams.front_mut() {
            if !stream.advance() {
                outbox.affected += stream.affected();
                outbox.streams.pop_front();
            } else if !outbox.replicated() {
                self.show(&outbox, node);
                return true;
            }
        }
        if !outbox.replicated() {
            node.add_processed(std::mem::take(&mut outbox.affected));
        }
        false
    }
}

impl DistributeScan {
    /// Puts the current row of the first stream into the scan's slot.
    fn show(&mut self, outbox: &Outbox, node: ScanNode<'_>) {
        let Some(stream) = outbox.streams.front() else {
            return;
        };
        let slot = node.slot();
        let decoder = self
            .decoder
            .get_or_insert_with(|| RowDecoder::new(slot, outbox.binary()));
        node.row_memory().renewed(|| decoder.store(stream, slot));
    }
}
