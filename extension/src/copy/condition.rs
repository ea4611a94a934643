//! The WHERE of a COPY FROM: each node applies it to the lines it gets.

use crate::error::Error;
use crate::pg::copy::CopyTable;
use crate::pg::names::bare;
use crate::pg::tree::build::conjuncts;
use crate::pg::tree::deparse::{expression_text, with_qualified_names};
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys;

/// A condition as the local COPY takes it, and as text for the others.
#[derive(Default)]
pub struct Condition<'a> {
    /// The parts of the condition that are joined by AND; `None` when there is no condition.
    pub here: Option<ListRef<'a>>,
    /// ` WHERE ...`, or nothing.
    pub text: String,
}

impl<'a> Condition<'a> {
    /// Analyses the condition as PostgreSQL does; raises in its words.
    pub fn analyse(table: CopyTable, raw: NodeRef<'_>, replicated: bool) -> Condition<'a> {
        let expression = table.analyse(raw);
        if replicated && expression.is_mutable() {
            Error::Unsupported {
                what: "COPY FROM with a WHERE that may come out differently on each node".into(),
                kind: "replicated",
                relation: bare(table.oid()),
                hint: "Leave such functions out of the condition.".into(),
            }
            .raise();
        }
        let text = with_qualified_names(|| expression_text(expression, table.oid()));
        Condition {
            here: Some(conjuncts(Some(simplified(expression)))),
            text: format!(" WHERE {text}"),
        }
    }
}

/// The condition as PostgreSQL's executor takes it.
fn simplified(condition: NodeRef<'_>) -> NodeRef<'_> {
    // SAFETY: a valid condition; both functions give valid ones.
    unsafe {
        let ready = pg_sys::eval_const_expressions(std::ptr::null_mut(), condition.as_ptr());
        NodeRef::present(pg_sys::canonicalize_qual(ready.cast(), false).cast())
    }
}
