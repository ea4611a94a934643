//! Settings of this session that change results are kept in step on every connection.
//!
//! # How it works
//! The addresses of the settings' variables are looked up once; before a statement their values are compared with
//! what the connection was last told (a few string and number comparisons), and what differs
//! travels with the statement.
//!
//! Rows travel with all digits of their floats whatever `extra_float_digits` is: a statement whose rows come in text runs with
//! [`EXACT_DIGITS`] at least. `client_encoding` and `array_nulls` are the client's alone: nodes talk in the database's encoding
//! and mean null by NULL (see [`crate::remote::exact_values`]).
//!
//! # What is not guaranteed
//! Only the settings listed in [`NAMES`] and those of [`custom`] are kept in step.

pub mod custom;
pub mod search_path;

use crate::remote::exact_values::EXACT_DIGITS;
use crate::remote::settings::custom::Custom;
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
    /// `extra_float_digits`, of which a statement may need so many.
    Digits(*const i32),
}

/// A value as last sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(CString),
    Number(i32),
}

type Variables = Vec<(&'static CStr, Variable)>;

thread_local! {
    static VARIABLES: Variables = find_variables();
}

/// What a connection has been told.
#[derive(Default)]
pub struct Settings {
    sent: Vec<Value>,
    custom: Custom,
}

impl Settings {
    /// Forgets what was sent: a rollback may have undone it.
    pub fn forget(&mut self) {
        self.sent.clear();
        self.custom.forget();
    }

    /// The statement that brings the connection into step for a statement, which may need `exact` floats in text; `None` when
    /// it is. Counts as sent.
    pub fn update(&mut self, exact: bool) -> Option<String> {
        let mut calls = Vec::new();
        VARIABLES.with(|variables| self.update_listed(variables, exact, &mut calls));
        self.custom.update(&mut calls);
        (!calls.is_empty()).then(|| format!("SELECT {}", calls.join(", ")))
    }

    fn update_listed(&mut self, variables: &Variables, exact: bool, calls: &mut Vec<String>) {
        if self.sent.len() == variables.len()
            && variables
                .iter()
                .zip(&self.sent)
                .all(|((_, variable), value)| variable.is(value, exact))
        {
            return;
        }
        let wanted: Vec<Value> = variables.iter().map(|(_, v)| v.get(exact)).collect();
        for (index, (name, variable)) in variables.iter().enumerate() {
            if self.sent.get(index) == Some(&wanted[index]) {
                continue;
            }
            let value = match (variable, &wanted[index]) {
                (Variable::Digits(_), Value::Number(digits)) => digits.to_string(),
                _ if *name == c"search_path" => search_path::for_others(current(name)),
                _ => current(name),
            };
            calls.push(format!(
                "pg_catalog.set_config('{}', {}, false)",
                name.to_string_lossy(),
                literal(&value)
            ));
        }
        self.sent = wanted;
    }
}

impl Variable {
    fn get(self, exact: bool) -> Value {
        // SAFETY: the addresses come from PostgreSQL's own table of settings, which lives as long as the backend; a
        // text is null or NUL-terminated.
        unsafe {
            match self {
                Variable::Text(text) if (*text).is_null() => Value::Text(CString::default()),
                Variable::Text(text) => Value::Text(CStr::from_ptr(*text).to_owned()),
                Variable::Number(number) => Value::Number(*number),
                Variable::Flag(flag) => Value::Number(i32::from(*flag)),
                Variable::Digits(digits) => Value::Number(enough(*digits, exact)),
            }
        }
    }

    fn is(self, value: &Value, exact: bool) -> bool {
        // SAFETY: as in get.
        unsafe {
            match (self, value) {
                (Variable::Text(text), Value::Text(sent)) => {
                    !(*text).is_null() && CStr::from_ptr(*text) == sent.as_c_str()
                }
                (Variable::Number(number), Value::Number(sent)) => *number == *sent,
                (Variable::Flag(flag), Value::Number(sent)) => i32::from(*flag) == *sent,
                (Variable::Digits(digits), Value::Number(sent)) => enough(*digits, exact) == *sent,
                _ => false,
            }
        }
    }
}

fn enough(digits: i32, exact: bool) -> i32 {
    if exact {
        digits.max(EXACT_DIGITS)
    } else {
        digits
    }
}

fn find_variables() -> Variables {
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
                PGC_INT if *name == c"extra_float_digits" => {
                    Variable::Digits((*entry.cast::<pg_sys::config_int>()).variable)
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

/// The value of a setting that is a text (null when it has none), without a copy; `None` for other kinds.
unsafe fn text_of(entry: *mut pg_sys::config_generic) -> Option<*const c_char> {
    // SAFETY: the caller's entry of PostgreSQL's table; its type says which structure it is.
    unsafe {
        ((*entry).vartype == pg_sys::config_type::PGC_STRING)
            .then(|| (*(*entry.cast::<pg_sys::config_string>()).variable).cast_const())
    }
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
