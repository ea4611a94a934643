//! Whether an expression can be computed before any row is there.

use crate::pg::tree::{walk, NodeRef, Step};
use pgrx::pg_sys::{NodeTag, Param, ParamKind};

/// Any column, aggregate or executor parameter at this level? Queries of sublinks are not looked into.
pub fn contains_column(node: NodeRef<'_>) -> bool {
    walk(node, &mut |node| match node.tag() {
        NodeTag::T_Var
        | NodeTag::T_Aggref
        | NodeTag::T_WindowFunc
        | NodeTag::T_GroupingFunc
        | NodeTag::T_CaseTestExpr
        | NodeTag::T_CoerceToDomainValue
        | NodeTag::T_SetToDefault
        | NodeTag::T_CurrentOfExpr => Step::Stop,
        NodeTag::T_Param if is_of_executor(node) => Step::Stop,
        NodeTag::T_Query | NodeTag::T_Param => Step::Over,
        _ => Step::Into,
    })
}

/// Is it a parameter that the executor sets while the statement runs?
fn is_of_executor(node: NodeRef<'_>) -> bool {
    node.cast::<Param>()
        .is_some_and(|param| param.paramkind != ParamKind::PARAM_EXTERN)
}
