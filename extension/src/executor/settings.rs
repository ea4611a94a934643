//! Settings of this session that change results are kept in step on every connection.
//!
//! # How it works
//! The addresses of the settings' variables are looked up once; before a statement their values are compared with
//! what the connection was last told (a few string and number comparisons), and what differs
//! travels with the statement.
//!
//! # What is not guaranteed
//! Only the settings listed in [`NAMES`] are kept in step.

use pgrx::pg_sys;
use std::ffi::{c_char, CStr, CString};

/// What changes results, or errors, of a statement.
const NAMES: &[&CStr] = &[
    c"search_path",
    c"TimeZone",
    c"DateStyle",
    c"IntervalStyle",
    c"extra_float_digits",
    c"bytea_output",
    c"lc_monetary",
    c"lc_numeric",
    c"lc_time",
    c"xmlbinary",
    c"xmloption",
    c"default_text_search_config",
    c"standard_conforming_strings",
    c"array_nulls",
    c"transform_null_equals",
    c"quote_all_identifiers",
    c"row_security",
    c"check_function_bodies",
    c"default_table_access_method",
    c"lock_timeout",
    c"client_min_messages",
    c"synchronous_commit",
];

/// Where a setting's value is.
#[derive(Clone, Copy)]
enum Variable {
    Text(*const *const c_char),
    Number(*const i32),
    Flag(*const bool),
}

/// A value as last sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(CString),
    Number(i32),
}

thread_local! {
    static VARIABLES: Vec<(&'static CStr, Variable)> = find_variables();
}

/// What a connection has been told.
#[derive(Default)]
pub struct Settings {
    sent: Vec<Value>,
}

impl Settings {
    /// Forgets what was sent: a rollback may have undone it.
    pub fn forget(&mut self) {
        self.sent.clear();
    }

    /// The statement that brings the connection into step; `None` when it is. Counts as sent.
    pub fn update(&mut self) -> Option<String> {
        VARIABLES.with(|variables| {
            if self.sent.len() == variables.len()
                && variables
                    .iter()
                    .zip(&self.sent)
                    .all(|((_, variable), value)| variable.is(value))
            {
                return None;
            }
            let mut calls = Vec::new();
            for (index, (name, variable)) in variables.iter().enumerate() {
                if self.sent.get(index).is_none_or(|value| !variable.is(value)) {
                    calls.push(format!(
                        "pg_catalog.set_config('{}', {}, false)",
                        name.to_string_lossy(),
                        literal(&current(name))
                    ));
                }
            }
            self.sent = variables
                .iter()
                .map(|(_, variable)| variable.get())
                .collect();
            Some(format!("SELECT {}", calls.join(", ")))
        })
    }
}

impl Variable {
    fn get(self) -> Value {
        // SAFETY: the addresses come from PostgreSQL's own table of settings, which lives as long as the backend; a
        // text is null or NUL-terminated.
        unsafe {
            match self {
                Variable::Text(text) if (*text).is_null() => Value::Text(CString::default()),
                Variable::Text(text) => Value::Text(CStr::from_ptr(*text).to_owned()),
                Variable::Number(number) => Value::Number(*number),
                Variable::Flag(flag) => Value::Number(i32::from(*flag)),
            }
        }
    }

    fn is(self, value: &Value) -> bool {
        // SAFETY: as in get.
        unsafe {
            match (self, value) {
                (Variable::Text(text), Value::Text(sent)) => {
                    !(*text).is_null() && CStr::from_ptr(*text) == sent.as_c_str()
                }
                (Variable::Number(number), Value::Number(sent)) => *number == *sent,
                (Variable::Flag(flag), Value::Number(sent)) => i32::from(*flag) == *sent,
                _ => false,
            }
        }
    }
}

fn find_variables() -> Vec<(&'static CStr, Variable)> {
    let mut found = Vec::new();
    // SAFETY: the table has as many entries as it says; an entry's type says which structure it is.
    unsafe {
        let table = pg_sys::get_guc_variables();
        for position in 0..pg_sys::GetNumConfigOptions() as usize {
            let entry = *table.add(position);
            let name = CStr::from_ptr((*entry).name);
            let Some(name) = NAMES.iter().find(|wanted| **wanted == name) else {
                continue;
            };
            use pg_sys::config_type::*;
            let variable = match (*entry).vartype {
                PGC_STRING => {
                    Variable::Text((*entry.cast::<pg_sys::config_string>()).variable as *const _)
                }
                PGC_INT => Variable::Number((*entry.cast::<pg_sys::config_int>()).variable),
                PGC_ENUM => Variable::Number((*entry.cast::<pg_sys::config_enum>()).variable),
                PGC_BOOL => Variable::Flag((*entry.cast::<pg_sys::config_bool>()).variable),
                _ => continue,
            };
            found.push((*name, variable));
        }
    }
    found
}

/// The value as a text that `set_config` takes.
fn current(name: &CStr) -> String {
    // SAFETY: the name is NUL-terminated; the answer is a static buffer or the setting's own text.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        if value.is_null() {
            return String::new();
        }
        CStr::from_ptr(value).to_string_lossy().into_owned()
    }
}

/// A text as SQL literal, whatever `standard_conforming_strings` is on the other side.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}
