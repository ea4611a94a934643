//! Functions of aggregates, as pg_aggregate has them.

use crate::pg::tree::{flat_copy, NodeRef};
use pgrx::pg_sys::{self, AggSplit, Aggref, Datum, Oid, SysCacheIdentifier};

/// Columns of pg_aggregate.
const FINISH: i16 = 5;
const COMBINE: i16 = 6;

/// The functions of an aggregate that work on its state after the rows; `None` where it has none.
#[derive(Debug, Clone, Copy)]
pub struct AggregateFunctions {
    pub combine: Option<Oid>,
    pub finish: Option<Oid>,
}

impl AggregateFunctions {
    /// Those of the aggregate with this OID; `None` when there is none.
    pub fn of(aggregate: Oid) -> Option<Self> {
        // SAFETY: a system-cache lookup; the tuple is read before it is released, and neither column is ever null.
        unsafe {
            let cache = SysCacheIdentifier::AGGFNOID as i32;
            let tuple = pg_sys::SearchSysCache1(cache, Datum::from(aggregate));
            if tuple.is_null() {
                return None;
            }
            let function = |column: i16| {
                let mut null = false;
                let datum = pg_sys::SysCacheGetAttr(cache, tuple, column, &mut null);
                let oid = Oid::from(datum.value() as u32);
                (oid != pg_sys::InvalidOid).then_some(oid)
            };
            let functions = AggregateFunctions {
                combine: function(COMBINE),
                finish: function(FINISH),
            };
            pg_sys::ReleaseSysCache(tuple);
            Some(functions)
        }
    }
}

/// The aggregate as the first of two steps, which gives a part to be combined.
pub fn partial<'a>(aggregate: NodeRef<'a, Aggref>) -> NodeRef<'a, Aggref> {
    let part = flat_copy(aggregate);
    // SAFETY: a copy of our own; sets its split and result type.
    unsafe {
        pg_sys::mark_partial_aggref(part.as_ptr(), AggSplit::AGGSPLIT_INITIAL_SERIAL);
    }
    part.into_ref()
}
