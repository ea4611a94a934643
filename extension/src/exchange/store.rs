//! The rows a session keeps for its statements.

use crate::error::Error;
use crate::remote::copy_fields::fields;
use crate::remote::exact_values::ExactValues;
use pgrx::{pg_sys, FromDatum, IntoDatum};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;

/// Lines of rows, in a tuplestore that moves to a file when it outgrows `work_mem`.
struct Store {
    context: pg_sys::MemoryContext,
    rows: *mut pg_sys::Tuplestorestate,
    descriptor: pg_sys::TupleDesc,
}

thread_local! {
    static STORES: RefCell<HashMap<i32, Store>> = RefCell::default();
}

/// Begins a store anew, without rows.
pub fn begin(number: i32) {
    let store = Store::new();
    STORES.with_borrow_mut(|stores| stores.insert(number, store));
}

/// Adds lines, each ended by a newline.
pub fn add(number: i32, lines: &str) {
    let value = lines.into_datum().unwrap_or(pg_sys::Datum::from(0));
    with(number, |store| {
        // SAFETY: one text column; the store copies the value.
        unsafe {
            let (mut values, mut nulls) = ([value], [false]);
            pg_sys::tuplestore_putvalues(
                store.rows,
                store.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
    });
}

/// Visits everything that was added, as it was added.
pub fn read(number: i32, mut visit: impl FnMut(&str)) {
    with(number, |store| {
        // SAFETY: the slot has the store's shape and is dropped again (or, on an error, with the transaction).
        unsafe {
            pg_sys::tuplestore_rescan(store.rows);
            let slot = pg_sys::MakeSingleTupleTableSlot(
                store.descriptor,
                std::ptr::addr_of!(pg_sys::TTSOpsMinimalTuple),
            );
            while pg_sys::tuplestore_gettupleslot(store.rows, true, false, slot) {
                pg_sys::slot_getsomeattrs_int(slot, 1);
                let lines = String::from_datum(*(*slot).tts_values, *(*slot).tts_isnull);
                visit(&lines.unwrap_or_default());
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
    });
}

fn with<T>(number: i32, body: impl FnOnce(&Store) -> T) -> T {
    STORES.with_borrow(|stores| match stores.get(&number) {
        Some(store) => body(store),
        None => Error::Internal(format!("no rows were sent for exchange {number}")).raise(),
    })
}

/// Forgets all stores, at the end of the transaction. Never raises.
pub fn forget() {
    STORES.with_borrow_mut(HashMap::clear);
}

impl Store {
    fn new() -> Store {
        // SAFETY: a context under one that lives as long as the backend; what is made here lives in it, the temporary file
        // too: it belongs to no statement.
        unsafe {
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"expanse exchange".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let old = pg_sys::MemoryContextSwitchTo(context);
            let descriptor = pg_sys::CreateTemplateTupleDesc(1);
            pg_sys::TupleDescInitEntry(descriptor, 1, c"lines".as_ptr(), pg_sys::TEXTOID, -1, 0);
            let rows = pg_sys::tuplestore_begin_heap(true, true, pg_sys::work_mem);
            pg_sys::MemoryContextSwitchTo(old);
            Store {
                context,
                rows,
                descriptor,
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: made by `new`, ended once; at the end of the process everything goes by itself.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::tuplestore_end(self.rows);
                pg_sys::MemoryContextDelete(self.context);
            }
        }
    }
}

crate::sql_function! {
    /// `expanse.exchange_add(number int, first boolean, lines text)`: rows for this session's next statement.
    fn exchange_add(args) {
        let number: i32 = args.required(0, "number");
        if args.required(1, "first") {
            begin(number);
        }
        add(number, &args.required::<String>(2, "lines"));
        None::<i32>
    }
}

crate::sql_function! {
    /// `expanse.exchange_rows(number int) -> setof record`: the rows that were sent under this number.
    fn exchange_rows(args) {
        let number: i32 = args.required(0, "number");
        let fcinfo = args.fcinfo();
        // SAFETY: called as a set-returning function with a column definition list, or this raises.
        unsafe {
            pg_sys::InitMaterializedSRF(fcinfo, pg_sys::MAT_SRF_USE_EXPECTED_DESC);
            let info = (*fcinfo).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let mut reader = Reader::new((*info).setDesc);
            read(number, |lines| {
                for line in lines.split_terminator('\n') {
                    reader.put(line, (*info).setResult);
                }
            });
        }
        None::<i32>
    }
}

/// Turns lines into rows of a shape.
struct Reader {
    descriptor: pg_sys::TupleDesc,
    inputs: Vec<(pg_sys::FmgrInfo, pg_sys::Oid)>,
    /// Of one row.
    context: pg_sys::MemoryContext,
}

impl Reader {
    unsafe fn new(descriptor: pg_sys::TupleDesc) -> Reader {
        // SAFETY: attributes lie behind the descriptor, natts of them; their types exist.
        unsafe {
            let count = (*descriptor).natts as usize;
            let attributes = std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), count);
            let inputs = attributes
                .iter()
                .map(|attribute| {
                    let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
                    let mut info = pg_sys::FmgrInfo::default();
                    pg_sys::getTypeInputInfo(attribute.atttypid, &mut function, &mut parameter);
                    pg_sys::fmgr_info(function, &mut info);
                    (info, parameter)
                })
                .collect();
            let context = pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"expanse exchanged row".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            Reader {
                descriptor,
                inputs,
                context,
            }
        }
    }

    unsafe fn put(&mut self, line: &str, rows: *mut pg_sys::Tuplestorestate) {
        let (mut values, mut nulls) = (Vec::new(), Vec::new());
        let texts: Vec<Option<CString>> = fields(line)
            .map(|field| field.map(|text| CString::new(text).expect("a text has no NUL byte")))
            .collect();
        if texts.len() != self.inputs.len() {
            let (sent, wanted) = (texts.len(), self.inputs.len());
            Error::Internal(format!("{sent} columns were sent, {wanted} are wanted")).raise();
        }
        let _exact = ExactValues::new();
        // SAFETY: input functions of the columns' types read NUL-terminated texts; the store copies the row before the
        // context is reset.
        unsafe {
            let old = pg_sys::MemoryContextSwitchTo(self.context);
            for (text, (function, parameter)) in texts.iter().zip(&mut self.inputs) {
                nulls.push(text.is_none());
                values.push(match text {
                    Some(text) => {
                        let text = text.as_ptr().cast_mut();
                        pg_sys::InputFunctionCall(function, text, *parameter, -1)
                    }
                    None => pg_sys::Datum::from(0),
                });
            }
            pg_sys::MemoryContextSwitchTo(old);
            pg_sys::tuplestore_putvalues(
                rows,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::MemoryContextReset(self.context);
        }
    }
}
