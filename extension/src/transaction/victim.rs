//! Sessions that give way in a deadlock over nodes.
//!
//! # How it works
//! `expanse.cancel_deadlocked(pid)` notes the session in shared memory and interrupts it as a cancel does. When that
//! session then reports "canceling statement", the report says what it was: a deadlock, SQLSTATE 40P01, as PostgreSQL says of
//! one within a server, so that clients repeat the transaction.
//!
//! # What is not guaranteed
//! A server that logs no errors (`log_min_messages` above `error`) reports 57014 instead.

use crate::pg::session::process_id;
use crate::pg::shared_memory::Segment;
use pgrx::pg_sys::{self, ErrorData};
use std::ffi::CStr;

/// How many sessions of one server can be about to give way.
const CAPACITY: usize = 64;

#[repr(C)]
struct Victims {
    /// Process ids; 0 is free.
    pids: [i32; CAPACITY],
}

static VICTIMS: Segment<Victims> = Segment::new(c"expanse deadlocks", || 0, |_| {});

static mut PREVIOUS: pg_sys::emit_log_hook_type = None;

/// Reserves the memory and installs the hook; called once while the library is preloaded.
pub fn init() {
    VICTIMS.reserve();
    // SAFETY: at load the postmaster is single-threaded; the pointer is saved before it is replaced.
    unsafe {
        PREVIOUS = pg_sys::emit_log_hook;
        pg_sys::emit_log_hook = Some(report);
    }
}

unsafe extern "C-unwind" fn report(error: *mut ErrorData) {
    // SAFETY: PostgreSQL passes the error it is about to report, whose texts live in its own memory context; nothing
    // here allocates, fails or is droppable.
    unsafe {
        if (*error).elevel == pg_sys::elog::PgLogLevel::ERROR as i32
            && (*error).sqlerrcode
                == pg_sys::errcodes::PgSqlErrorCode::ERRCODE_QUERY_CANCELED as i32
            && forget()
        {
            (*error).sqlerrcode =
                pg_sys::errcodes::PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED as i32;
            (*error).message = text(c"deadlock detected");
            (*error).detail =
                text(c"Transactions on several nodes waited for each other; this one gave way.");
            (*error).hint = text(c"Repeat the transaction.");
        }
        if let Some(previous) = PREVIOUS {
            previous(error);
        }
    }
}

/// PostgreSQL frees none of an error's texts by themselves while it reports it, and only reads them.
fn text(constant: &'static CStr) -> *mut std::os::raw::c_char {
    constant.as_ptr().cast_mut()
}

/// Takes this session off the list; was it on it?
pub fn forget() -> bool {
    let own = process_id();
    // Almost always the list is empty: no lock then.
    let listed = VICTIMS.peek(|victims| {
        // SAFETY: plain numbers in shared memory, read without a lock: a stale one only costs a look.
        unsafe { (*victims).pids.contains(&own) }
    });
    if listed != Some(true) {
        return false;
    }
    VICTIMS
        .change(
            |victims| match victims.pids.iter_mut().find(|pid| **pid == own) {
                Some(pid) => {
                    *pid = 0;
                    true
                }
                None => false,
            },
        )
        .unwrap_or(false)
}

crate::sql_function! {
    /// `expanse.mark_deadlocked(pid int)`: the session is about to be cancelled because of a deadlock over nodes.
    fn mark_deadlocked(args) {
        let pid: i32 = args.required(0, "pid");
        VICTIMS.change(|victims| {
            if !victims.pids.contains(&pid) {
                if let Some(free) = victims.pids.iter_mut().find(|pid| **pid == 0) {
                    *free = pid;
                }
            }
        });
        None::<i32>
    }
}
