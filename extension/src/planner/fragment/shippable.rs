//! What means the same on every node, and may therefore be computed there.
//!
//! Immutable built-in functions and operators over columns of the fragment. An expression without columns is computed
//! here once and sent as a parameter, unless it is volatile.

use crate::pg::nodes::{copy, items};
use crate::pg::raw;
use crate::plan::statement::names_by_oid;
use pgrx::pg_sys::*;
use std::ffi::c_void;
use std::os::raw::c_int;

struct Walk {
    /// Tables whose columns exist on the nodes.
    members: Relids,
    aggregates: bool,
}

/// Can the nodes compute `node` from columns of `members`? Aggregates are refused unless asked for.
///
/// # Safety
/// `node` is null or a valid planner expression.
pub unsafe fn shippable(node: *mut Node, members: Relids, aggregates: bool) -> bool {
    let mut walk = Walk {
        members,
        aggregates,
    };
    // SAFETY: the walker reads the tree only; the context outlives it.
    unsafe {
        !contain_volatile_functions(node) && !unfit(node, std::ptr::from_mut(&mut walk).cast())
    }
}

/// True at the first node that can not be shipped.
unsafe extern "C-unwind" fn unfit(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree and passes on the context it was given.
    unsafe {
        let walk = &*context.cast::<Walk>();
        match (*node).type_ {
            NodeTag::T_Var => {
                let var = node.cast::<Var>();
                return (*var).varattno <= 0
                    || (*var).varlevelsup > 0
                    || !bms_is_member((*var).varno, walk.members);
            }
            // Compared, or computed with, as the number that it is on this node only.
            NodeTag::T_RelabelType
                if names_by_oid(exprType((*node.cast::<RelabelType>()).arg.cast())) =>
            {
                return true
            }
            NodeTag::T_SubPlan
            | NodeTag::T_AlternativeSubPlan
            | NodeTag::T_SubLink
            | NodeTag::T_PlaceHolderVar
            | NodeTag::T_GroupingFunc
            | NodeTag::T_WindowFunc
            | NodeTag::T_CurrentOfExpr
            | NodeTag::T_NextValueExpr
            | NodeTag::T_SetToDefault => return true,
            NodeTag::T_Aggref
                if !walk.aggregates
                    || (*node.cast::<Aggref>()).aggfnoid.to_u32() >= FirstNormalObjectId =>
            {
                return true
            }
            NodeTag::T_SortGroupClause => return false,
            NodeTag::T_List
            | NodeTag::T_TargetEntry
            | NodeTag::T_CaseWhen
            | NodeTag::T_Const
            | NodeTag::T_Aggref => {}
            _ if constant(node) => return !sendable(node),
            _ => {
                if raw::check_functions_in_node(node, changeable, std::ptr::null_mut()) {
                    return true;
                }
            }
        }
        raw::expression_tree_walker(node, unfit, context)
    }
}

/// A function that can give different results on different nodes, or may not exist there.
unsafe extern "C-unwind" fn changeable(function: Oid, _context: *mut c_void) -> bool {
    // SAFETY: a catalog lookup of an existing function.
    function.to_u32() >= FirstNormalObjectId
        || unsafe { func_volatile(function) } != PROVOLATILE_IMMUTABLE as std::os::raw::c_char
}

/// No column and no aggregate in it: its value is the same for every row of one scan.
unsafe fn constant(node: *mut Node) -> bool {
    // SAFETY: a valid expression by the caller's promise.
    unsafe {
        let flags = PVC_INCLUDE_AGGREGATES | PVC_INCLUDE_WINDOWFUNCS | PVC_INCLUDE_PLACEHOLDERS;
        pull_var_clause(node, flags as c_int).is_null() && !open(node, std::ptr::null_mut())
    }
}

/// Does it refer to something around it, such as the operand of a CASE or (in an EXISTS of ours) a column outside?
unsafe extern "C-unwind" fn open(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree.
    unsafe {
        matches!(
            (*node).type_,
            NodeTag::T_CaseTestExpr | NodeTag::T_CoerceToDomainValue | NodeTag::T_SubLink
        ) || raw::expression_tree_walker(node, open, context)
    }
}

/// Can its value travel as text? (Whatever PostgreSQL stores in a column can.)
unsafe fn sendable(node: *mut Node) -> bool {
    // SAFETY: a valid expression; catalog lookups.
    unsafe {
        let mut subplan = false;
        has_subplan(node, std::ptr::from_mut(&mut subplan).cast());
        !subplan && get_typtype(exprType(node)) != TYPTYPE_PSEUDO as std::os::raw::c_char
    }
}

unsafe extern "C-unwind" fn has_subplan(node: *mut Node, found: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree; the context is the caller's flag.
    unsafe {
        if matches!(
            (*node).type_,
            NodeTag::T_SubPlan | NodeTag::T_AlternativeSubPlan | NodeTag::T_SubLink
        ) {
            *found.cast::<bool>() = true;
            return true;
        }
        raw::expression_tree_walker(node, has_subplan, found)
    }
}

