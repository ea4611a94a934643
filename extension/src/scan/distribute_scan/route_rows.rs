//! Route Rows: keeps this node's rows and hands the others out.

use crate::pg::executor::expression::Expression;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::executor::slot::Slot;
use crate::plan::private;
use crate::remote::exact_values::exact_text;
use crate::scan::custom::over_child::{callbacks, OverChild};
use crate::scan::custom::{Callbacks, Scan};
use crate::scan::distribute_scan::outbox::Outbox;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::rc::Rc;

pub struct RouteRowsScan {
    /// Shared with the scan above ModifyTable.
    pub outbox: Rc<RefCell<Outbox>>,
    /// Those of the statement for the other nodes, until they have been computed.
    parameters: Vec<Expression>,
}

impl Scan for RouteRowsScan {
    const CALLBACKS: Callbacks = callbacks::<RouteRowsScan>();

    fn begin(node: ScanNode<'_>, _flags: i32) -> RouteRowsScan {
        let plan = node.plan();
        let outbox = Outbox::new(private::from_scan(plan), node.slot());
        RouteRowsScan {
            outbox: Rc::new(RefCell::new(outbox)),
            parameters: node.expressions(plan.expressions()),
        }
    }
}

impl OverChild for RouteRowsScan {
    const CHOOSES: bool = true;

    fn is_due(&self) -> bool {
        !self.parameters.is_empty()
    }

    /// Computes what goes along with the rows.
    fn prepare(&mut self, _node: ScanNode<'_>) {
        let mut outbox = self.outbox.borrow_mut();
        for parameter in std::mem::take(&mut self.parameters) {
            let kind = parameter.kind();
            let text = parameter.value().map(|value| exact_text(value, kind));
            let known = kind.to_u32() < pg_sys::FirstNormalObjectId;
            let sent = if known { kind } else { pg_sys::InvalidOid };
            outbox.parameters.0.push(sent);
            outbox.parameters.1.push(text);
        }
    }

    fn takes(&mut self, node: ScanNode<'_>, row: Slot) -> bool {
        let mut outbox = self.outbox.borrow_mut();
        node.row_memory().renewed(|| outbox.take(row))
    }
}
