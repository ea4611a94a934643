//! The result of a function that returns a set of records, from texts: its columns are those that the query asks for.

use super::Args;
use crate::pg::executor::values::Input;
use crate::pg::memory::Context;
use pgrx::pg_sys::{self, Datum, Oid, TupleDesc, Tuplestorestate};
use std::ffi::CString;

/// Rows that are put into a function's result.
pub struct TextRows {
    rows: *mut Tuplestorestate,
    descriptor: TupleDesc,
    inputs: Vec<Input>,
    /// Of one row.
    context: Context,
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
            inputs: types(descriptor)
                .into_iter()
                .map(|type_oid| Input::new(type_oid, -1, false))
                .collect(),
            context: Context::current().child(c"expanse row from texts"),
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
        let fields = texts.iter().zip(&mut self.inputs);
        let mut values: Vec<Datum> = self.context.inside(|| {
            fields
                .map(|(text, input)| match text {
                    Some(text) => input.read_text(text),
                    None => Datum::from(0),
                })
                .collect()
        });
        // SAFETY: a value for each column; the store copies the row before the context is reset.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.rows,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
        self.context.reset();
    }
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
