//! SQL-callable functions: declaration, arguments, results.
//!
//! `sql_function! { fn name(args) { ... } }` makes the symbol that
//! `CREATE FUNCTION ... AS 'MODULE_PATHNAME', 'name'` refers to. The body runs in
//! [`crate::pg::entry::entry`] and gives `Option<T: IntoDatum>`; `None` is SQL NULL. A function that returns a set
//! hands its rows to [`Args::set`] and gives what that gives.

pub mod text_rows;
pub mod trigger;

use crate::error::Error;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo};
use pgrx::{FromDatum, IntoDatum};
use std::ffi::CString;
use std::os::raw::c_char;

/// Declares a version-1 function and its `pg_finfo` record.
#[macro_export]
macro_rules! sql_function {
    ($(#[$doc:meta])* fn $name:ident($args:ident) $body:block) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Called by PostgreSQL's function manager with a valid call.
        #[no_mangle]
        pub unsafe extern "C-unwind" fn $name(
            fcinfo: ::pgrx::pg_sys::FunctionCallInfo,
        ) -> ::pgrx::pg_sys::Datum {
            $crate::pg::entry::entry(|| {
                let $args = &mut $crate::pg::function::Args::new(fcinfo);
                let result = { $body };
                $args.finish(result)
            })
        }
        const _: () = {
            #[export_name = concat!("pg_finfo_", stringify!($name))]
            pub extern "C" fn finfo() -> &'static ::pgrx::pg_sys::Pg_finfo_record {
                const V1: ::pgrx::pg_sys::Pg_finfo_record =
                    ::pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &V1
            }
        };
    };
}

/// The arguments of one call.
pub struct Args {
    fcinfo: FunctionCallInfo,
}

impl Args {
    /// `fcinfo` is what PostgreSQL passed to a version-1 function.
    pub fn new(fcinfo: FunctionCallInfo) -> Args {
        Args { fcinfo }
    }

    /// The call itself, for what is not wrapped here.
    pub fn fcinfo(&self) -> FunctionCallInfo {
        self.fcinfo
    }

    /// Argument `n` (from 0) as a datum; `None` when NULL.
    pub fn datum(&self, n: usize) -> Option<Datum> {
        // SAFETY: PostgreSQL passes a valid fcinfo with nargs arguments; n is checked against it.
        unsafe {
            assert!(n < (*self.fcinfo).nargs as usize, "argument exists");
            let arg = *(*self.fcinfo).args.as_ptr().add(n);
            (!arg.isnull).then_some(arg.value)
        }
    }

    /// Argument `n` as a Rust value; `None` when NULL.
    pub fn get<T: FromDatum>(&self, n: usize) -> Option<T> {
        // SAFETY: the SQL declaration of the function gives the argument the type T stands for.
        self.datum(n)
            .and_then(|datum| unsafe { T::from_datum(datum, false) })
    }

    /// Argument `n`, which must not be NULL.
    pub fn required<T: FromDatum>(&self, n: usize, parameter: &'static str) -> T {
        self.get(n).unwrap_or_else(|| {
            Error::InvalidParameter {
                parameter,
                reason: "it must not be null".into(),
            }
            .raise()
        })
    }

    /// Argument `n` of type interval in milliseconds (months of 30 days); `None` when NULL.
    pub fn milliseconds(&self, n: usize) -> Option<f64> {
        let interval = self.datum(n)?.cast_mut_ptr::<pg_sys::Interval>();
        // SAFETY: the SQL declaration of the function says interval, which is passed by reference.
        let interval = unsafe { *interval };
        let days = f64::from(interval.day) + 30.0 * f64::from(interval.month);
        Some(interval.time as f64 / 1000.0 + days * 86_400_000.0)
    }

    /// The argument's type as the parser resolved it (for `anyelement`).
    pub fn type_of(&self, n: i32) -> pg_sys::Oid {
        // SAFETY: fcinfo and its flinfo are valid during the call.
        unsafe { pg_sys::get_fn_expr_argtype((*self.fcinfo).flinfo, n) }
    }

    /// Turns the body's result into the call's result.
    pub fn finish<T: IntoDatum>(&self, result: Option<T>) -> Datum {
        match result.and_then(IntoDatum::into_datum) {
            Some(datum) => datum,
            None => {
                // SAFETY: fcinfo is valid during the call.
                unsafe { (*self.fcinfo).isnull = true };
                Datum::from(0)
            }
        }
    }

    /// The result of a set-returning function: every row in text form, one value a column of the declared type.
    pub fn set(&self, rows: &[Vec<Option<String>>]) -> Option<i32> {
        // SAFETY: fcinfo is valid during the call; InitMaterializedSRF sets up store and descriptor or raises
        // when the caller takes no set.
        unsafe {
            pg_sys::InitMaterializedSRF(self.fcinfo, 0);
            let info = (*self.fcinfo).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let attributes = pg_sys::TupleDescGetAttInMetadata((*info).setDesc);
            for row in rows {
                let texts: Vec<Option<CString>> = row
                    .iter()
                    .map(|value| {
                        value
                            .as_ref()
                            .map(|text| CString::new(text.as_str()).expect("text has no NUL byte"))
                    })
                    .collect();
                let mut values: Vec<*mut c_char> = texts
                    .iter()
                    .map(|value| {
                        value
                            .as_ref()
                            .map_or(std::ptr::null_mut(), |text| text.as_ptr().cast_mut())
                    })
                    .collect();
                assert_eq!(
                    values.len() as i32,
                    (*(*info).setDesc).natts,
                    "a value for each column"
                );
                let tuple = pg_sys::BuildTupleFromCStrings(attributes, values.as_mut_ptr());
                pg_sys::tuplestore_puttuple((*info).setResult, tuple);
            }
        }
        None
    }
}
