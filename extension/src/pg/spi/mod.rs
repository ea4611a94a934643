//! SQL run in this server by functions of the extension: text in, text out.
//!
//! Callers pin `search_path` to `pg_catalog` in the declaration of their SQL function, so that names
//! without a schema are PostgreSQL's own and every name printed by PostgreSQL is qualified.

pub mod cursor;
pub mod rows;

use crate::error::Error;
use pgrx::pg_sys::{self, Oid};
use std::cell::Cell;
use std::ffi::{CStr, CString};

/// Rows of a small result, as text; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs a statement; gives its rows, if it returns any.
pub fn query(sql: &str) -> Rows {
    run(sql).0
}

/// Runs a statement; gives the number of rows it wrote.
pub fn affected(sql: &str) -> u64 {
    run(sql).1
}

thread_local! {
    /// Statements of the extension's own that run.
    static OWN: Cell<u32> = const { Cell::new(0) };
}

/// Does a statement of the extension's own run?
pub fn runs_own() -> bool {
    OWN.get() > 0
}

/// Counts a statement of our own as running until it is dropped.
pub struct Own(());

impl Own {
    /// It begins.
    pub fn begin() -> Own {
        OWN.set(OWN.get() + 1);
        Own(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        OWN.set(OWN.get().saturating_sub(1));
    }
}

fn run(sql: &str) -> (Rows, u64) {
    let _own = Own::begin();
    let source = CString::new(sql).expect("SQL text has no NUL byte");
    // SAFETY: SPI is connected and finished in this function; when a statement fails, the abort of the
    // (sub)transaction closes the connection.
    unsafe {
        pg_sys::SPI_connect();
        let code = pg_sys::SPI_execute(source.as_ptr(), false, 0);
        if code < 0 {
            Error::Internal(format!(
                "a statement of the extension failed with code {code}: {sql}"
            ))
            .raise();
        }
        let result = (read_rows(pg_sys::SPI_tuptable), pg_sys::SPI_processed);
        pg_sys::SPI_finish();
        result
    }
}

/// Runs a statement whose rows do not matter.
pub fn execute(sql: &str) {
    query(sql);
}

/// The only column of the only row; `None` when NULL or when there is no row.
pub fn value(sql: &str) -> Option<String> {
    query(sql).into_iter().next()?.into_iter().next()?
}

/// Is the only column of the first row true?
pub fn holds(sql: &str) -> bool {
    value(sql).as_deref() == Some("t")
}

/// The first column of all rows, without NULLs.
pub fn column(sql: &str) -> Vec<String> {
    query(sql)
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .collect()
}

/// The only column of the only row, as an OID; `None` when NULL or when there is no row.
pub fn oid(sql: &str) -> Option<Oid> {
    parse_oid(&value(sql)?)
}

/// The first column of all rows, as OIDs.
pub fn oids(sql: &str) -> Vec<Oid> {
    column(sql)
        .iter()
        .filter_map(|text| parse_oid(text))
        .collect()
}

/// An OID in text form.
pub fn parse_oid(text: &str) -> Option<Oid> {
    text.parse::<u32>().ok().map(Oid::from)
}

/// # Safety
/// `table` is null or the result of the last SPI call.
unsafe fn read_rows(table: *mut pg_sys::SPITupleTable) -> Rows {
    if table.is_null() {
        return Rows::new();
    }
    // SAFETY: SPI filled in the table: `numvals` tuples of descriptor `tupdesc`.
    unsafe {
        let descriptor = (*table).tupdesc;
        (0..(*table).numvals as usize)
            .map(|row| {
                let tuple = *(*table).vals.add(row);
                (1..=(*descriptor).natts)
                    .map(|n| text_of(pg_sys::SPI_getvalue(tuple, descriptor, n)))
                    .collect()
            })
            .collect()
    }
}

/// # Safety
/// `text` is null or a palloc'd NUL-terminated string, which is freed.
unsafe fn text_of(text: *mut std::os::raw::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        pg_sys::pfree(text.cast());
        Some(owned)
    }
}

/// Runs `body` with settings of this session changed for its duration, as any user. An error undoes them with
/// the (sub)transaction.
pub fn with_settings<T>(settings: &[(&CStr, &CStr)], body: impl FnOnce() -> T) -> T {
    // SAFETY: the nest level is closed below, or by the abort of the (sub)transaction; names and values are
    // NUL-terminated and copied.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        level
    };
    let result = body();
    // SAFETY: `level` was opened above.
    unsafe { pg_sys::AtEOXact_GUC(true, level) };
    result
}

/// Runs `body` with the search path that functions of ours have.
pub fn qualified<T>(body: impl FnOnce() -> T) -> T {
    with_settings(
        &[
            (c"search_path", c"pg_catalog, pg_temp"),
            (c"expanse.internal", c"on"),
        ],
        body,
    )
}

/// The same with the rights of the extension's owner, for a statement of ours. An error restores the user with the
/// (sub)transaction.
pub fn as_owner<T>(body: impl FnOnce() -> T) -> T {
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: reads and sets the backend's user; the flag marks the change as a local one.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        pg_sys::SetUserIdAndSecContext(
            pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
        );
    }
    let result = qualified(body);
    // SAFETY: restores what was read above.
    unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
    result
}

/// A string as an SQL literal.
pub fn literal(text: &str) -> String {
    let text = CString::new(text.replace('\0', "")).expect("NUL bytes were removed");
    // SAFETY: quote_literal_cstr returns a palloc'd string.
    unsafe { text_of(pg_sys::quote_literal_cstr(text.as_ptr())) }.expect("not null")
}

/// A name as an SQL identifier.
pub fn identifier(name: &str) -> String {
    let name = CString::new(name.replace('\0', "")).expect("NUL bytes were removed");
    // SAFETY: quote_identifier returns its argument or a palloc'd string; both live as long as `name`.
    unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) }
        .to_string_lossy()
        .into_owned()
}
