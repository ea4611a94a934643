//! This session: its database, its users, its settings, its process and its transaction.

pub mod kept_snapshot;
pub mod locks;
pub mod snapshot;
pub mod subtransaction;
pub mod transaction;

use pgrx::pg_sys::{self, Oid};
use std::ffi::{c_char, CStr};
use std::time::Duration;

/// The database that the session is in.
pub fn database() -> Oid {
    // SAFETY: set when the session was opened.
    unsafe { pg_sys::MyDatabaseId }
}

/// The tablespace of the session's database.
pub fn database_tablespace() -> Oid {
    // SAFETY: set when the session was opened.
    unsafe { pg_sys::MyDatabaseTableSpace }
}

/// The process id of this backend.
pub fn process_id() -> i32 {
    // SAFETY: set when the process began.
    unsafe { pg_sys::MyProcPid }
}

/// `lock_timeout`; `None` is no limit.
pub fn lock_timeout() -> Option<Duration> {
    // SAFETY: reads a setting, in milliseconds.
    let milliseconds = u64::try_from(unsafe { pg_sys::LockTimeout }).unwrap_or(0);
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

/// The current value of a setting that exists.
pub fn setting(name: &CStr) -> String {
    // SAFETY: gives a NUL-terminated string for a setting that exists, and raises otherwise.
    let value = unsafe { CStr::from_ptr(pg_sys::GetConfigOption(name.as_ptr(), false, false)) };
    value.to_string_lossy().into_owned()
}

/// Does the script of a CREATE or ALTER EXTENSION run?
pub fn runs_extension_script() -> bool {
    // SAFETY: a plain flag of the backend.
    unsafe { pg_sys::creating_extension }
}

/// The current user.
pub fn user() -> Oid {
    // SAFETY: reads a field of the backend.
    unsafe { pg_sys::GetUserId() }
}

/// The user that the session belongs to.
pub fn session_user() -> Oid {
    // SAFETY: reads a field of the backend.
    unsafe { pg_sys::GetSessionUserId() }
}

/// Is the current user a superuser?
pub fn is_superuser() -> bool {
    // SAFETY: looks at the current user's role.
    unsafe { pg_sys::superuser() }
}

/// The name of a role; `None` when there is none with this OID any more.
pub fn role_name(role: Oid) -> Option<String> {
    // SAFETY: a system-cache lookup that gives null or a palloc'd name.
    unsafe { owned(pg_sys::GetUserNameFromId(role, true)) }
}

/// The name of a role; raises when there is none with this OID.
pub fn existing_role_name(role: Oid) -> String {
    // SAFETY: raises when the role does not exist; else a palloc'd name.
    unsafe { owned(pg_sys::GetUserNameFromId(role, false)) }.unwrap_or_default()
}

/// May the role log in? False when it does not exist.
pub fn can_log_in(role: Oid) -> bool {
    // SAFETY: a system-cache lookup; the tuple is read before it is released.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::AUTHOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(role));
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_authid>();
        let can = (*form).rolcanlogin;
        pg_sys::ReleaseSysCache(tuple);
        can
    }
}

/// Another current user, until this is dropped. An error restores the user with the (sub)transaction as well.
pub struct ActingAs {
    user: Oid,
    security: i32,
}

impl ActingAs {
    /// Changes the user, and adds to the flags of its security context (`SECURITY_...`).
    pub fn new(user: Oid, flags: u32) -> ActingAs {
        let mut before = ActingAs {
            user: pg_sys::InvalidOid,
            security: 0,
        };
        // SAFETY: reads and sets fields of the backend.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before.user, &mut before.security);
            pg_sys::SetUserIdAndSecContext(user, before.security | flags as i32);
        }
        before
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // SAFETY: restores what `new` found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.security) };
    }
}

/// The name of this database.
pub fn database_name() -> String {
    // SAFETY: the current database exists; a palloc'd name.
    unsafe { owned(pg_sys::get_database_name(pg_sys::MyDatabaseId)) }.unwrap_or_default()
}

/// The name of the database's encoding.
pub fn encoding_name() -> String {
    // SAFETY: a static name.
    unsafe { owned(pg_sys::GetDatabaseEncodingName()) }.unwrap_or_default()
}

/// This process's place in PostgreSQL's list of processes.
pub fn process_number() -> i32 {
    // SAFETY: a backend has an entry of its own.
    unsafe { (*pg_sys::MyProc).pgprocno }
}

/// Is there a session with this process id?
pub fn runs(process_id: i32) -> bool {
    // SAFETY: a lookup among the processes of the server.
    unsafe { !pg_sys::BackendPidGetProc(process_id).is_null() }
}

/// Is this a process that works for another one's query?
pub fn is_parallel_worker() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// Does this process send or apply logical replication?
pub fn replicates() -> bool {
    // SAFETY: a plain variable of the process, and a look at its state.
    unsafe { pg_sys::am_walsender || pg_sys::IsLogicalWorker() }
}

/// Does this process send changes for replication?
pub fn is_wal_sender() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::am_walsender }
}

/// Bytes that the COPY of this process has sent or read.
pub fn copied_bytes() -> i64 {
    // SAFETY: this backend's own entry, which only it writes.
    unsafe {
        pg_sys::MyBEEntry.as_ref().map_or(0, |entry| {
            entry.st_progress_param[pg_sys::PROGRESS_COPY_BYTES_PROCESSED as usize]
        })
    }
}

/// Is the process about to end?
pub fn exiting() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::proc_exit_inprogress }
}

/// # Safety
/// Null, or NUL-terminated.
unsafe fn owned(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}
