//! The parts that nodes deliver of an aggregate.

use crate::pg::nodes::{flat_copy, items, length};
use pgrx::pg_sys::*;

/// Columns of pg_aggregate.
const AGGFINALFN: i16 = 5;
const AGGCOMBINEFN: i16 = 6;

/// The target of partial aggregation, as PostgreSQL marks it; `None` when an aggregate has no parts.
///
/// # Safety
/// `columns` consists of grouping columns and aggregates.
pub unsafe fn target(columns: *mut PathTarget) -> Option<*mut PathTarget> {
    // SAFETY: as the caller promises.
    unsafe {
        let parts = create_empty_pathtarget();
        for (index, expr) in items::<Expr>((*columns).exprs).enumerate() {
            let reference = if (*columns).sortgrouprefs.is_null() {
                0
            } else {
                *(*columns).sortgrouprefs.add(index)
            };
            let mut part = expr;
            if (*expr).type_ == NodeTag::T_Aggref {
                let aggregate = flat_copy(expr.cast::<Aggref>());
                state_function(aggregate)?;
                mark_partial_aggref(aggregate, AggSplit::AGGSPLIT_INITIAL_SERIAL);
                part = aggregate.cast();
            }
            add_column_to_pathtarget(parts, part, reference);
        }
        Some(parts)
    }
}

/// The function that gives an aggregate's transition state: the aggregate itself when its result is the state, else the
/// aggregate of the same arguments in schema `expanse` whose name begins with `partial_`.
///
/// # Safety
/// `aggregate` is valid.
pub unsafe fn state_function(aggregate: *const Aggref) -> Option<Oid> {
    // SAFETY: catalog lookups; the tuple is released.
    unsafe {
        if !(*aggregate).aggdistinct.is_null()
            || !(*aggregate).aggorder.is_null()
            || (*aggregate).aggkind != b'n' as std::os::raw::c_char
            || (*aggregate).aggfnoid.to_u32() >= FirstNormalObjectId
        {
            return None;
        }
        let tuple = SearchSysCache1(
            SysCacheIdentifier::AGGFNOID as i32,
            Datum::from((*aggregate).aggfnoid),
        );
        if tuple.is_null() {
            return None;
        }
        let function = |column: i16| {
            let mut null = false;
            let cache = SysCacheIdentifier::AGGFNOID as i32;
            let datum = SysCacheGetAttr(cache, tuple, column, &mut null);
            Oid::from(datum.value() as u32)
        };
        let (finish, combine) = (function(AGGFINALFN), function(AGGCOMBINEFN));
        ReleaseSysCache(tuple);
        if combine == InvalidOid {
            return None;
        }
        if finish == InvalidOid && (*aggregate).aggtranstype != INTERNALOID {
            return Some((*aggregate).aggfnoid);
        }
        partial_function(aggregate)
    }
}

unsafe fn partial_function(aggregate: *const Aggref) -> Option<Oid> {
    // SAFETY: catalog lookups by name; the argument types are a list of OIDs.
    unsafe {
        let name = get_func_name((*aggregate).aggfnoid);
        if name.is_null() {
            return None;
        }
        let name = std::ffi::CStr::from_ptr(name).to_string_lossy();
        let name = std::ffi::CString::new(format!("partial_{name}")).ok()?;
        let kinds: Vec<Oid> = (0..length((*aggregate).aggargtypes))
            .map(|index| (*(*(*aggregate).aggargtypes).elements.add(index)).oid_value)
            .collect();
        let qualified = lappend(
            lappend(
                std::ptr::null_mut(),
                makeString(pstrdup(c"expanse".as_ptr())).cast(),
            ),
            makeString(pstrdup(name.as_ptr())).cast(),
        );
        let found = LookupFuncName(qualified, kinds.len() as i32, kinds.as_ptr(), true);
        (found != InvalidOid).then_some(found)
    }
}

/// The aggregate as the nodes are asked for it: an ordinary one whose result is the state.
///
/// # Safety
/// `aggregate` was marked by [`target`], and is the caller's to change.
pub unsafe fn as_asked(aggregate: *mut Aggref) {
    // SAFETY: as the caller promises.
    unsafe {
        if (*aggregate).aggsplit == AggSplit::AGGSPLIT_SIMPLE {
            return;
        }
        if let Some(function) = state_function(aggregate) {
            (*aggregate).aggfnoid = function;
        }
        (*aggregate).aggsplit = AggSplit::AGGSPLIT_SIMPLE;
    }
}
