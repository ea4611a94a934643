//! State of this server and session: settings, shared memory, what kind of session this is.

pub mod control;
pub mod local_planning;
pub mod settings;
pub mod status;
pub mod status_memory;

use crate::pg::shared_memory;

use pgrx::pg_sys;

/// Reserves shared memory and starts what lives as long as the server.
pub fn init() {
    shared_memory::install();
    status_memory::init();
}

/// Is the library being loaded through `shared_preload_libraries`?
pub fn preloading() -> bool {
    // SAFETY: a plain flag of the backend.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// PostgreSQL's clock, in microseconds: the same for all sessions of the server.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}
