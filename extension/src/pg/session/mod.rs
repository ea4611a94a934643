//! This session: its database, its settings and its transaction.

#![allow(dead_code)]

pub mod kept_snapshot;
pub mod locks;
pub mod snapshot;
pub mod subtransaction;
pub mod transaction;

use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;
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

/// Is this a process that works for another one's query?
pub fn is_parallel_worker() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::ParallelWorkerNumber >= 0 }
}

/// Does this process send changes for replication?
pub fn is_wal_sender() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::am_walsender }
}

/// Is the process about to end?
pub fn exiting() -> bool {
    // SAFETY: a plain variable of the process.
    unsafe { pg_sys::proc_exit_inprogress }
}
