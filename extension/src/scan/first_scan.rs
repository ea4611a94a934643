//! First: runs the writes of a WITH clause (or the DELETE half of a change of key) before the rest of the statement.
//!
//! # How it works
//! At the first row the sources run, one after the other, and keep what they return in this session's exchange
//! ([`crate::exchange`]). Then the rows of the plan below pass through.
//!
//! When the scan runs again, only what reads the writes does: they have happened.

use crate::exchange::deliver::{deliver, Value};
use crate::pg::executor::explanation::Explanation;
use crate::pg::executor::expression::Expression;
use crate::pg::executor::scan_node::ScanNode;
use crate::plan::private;
use crate::plan::statement::Reading;
use crate::plan::text::one_line;
use crate::scan::custom::over_child::{callbacks, OverChild};
use crate::scan::custom::{Callbacks, Methods, Scan};

pub static FIRST: Methods<FirstScan> = Methods::new(c"First");

pub struct FirstScan {
    sources: Vec<Reading>,
    /// The sources' parameters, one source after the other.
    parameters: Vec<Expression>,
    done: bool,
}

impl Scan for FirstScan {
    const CALLBACKS: Callbacks = callbacks::<FirstScan>();

    fn begin(node: ScanNode<'_>, _flags: i32) -> FirstScan {
        let plan = node.plan();
        FirstScan {
            sources: private::from_scan(plan),
            parameters: node.expressions(plan.expressions()),
            done: false,
        }
    }

    fn explain(&self, _node: ScanNode<'_>, output: &mut Explanation<'_>) {
        for source in &self.sources {
            output.property("Statement", &one_line(&source.sql));
        }
    }
}

impl OverChild for FirstScan {
    fn is_due(&self) -> bool {
        !self.done
    }

    /// Runs the sources.
    fn prepare(&mut self, _node: ScanNode<'_>) {
        self.done = true;
        let mut parameters = self.parameters.iter();
        for source in &self.sources {
            let of_source = parameters.by_ref().take(source.parameters);
            let values: Vec<Value> = of_source.map(|&parameter| Value::of(parameter)).collect();
            deliver(source, &values, &[]);
        }
    }
}