/// Builds what is shipped.
pub struct Shipment {
    /// What the parameters `$1`, `$2`, ... stand for.
    pub params: *mut List,
    /// The planner's range table.
    pub rtable: *mut List,
}

/// A copy of a shippable expression in which everything that is computed here has become a parameter `$n`, and every EXISTS is
/// a complete query.
///
/// # Safety
/// `node` is null or made of expressions that [`shippable`] accepted and of what `join` builds over them.
pub unsafe fn ship<T>(node: *mut T, shipment: &mut Shipment) -> *mut T {
    // SAFETY: the mutator copies what it changes; the context outlives it.
    unsafe { replace(node.cast(), std::ptr::from_mut(shipment).cast()).cast() }
}

unsafe extern "C-unwind" fn replace(node: *mut Node, context: *mut c_void) -> *mut Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: a valid tree; the context is the shipment.
    unsafe {
        match (*node).type_ {
            NodeTag::T_Var
            | NodeTag::T_Const
            | NodeTag::T_RangeTblRef
            | NodeTag::T_SortGroupClause => copy(node),
            NodeTag::T_List
            | NodeTag::T_TargetEntry
            | NodeTag::T_CaseWhen
            | NodeTag::T_JoinExpr => descend(node, context),
            NodeTag::T_Aggref => {
                let aggregate = descend(node, context);
                crate::planner::fragment::grouping::partial::as_asked(aggregate.cast());
                aggregate
            }
            NodeTag::T_SubLink => exists(node.cast(), &mut *context.cast::<Shipment>()),
            _ if constant(node) => parameter(node, &mut (*context.cast::<Shipment>()).params),
            _ => descend(node, context),
        }
    }
}

/// Completes an EXISTS: its own range table, and columns of tables outside one level up.
unsafe fn exists(link: *mut SubLink, shipment: &mut Shipment) -> *mut Node {
    // SAFETY: `join` made the sublink; all nodes changed are copies.
    unsafe {
        let link = crate::pg::nodes::flat_copy(link);
        let query = crate::pg::nodes::flat_copy((*link).subselect.cast::<Query>());
        let tree = crate::pg::nodes::flat_copy((*query).jointree);
        (*tree).fromlist = ship((*tree).fromlist, shipment);
        (*tree).quals = ship((*tree).quals, shipment);
        (*query).jointree = tree;
        let mut lift = Lift {
            members: raw::get_relids_in_jointree(tree.cast(), false),
            depth: 0,
        };
        raise_outside(tree.cast(), std::ptr::from_mut(&mut lift).cast());
        (*query).rtable =
            crate::planner::fragment::query::range_table(shipment.rtable, lift.members);
        crate::planner::fragment::joins::number(query);
        (*query).hasSubLinks = checkExprHasSubLink(tree.cast());
        (*link).subselect = query.cast();
        link.cast()
    }
}

struct Lift {
    members: Relids,
    depth: Index,
}

/// Columns that do not belong to the members move one level up, in place.
unsafe extern "C-unwind" fn raise_outside(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree of ours; the context is a Lift.
    unsafe {
        let lift = context.cast::<Lift>();
        if (*node).type_ == NodeTag::T_Var {
            let var = node.cast::<Var>();
            if (*var).varlevelsup == (*lift).depth && !bms_is_member((*var).varno, (*lift).members)
            {
                (*var).varlevelsup += 1;
            }
            return false;
        }
        if (*node).type_ == NodeTag::T_Query {
            (*lift).depth += 1;
            raw::query_tree_walker(node.cast(), raise_outside, context, 0);
            (*lift).depth -= 1;
            return false;
        }
        raw::expression_tree_walker(node, raise_outside, context)
    }
}

unsafe fn descend(node: *mut Node, context: *mut c_void) -> *mut Node {
    // SAFETY: a valid tree; the context is passed on.
    unsafe { raw::expression_tree_mutator(node, replace, context) }
}

/// The parameter for `node`, with its type written out: `$n::type`.
unsafe fn parameter(node: *mut Node, params: &mut *mut List) -> *mut Node {
    // SAFETY: valid expressions; the list lives in the current memory context.
    unsafe {
        let known = items::<Node>(*params).position(|member| equal(member.cast(), node.cast()));
        let number = known.unwrap_or_else(|| {
            *params = lappend(*params, copy(node).cast());
            crate::pg::nodes::length(*params) - 1
        });
        let param = crate::pg::nodes::make::<Param>(NodeTag::T_Param);
        (*param).paramkind = ParamKind::PARAM_EXTERN;
        (*param).paramid = number as c_int + 1;
        (*param).paramtype = exprType(node);
        (*param).paramtypmod = -1;
        (*param).paramcollid = exprCollation(node);
        (*param).location = -1;
        makeRelabelType(
            param.cast(),
            (*param).paramtype,
            -1,
            (*param).paramcollid,
            CoercionForm::COERCE_EXPLICIT_CAST,
        )
        .cast()
    }
}
