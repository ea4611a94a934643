//! Settings with a dot in their names: what applications make up (`SET app.tenant = ...`, read by row security policies and
//! functions) and what libraries define for every user (`pg_trgm.similarity_threshold`).
//!
//! # How it works
//! PostgreSQL's table of settings is searched when it has grown or shrunk, or when an entry of ours is no longer where it was (a
//! library that is loaded replaces the placeholders of its settings). Else each statement costs one comparison, and for each
//! such setting one of its value.
//!
//! A placeholder is there because the session has set it: it is always sent. A library's setting is sent once it differs from the
//! library's default, and from then on whenever it changes.

use crate::remote::settings::{current, literal, text_of};
use pgrx::pg_sys::{self, config_generic, GucContext, GucSource};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_char, CStr, CString};

/// A setting at its place in PostgreSQL's table.
#[derive(Clone, Copy)]
struct Entry {
    place: usize,
    setting: *mut config_generic,
}

/// Those that are kept in step, as found last.
#[derive(Default)]
struct Known {
    size: usize,
    entries: Vec<Entry>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// What a connection has been told: by name, the text; `None` when a rollback may have undone it.
#[derive(Default)]
pub struct Custom {
    sent: HashMap<CString, Option<CString>>,
}

impl Custom {
    /// Forgets the values that were sent, but not of which settings.
    pub fn forget(&mut self) {
        self.sent.values_mut().for_each(|value| *value = None);
    }

    /// Adds the calls that bring the connection into step. They count as sent.
    pub fn update(&mut self, calls: &mut Vec<String>) {
        KNOWN.with_borrow_mut(|known| {
            if !known.stands() {
                *known = Known::find();
            }
            for entry in &known.entries {
                // SAFETY: `stands`, or `find` just now, has seen the entry in PostgreSQL's table.
                unsafe { self.update_one(entry.setting, calls) };
            }
        });
    }

    /// # Safety
    /// `setting` is an entry of PostgreSQL's table of settings.
    unsafe fn update_one(&mut self, setting: *mut config_generic, calls: &mut Vec<String>) {
        // SAFETY: as the caller promises.
        let (name, untouched) = unsafe {
            let made_up = (*setting).flags as u32 & pg_sys::GUC_CUSTOM_PLACEHOLDER != 0;
            let default = (*setting).source == GucSource::PGC_S_DEFAULT;
            (CStr::from_ptr((*setting).name), default && !made_up)
        };
        let sent = self.sent.get(name);
        if untouched && sent.is_none() {
            return;
        }
        // SAFETY: as above; the value of a text setting is null or NUL-terminated.
        let unchanged = unsafe {
            match (sent, text_of(setting)) {
                (Some(Some(sent)), Some(text)) => is(text, sent),
                _ => false,
            }
        };
        if unchanged {
            return;
        }
        let value = current(name);
        let known = CString::new(value.as_str()).unwrap_or_default();
        if !matches!(sent, Some(Some(sent)) if *sent == known) {
            let name = literal(&name.to_string_lossy());
            calls.push(format!(
                "pg_catalog.set_config({name}, {}, false)",
                literal(&value)
            ));
        }
        self.sent.insert(name.to_owned(), Some(known));
    }
}

/// # Safety
/// `text` is null or NUL-terminated.
unsafe fn is(text: *const c_char, sent: &CStr) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !text.is_null() && CStr::from_ptr(text) == sent }
}

impl Known {
    /// Is everything where it was?
    fn stands(&self) -> bool {
        // SAFETY: the table has as many entries as it says.
        unsafe {
            let table = pg_sys::get_guc_variables();
            self.size == pg_sys::GetNumConfigOptions() as usize
                && self
                    .entries
                    .iter()
                    .all(|entry| *table.add(entry.place) == entry.setting)
        }
    }

    fn find() -> Known {
        // SAFETY: the table has as many entries as it says.
        unsafe {
            let table = pg_sys::get_guc_variables();
            let size = pg_sys::GetNumConfigOptions() as usize;
            let entries = (0..size)
                .map(|place| Entry {
                    place,
                    setting: *table.add(place),
                })
                .filter(|entry| follows(entry.setting))
                .collect();
            Known { size, entries }
        }
    }
}

/// Is it a setting of the session's user that is not PostgreSQL's or ours?
unsafe fn follows(setting: *mut config_generic) -> bool {
    // SAFETY: an entry of PostgreSQL's table of settings.
    unsafe {
        let name = CStr::from_ptr((*setting).name).to_bytes();
        (*setting).context == GucContext::PGC_USERSET
            && name.contains(&b'.')
            && !name.to_ascii_lowercase().starts_with(b"expanse.")
    }
}
