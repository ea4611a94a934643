//! Values that travel between nodes are exact, whatever this session has set for its client.
//!
//! # How it works
//! While values are read from another node or written for one, four variables of PostgreSQL hold what loses nothing:
//!
//! * `extra_float_digits`: floats have all of their digits;
//! * `DateStyle`: times have the offset of their zone, and not an abbreviation that means another zone elsewhere;
//! * `array_nulls`: a NULL in an array's text is read as null;
//! * the client's encoding is that of the database, because receive functions convert what they take for a client's text.
//!
//! The variables themselves are set and restored, past PostgreSQL's bookkeeping of settings: nothing but functions of types runs
//! meanwhile.
//!
//! # Invariants
//! What was found is restored by the end of the [`ExactValues`], of a [`begin`] by its [`end`], or by the abort of the
//! (sub)transaction, before PostgreSQL restores settings itself.

use crate::pg::executor::values::text_of;
use pgrx::pg_sys;
use std::cell::Cell;

/// What the session had.
#[derive(Clone, Copy)]
struct Found {
    digits: i32,
    date_style: i32,
    array_nulls: bool,
    encoding: i32,
}

thread_local! {
    static FOUND: Cell<Option<Found>> = const { Cell::new(None) };
}

/// Fewest `extra_float_digits` with which a float's text is exact.
pub const EXACT_DIGITS: i32 = 1;

const ISO: i32 = pg_sys::USE_ISO_DATES as i32;

/// As long as it lives, values are read and written exactly; only inside of [`crate::pg::entry::entry`].
pub struct ExactValues(bool);

impl ExactValues {
    pub fn new() -> ExactValues {
        ExactValues(begin())
    }
}

impl Drop for ExactValues {
    fn drop(&mut self) {
        if self.0 {
            end();
        }
    }
}

/// The same for code with nothing droppable on the stack: true when [`end`] has something to put back.
pub fn begin() -> bool {
    // SAFETY: plain variables of the backend; the database's encoding needs no conversion, so it can always be set.
    unsafe {
        let encoding = pg_sys::pg_get_client_encoding();
        let exact = pg_sys::extra_float_digits >= EXACT_DIGITS
            && pg_sys::DateStyle == ISO
            && pg_sys::Array_nulls;
        if exact && encoding == pg_sys::GetDatabaseEncoding() || FOUND.get().is_some() {
            return false;
        }
        FOUND.set(Some(Found {
            digits: pg_sys::extra_float_digits,
            date_style: pg_sys::DateStyle,
            array_nulls: pg_sys::Array_nulls,
            encoding,
        }));
        pg_sys::extra_float_digits = pg_sys::extra_float_digits.max(EXACT_DIGITS);
        pg_sys::DateStyle = ISO;
        pg_sys::Array_nulls = true;
        pg_sys::SetClientEncoding(pg_sys::GetDatabaseEncoding());
        true
    }
}

/// Puts back what [`begin`] found; also called at the end of a (sub)transaction that failed. Never raises.
pub fn end() {
    let Some(found) = FOUND.take() else { return };
    // SAFETY: plain variables of the backend; the encoding was in use, so its conversion is known.
    unsafe {
        pg_sys::extra_float_digits = found.digits;
        pg_sys::DateStyle = found.date_style;
        pg_sys::Array_nulls = found.array_nulls;
        pg_sys::SetClientEncoding(found.encoding);
    }
}

/// A value's text, exact.
pub fn exact_text(value: pg_sys::Datum, kind: pg_sys::Oid) -> Vec<u8> {
    let _exact = ExactValues::new();
    text_of(value, kind)
}
