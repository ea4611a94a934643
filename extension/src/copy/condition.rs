//! The WHERE of a COPY FROM: each node applies it to the lines it gets.

use crate::copy::privileges::name_of;
use crate::error::Error;
use crate::pg::tree::deparse::with_qualified_names;
use pgrx::pg_sys::{self, Node, ParseNamespaceItem, ParseState};
use std::ffi::CStr;

/// A condition as the local COPY takes it, and as text for the others.
pub struct Condition {
    /// A list of conditions; null when there is none.
    pub here: *mut Node,
    /// ` WHERE ...`, or nothing.
    pub text: String,
}

impl Condition {
    /// No condition at all.
    pub fn none() -> Condition {
        Condition {
            here: std::ptr::null_mut(),
            text: String::new(),
        }
    }

    /// Analyses the condition as PostgreSQL does; raises in its words.
    ///
    /// # Safety
    /// `item` is the table's entry in `pstate`; `raw` comes from the parser.
    pub unsafe fn analyse(
        pstate: *mut ParseState,
        item: *mut ParseNamespaceItem,
        raw: *mut Node,
        replicated: bool,
    ) -> Condition {
        // SAFETY: as the caller promises; the parse analysis functions raise on bad input.
        unsafe {
            if raw.is_null() {
                return Condition::none();
            }
            let relation = (*(*item).p_rte).relid;
            pg_sys::addNSItemToQuery(pstate, item, false, true, true);
            let kind = pg_sys::ParseExprKind::EXPR_KIND_COPY_WHERE;
            let expression = pg_sys::transformExpr(pstate, raw, kind);
            let expression = pg_sys::coerce_to_boolean(pstate, expression, c"WHERE".as_ptr());
            pg_sys::assign_expr_collations(pstate, expression);
            pg_sys::ExecCheckRTPerms((*pstate).p_rtable, true);
            if replicated && pg_sys::contain_mutable_functions(expression) {
                Error::Unsupported {
                    what: "COPY FROM with a WHERE that may come out differently on each node"
                        .into(),
                    kind: "replicated",
                    relation: name_of(relation),
                    hint: "Leave such functions out of the condition.".into(),
                }
                .raise();
            }
            let text = with_qualified_names(|| {
                let context = pg_sys::deparse_context_for(pg_sys::get_rel_name(relation), relation);
                let text = pg_sys::deparse_expression(expression, context, false, false);
                CStr::from_ptr(text).to_string_lossy().into_owned()
            });
            let ready = pg_sys::eval_const_expressions(std::ptr::null_mut(), expression);
            let ready = pg_sys::canonicalize_qual(ready.cast(), false);
            Condition {
                here: pg_sys::make_ands_implicit(ready).cast(),
                text: format!(" WHERE {text}"),
            }
        }
    }
}
