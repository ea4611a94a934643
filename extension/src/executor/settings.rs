//! Keeping a connection's settings like those of the local session, as far as they change results.

use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// Settings that change what a statement means or how values look as text.
const NAMES: [&CStr; 6] = [
    c"search_path",
    c"TimeZone",
    c"DateStyle",
    c"IntervalStyle",
    c"extra_float_digits",
    c"bytea_output",
];

/// What a connection was last told.
#[derive(Default)]
pub struct Settings(Option<Vec<CString>>);

impl Settings {
    /// The statement that brings the connection up to date; `None` when it is.
    pub fn catch_up(&mut self) -> Option<String> {
        if let Some(known) = &self.0 {
            if NAMES
                .iter()
                .zip(known)
                .all(|(name, value)| current(name) == value.as_c_str())
            {
                return None;
            }
        }
        let values: Vec<CString> = NAMES.iter().map(|name| current(name).to_owned()).collect();
        let calls: Vec<String> = NAMES
            .iter()
            .zip(&values)
            .map(|(name, value)| {
                format!(
                    "pg_catalog.set_config('{}', {}, false)",
                    name.to_string_lossy(),
                    super::quote_literal(&value.to_string_lossy())
                )
            })
            .collect();
        self.0 = Some(values);
        Some(format!("SELECT {}", calls.join(", ")))
    }

    /// After a rollback the connection may have its older settings again.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

fn current(name: &CStr) -> &CStr {
    // SAFETY: a built-in setting's value is a NUL-terminated string that is valid until the setting changes;
    // it is copied or compared at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() {
            c""
        } else {
            CStr::from_ptr(value)
        }
    }
}
