//! What means the same on every node, and may therefore be computed there.
//!
//! Immutable built-in functions and operators over columns of the fragment. An expression without columns is computed
//! here once and sent as a parameter, unless it is volatile.

use crate::pg::catalog::{is_built_in, is_immutable, is_pseudo_type};
use crate::pg::planner::Relids;
use crate::pg::tree::{walk, NodeRef, Step};
use crate::plan::statement::names_by_oid;
use pgrx::pg_sys::{Aggref, NodeTag, Oid, RelabelType, Var};

/// Can the nodes compute an expression from columns of `members`? Aggregates they cannot.
pub fn shippable(node: NodeRef<'_>, members: Relids<'_>) -> bool {
    fits(node, members, false)
}

/// The same where aggregates may be.
pub fn shippable_with_aggregates(node: NodeRef<'_>, members: Relids<'_>) -> bool {
    fits(node, members, true)
}

fn fits(node: NodeRef<'_>, members: Relids<'_>, aggregates: bool) -> bool {
    !node.is_volatile() && !walk(node, &mut |node| visit(node, members, aggregates))
}

/// Stops at the first node that cannot be computed on other nodes.
fn visit(node: NodeRef<'_>, members: Relids<'_>, aggregates: bool) -> Step {
    if let Some(var) = node.cast::<Var>() {
        let ours = var.varattno > 0 && var.varlevelsup == 0 && members.contains(var.varno);
        return if ours { Step::Over } else { Step::Stop };
    }
    if let Some(aggregate) = node.cast::<Aggref>() {
        let fits = aggregates && is_built_in(aggregate.aggfnoid);
        return if fits { Step::Into } else { Step::Stop };
    }
    if is_number_of_name(node) {
        return Step::Stop;
    }
    match node.tag() {
        NodeTag::T_SubPlan
        | NodeTag::T_AlternativeSubPlan
        | NodeTag::T_SubLink
        | NodeTag::T_PlaceHolderVar
        | NodeTag::T_GroupingFunc
        | NodeTag::T_WindowFunc
        | NodeTag::T_CurrentOfExpr
        | NodeTag::T_NextValueExpr
        | NodeTag::T_SetToDefault => Step::Stop,
        NodeTag::T_SortGroupClause => Step::Over,
        NodeTag::T_List | NodeTag::T_TargetEntry | NodeTag::T_CaseWhen | NodeTag::T_Const => {
            Step::Into
        }
        _ if is_constant(node) => match is_sendable(node) {
            true => Step::Over,
            false => Step::Stop,
        },
        _ if node.calls(&mut differs) => Step::Stop,
        _ => Step::Into,
    }
}

/// Is a name that is an OID inside compared, or computed with, as the number that it is on this node only?
fn is_number_of_name(node: NodeRef<'_>) -> bool {
    let relabelled = node
        .cast::<RelabelType>()
        .and_then(NodeRef::<RelabelType>::argument);
    relabelled.is_some_and(|argument| names_by_oid(argument.expression_type()))
}

/// Can the function give different results on different nodes, or be missing there?
fn differs(function: Oid) -> bool {
    !is_built_in(function) || !is_immutable(function)
}

/// Has the expression no column and no aggregate in it? Its value is the same for every row of one scan then.
pub fn is_constant(node: NodeRef<'_>) -> bool {
    !node.depends_on_rows() && !refers_to_surroundings(node)
}

/// Does it refer to something around it, such as the operand of a CASE or (in an EXISTS of ours) a column outside?
fn refers_to_surroundings(node: NodeRef<'_>) -> bool {
    any_of(node, |tag| {
        matches!(
            tag,
            NodeTag::T_CaseTestExpr | NodeTag::T_CoerceToDomainValue | NodeTag::T_SubLink
        )
    })
}

/// Can its value travel as text? (Whatever PostgreSQL stores in a column can.)
fn is_sendable(node: NodeRef<'_>) -> bool {
    let has_subplan = any_of(node, |tag| {
        matches!(
            tag,
            NodeTag::T_SubPlan | NodeTag::T_AlternativeSubPlan | NodeTag::T_SubLink
        )
    });
    !has_subplan && !is_pseudo_type(node.expression_type())
}

fn any_of(node: NodeRef<'_>, test: impl Fn(NodeTag) -> bool) -> bool {
    walk(node, &mut |node| match test(node.tag()) {
        true => Step::Stop,
        false => Step::Into,
    })
}
