//! The row that a trigger function is called for.

use crate::pg::function::Args;
use pgrx::pg_sys::{self, AttrNumber, Datum, HeapTuple, Oid, TriggerData};

/// The call of a trigger function.
pub struct TriggerCall<'a> {
    data: &'a TriggerData,
}

impl<'a> TriggerCall<'a> {
    /// `None` when the function is not called by a trigger.
    pub fn of(args: &'a Args) -> Option<TriggerCall<'a>> {
        // SAFETY: the call is valid, and what its context is says the tag.
        unsafe {
            let context = (*args.fcinfo()).context;
            let is_trigger =
                !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_TriggerData;
            is_trigger.then(|| TriggerCall {
                data: &*context.cast::<TriggerData>(),
            })
        }
    }

    pub fn relation(&self) -> Oid {
        // SAFETY: the relation is open during the call.
        unsafe { (*self.data.tg_relation).rd_id }
    }

    /// The row as it was written: inserted, or the new version.
    fn written(&self) -> HeapTuple {
        let operation = self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
        if operation == pg_sys::TRIGGER_EVENT_UPDATE {
            self.data.tg_newtuple
        } else {
            self.data.tg_trigtuple
        }
    }

    /// A column's value in the row as it was written, with its type and collation; `None` when NULL.
    pub fn written_value(&self, column: AttrNumber) -> Option<(Datum, Oid, Oid)> {
        // SAFETY: called for each row, so there is one; the relation is open and has the column.
        unsafe {
            let described = (*self.data.tg_relation).rd_att;
            let attribute = &*(*described).attrs.as_ptr().add(column as usize - 1);
            let mut null = false;
            let value = pg_sys::SPI_getbinval(self.written(), described, column.into(), &mut null);
            (!null).then_some((value, attribute.atttypid, attribute.attcollation))
        }
    }
}
