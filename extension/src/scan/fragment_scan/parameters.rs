//! What is computed here once and sent along as `$1`, `$2`, ...

use crate::pg::executor::expression::Expression;
use crate::pg::executor::parameters::Parameters;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::memory::Context;
use crate::pg::tree::{list_of, ListRef, NodeRef};
use crate::remote::exact_values::exact_text;
use pgrx::pg_sys::*;

/// The parameters of a fragment, and how they are computed.
pub struct Computed {
    expressions: Vec<Expression>,
    values: Parameters,
    memory: Context,
}

impl Computed {
    /// Called once, when the scan begins, in the memory of the query.
    pub fn new(node: ScanNode<'_>) -> Computed {
        let restored = as_written(node.plan());
        let types: Vec<Oid> = restored.iter().map(NodeRef::expression_type).collect();
        let memory = Context::current();
        Computed {
            expressions: node.expressions(restored),
            values: Parameters::of_types(&types),
            memory: if types.is_empty() {
                memory
            } else {
                memory.small_child(c"fragment parameters")
            },
        }
    }

    /// Computes all of them.
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames: users' functions run without a guard.
    pub unsafe fn compute(&mut self) {
        if self.expressions.is_empty() {
            return;
        }
        // SAFETY: as the caller promises; an error leaves the memory context to PostgreSQL's handler.
        unsafe {
            let outer = CurrentMemoryContext;
            self.memory.reset_unguarded();
            CurrentMemoryContext = self.memory.as_ptr();
            for (place, expression) in self.expressions.iter().enumerate() {
                self.values.set(place, expression.value_unguarded());
            }
            CurrentMemoryContext = outer;
        }
    }

    /// For this node's executor.
    pub fn values(&self) -> Parameters {
        self.values
    }

    /// As text, and their types where every node knows them by the same OID.
    pub fn as_text(&self) -> (Vec<Oid>, Vec<Option<Vec<u8>>>) {
        let parameters = self.values.all().iter();
        parameters
            .map(|parameter| {
                let kind = parameter.ptype;
                let known = kind.to_u32() < FirstNormalObjectId;
                let text = (!parameter.isnull).then(|| exact_text(parameter.value, kind));
                (if known { kind } else { InvalidOid }, text)
            })
            .unzip()
    }
}

/// The expressions as they were: where the fragment returns the same expression (it groups by it), PostgreSQL has
/// replaced it by a reference to the scan's own column, which is not there before the fragment runs.
fn as_written(scan: NodeRef<'_, CustomScan>) -> ListRef<'_, Node> {
    let columns = scan.columns().as_ptr();
    let (no_entry, no_links) = (std::ptr::null_mut(), std::ptr::null_mut());
    let unknown = ReplaceVarsNoMatchOption::REPLACEVARS_REPORT_ERROR;
    list_of(scan.expressions().iter().filter_map(|expression| {
        let expression = expression.as_ptr();
        // SAFETY: an expression of the scan, which refers to nothing but columns of the scan's target list.
        unsafe {
            NodeRef::new(ReplaceVarsFromTargetList(
                expression, INDEX_VAR, 0, no_entry, columns, unknown, 0, no_links,
            ))
        }
    }))
}
