//! The result of a function that returns a set of records, from texts: its columns are those that the query asks for.

use super::Args;
use pgrx::pg_sys::{self, Datum, FmgrInfo, MemoryContext, Oid, TupleDesc, Tuplestorestate};
use std::ffi::CString;

/// Rows that are put into a function's result.
pub struct TextRows {
    rows: *mut Tuplestorestate,
    descriptor: TupleDesc,
    /// Input functions and their parameters.
    inputs: Vec<(FmgrInfo, Oid)>,
    /// Of one row.
    context: MemoryContext,
}

impl TextRows {
    /// The empty result of this call; raises unless the query has a column definition list.
    pub fn of(args: &Args) -> TextRows {
        let call = args.fcinfo();
        // SAFETY: the call is valid; afterwards the result has a store and a descriptor, or this has raised.
        let (rows, descriptor) = unsafe {
            pg_sys::InitMaterializedSRF(call, pg_sys::MAT_SRF_USE_EXPECTED_DESC);
            let info = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            ((*info).setResult, (*info).setDesc)
        };
        TextRows {
            rows,
            descriptor,
            inputs: types(descriptor).into_iter().map(input).collect(),
            context: row_context(),
        }
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.inputs.len()
    }

    /// Adds a row, by the input functions of its columns' types.
    pub fn put(&mut self, fields: Vec<Option<String>>) {
        let texts: Vec<Option<CString>> = fields
            .into_iter()
            .map(|field| field.map(|text| CString::new(text).expect("a text has no NUL byte")))
            .collect();
        let mut nulls: Vec<bool> = texts.iter().map(Option::is_none).collect();
        // SAFETY: the context lives as long as the call; an error leaves it to the handling of errors.
        let outer = unsafe { pg_sys::MemoryContextSwitchTo(self.context) };
        let values = texts.iter().zip(&mut self.inputs);
        let mut values: Vec<Datum> = values.map(|(text, input)| value(text, input)).collect();
        // SAFETY: a value for each column; the store copies the row before the context is reset.
        unsafe {
            pg_sys::MemoryContextSwitchTo(outer);
            pg_sys::tuplestore_putvalues(
                self.rows,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::MemoryContextReset(self.context);
        }
    }
}

fn value(text: &Option<CString>, (function, parameter): &mut (FmgrInfo, Oid)) -> Datum {
    let Some(text) = text else {
        return Datum::from(0);
    };
    // SAFETY: the type's own input function reads a NUL-terminated text.
    unsafe { pg_sys::InputFunctionCall(function, text.as_ptr().cast_mut(), *parameter, -1) }
}

fn types(descriptor: TupleDesc) -> Vec<Oid> {
    // SAFETY: the attributes lie behind the descriptor, natts of them.
    let attributes = unsafe {
        let count = (*descriptor).natts as usize;
        std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), count)
    };
    attributes
        .iter()
        .map(|attribute| attribute.atttypid)
        .collect()
}

fn input(type_oid: Oid) -> (FmgrInfo, Oid) {
    let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    let mut info = FmgrInfo::default();
    // SAFETY: catalog lookups of an existing type.
    unsafe {
        pg_sys::getTypeInputInfo(type_oid, &mut function, &mut parameter);
        pg_sys::fmgr_info(function, &mut info);
    }
    (info, parameter)
}

fn row_context() -> MemoryContext {
    // SAFETY: a child of the current context.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"expanse row from texts".as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}
