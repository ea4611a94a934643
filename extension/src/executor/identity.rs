//! As whom, and to which database, this session connects to other nodes.

use pgrx::pg_sys;
use std::ffi::CStr;

/// The role to log in as, and the role to set after it. The current user logs in itself; one that may not log in is
/// reached through the session's user.
pub fn login() -> (String, Option<String>) {
    // SAFETY: plain catalog lookups of existing roles.
    unsafe {
        let current = pg_sys::GetUserId();
        let session = pg_sys::GetSessionUserId();
        if current == session || can_login(current) {
            (role_name(current), None)
        } else {
            (role_name(session), Some(role_name(current)))
        }
    }
}

/// The current database's name.
pub fn database() -> String {
    // SAFETY: the current database exists; the name is palloc'd and NUL-terminated.
    unsafe { text(pg_sys::get_database_name(pg_sys::MyDatabaseId)) }
}

/// The database's encoding, which values also have on the wire.
pub fn encoding() -> String {
    // SAFETY: a static NUL-terminated name.
    unsafe { text(pg_sys::GetDatabaseEncodingName()) }
}

unsafe fn can_login(role: pg_sys::Oid) -> bool {
    // SAFETY: the tuple is held during the access and released after it.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::AUTHOID as i32,
            pg_sys::Datum::from(role),
        );
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let login = (*form).rolcanlogin;
        pg_sys::ReleaseSysCache(tuple);
        login
    }
}

unsafe fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: raises for a role that does not exist; else a palloc'd NUL-terminated name.
    unsafe { text(pg_sys::GetUserNameFromId(role, false)) }
}

unsafe fn text(name: *const std::os::raw::c_char) -> String {
    // SAFETY: the callers pass NUL-terminated text.
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}
