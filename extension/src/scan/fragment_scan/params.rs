//! What is computed here once and sent along as `$1`, `$2`, ...

use crate::pg::list::nodes;
use crate::remote::value_settings::Faithful;
use crate::scan::fragment_scan::state::FragmentScanState;
use pgrx::pg_sys::*;
use std::ffi::CStr;

/// Evaluates all parameters into a list that PostgreSQL's executor takes; null when there are none.
///
/// # Safety
/// The scan has begun; nothing droppable lives in the callers' frames (user functions run without a guard).
pub unsafe fn evaluate(state: *mut FragmentScanState) -> ParamListInfo {
    // SAFETY: one expression state for each expression, valid while the scan is.
    unsafe {
        let states = (*state).param_states;
        if states.is_null() {
            return std::ptr::null_mut();
        }
        let context = (*state).css.ss.ps.ps_ExprContext;
        let outer = CurrentMemoryContext;
        let list = (*state).param_list;
        CurrentMemoryContext = (*state).param_context;
        crate::pg::raw::MemoryContextReset((*state).param_context);
        for index in 0..(*states).length as usize {
            let expr = (*(*states).elements.add(index))
                .ptr_value
                .cast::<ExprState>();
            let place = (*list).params.as_mut_ptr().add(index);
            let mut null = false;
            if let Some(evaluate) = (*expr).evalfunc {
                (*place).value = evaluate(expr, context, &mut null);
            }
            (*place).isnull = null;
        }
        CurrentMemoryContext = outer;
        list
    }
}

/// The list that [`evaluate`] fills, and the states of the expressions.
///
/// # Safety
/// Called once, when the scan begins, in the memory context of the query.
pub unsafe fn prepare(state: *mut FragmentScanState, exprs: *mut List) {
    // SAFETY: custom_exprs are expressions that PostgreSQL has prepared for execution.
    unsafe {
        if exprs.is_null() {
            return;
        }
        let plan_state = std::ptr::addr_of_mut!((*state).css.ss.ps);
        let exprs = by_themselves(exprs, (*plan_state).plan.cast());
        (*state).param_states = ExecInitExprList(exprs, plan_state);
        (*state).param_context = AllocSetContextCreateInternal(
            CurrentMemoryContext,
            c"fragment parameters".as_ptr(),
            ALLOCSET_SMALL_MINSIZE as usize,
            ALLOCSET_SMALL_INITSIZE as usize,
            ALLOCSET_SMALL_MAXSIZE as usize,
        );
        let list = makeParamList((*exprs).length);
        for index in 0..(*exprs).length as usize {
            let expr = (*(*exprs).elements.add(index)).ptr_value.cast::<Node>();
            let place = (*list).params.as_mut_ptr().add(index);
            (*place).ptype = exprType(expr);
            (*place).pflags = PARAM_FLAG_CONST as u16;
        }
        (*state).param_list = list;
    }
}

/// The expressions as they were: where the fragment returns the same expression (it groups by it), PostgreSQL has
/// replaced it by a reference to the scan's own column, which is not there before the fragment runs.
unsafe fn by_themselves(exprs: *mut List, scan: *mut CustomScan) -> *mut List {
    let mut restored = std::ptr::null_mut();
    for expr in nodes::<Node>(exprs) {
        // SAFETY: an expression of the scan, which refers to nothing but columns of the scan's target list.
        unsafe {
            let node = ReplaceVarsFromTargetList(
                expr,
                INDEX_VAR,
                0,
                std::ptr::null_mut(),
                (*scan).custom_scan_tlist,
                ReplaceVarsNoMatchOption::REPLACEVARS_REPORT_ERROR,
                0,
                std::ptr::null_mut(),
            );
            restored = lappend(restored, node.cast());
        }
    }
    restored
}

/// The parameters as text, and their types where every node knows them by the same OID.
///
/// # Safety
/// `list` is null or filled by [`evaluate`].
pub unsafe fn as_text(list: ParamListInfo) -> (Vec<Oid>, Vec<Option<Vec<u8>>>) {
    let (mut kinds, mut values) = (Vec::new(), Vec::new());
    if list.is_null() {
        return (kinds, values);
    }
    let _faithful = Faithful::new();
    // SAFETY: as the caller promises.
    unsafe {
        for index in 0..(*list).numParams as usize {
            let param = &*(*list).params.as_ptr().add(index);
            let known = param.ptype.to_u32() < FirstNormalObjectId;
            kinds.push(if known { param.ptype } else { InvalidOid });
            if param.isnull {
                values.push(None);
                continue;
            }
            let (mut output, mut varlena) = (InvalidOid, false);
            getTypeOutputInfo(param.ptype, &mut output, &mut varlena);
            let text = OidOutputFunctionCall(output, param.value);
            values.push(Some(CStr::from_ptr(text).to_bytes().to_vec()));
        }
    }
    (kinds, values)
}
