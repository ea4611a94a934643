//! Waiting for sockets: interruptible at once, one system call a wait.
//!
//! # How it works
//! PostgreSQL's `WaitLatchOrSocket` makes and destroys an epoll set for each wait (six system calls). A connection
//! keeps a set of its own instead; scans over several connections keep the last set they used.
//!
//! # Invariants
//! A set lives in `TopMemoryContext` and belongs to one owner, which frees it before its sockets are closed.

use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// A set of sockets, the backend's latch and the postmaster's death.
pub struct WaitSet {
    set: *mut pg_sys::WaitEventSet,
    sockets: Vec<i32>,
    /// Are the sockets also waited for to become writeable?
    writing: bool,
}

/// Position of the first socket: the latch and the postmaster come before.
const FIRST_SOCKET: i32 = 2;

impl WaitSet {
    pub fn new(sockets: Vec<i32>) -> WaitSet {
        // SAFETY: an epoll set in a context that lives as long as the process; the descriptors are open.
        let set = unsafe {
            let set = pg_sys::CreateWaitEventSet(
                pg_sys::TopMemoryContext,
                sockets.len() as i32 + FIRST_SOCKET,
            );
            let nothing = std::ptr::null_mut();
            let none = pg_sys::PGINVALID_SOCKET;
            pg_sys::AddWaitEventToSet(set, pg_sys::WL_LATCH_SET, none, pg_sys::MyLatch, nothing);
            pg_sys::AddWaitEventToSet(
                set,
                pg_sys::WL_EXIT_ON_PM_DEATH,
                none,
                std::ptr::null_mut(),
                nothing,
            );
            for &socket in &sockets {
                pg_sys::AddWaitEventToSet(
                    set,
                    pg_sys::WL_SOCKET_READABLE,
                    socket,
                    std::ptr::null_mut(),
                    nothing,
                );
            }
            set
        };
        WaitSet {
            set,
            sockets,
            writing: false,
        }
    }

    pub fn sockets(&self) -> &[i32] {
        &self.sockets
    }

    /// Waits until a socket can be read (or written to, if `writing`), the latch is set, or the deadline has passed
    /// (then false). Does not look at interrupts itself.
    pub fn wait(&mut self, writing: bool, deadline: Option<Instant>) -> bool {
        self.wait_for(writing);
        let timeout = match deadline {
            None => -1,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                i64::try_from(left.as_millis()).unwrap_or(i64::MAX).max(1)
            }
        };
        let mut event = pg_sys::WaitEvent::default();
        // SAFETY: the set is valid and room for one event is given.
        unsafe {
            let occurred = pg_sys::WaitEventSetWait(
                self.set,
                timeout as _,
                &mut event,
                1,
                pg_sys::PG_WAIT_EXTENSION,
            );
            if occurred > 0 && event.events & pg_sys::WL_LATCH_SET != 0 {
                pg_sys::ResetLatch(pg_sys::MyLatch);
            }
        }
        true
    }

    fn wait_for(&mut self, writing: bool) {
        if self.writing == writing {
            return;
        }
        let events = if writing {
            pg_sys::WL_SOCKET_READABLE | pg_sys::WL_SOCKET_WRITEABLE
        } else {
            pg_sys::WL_SOCKET_READABLE
        };
        for position in 0..self.sockets.len() as i32 {
            // SAFETY: the positions are those of the sockets added above.
            unsafe {
                pg_sys::ModifyWaitEvent(
                    self.set,
                    FIRST_SOCKET + position,
                    events,
                    std::ptr::null_mut(),
                );
            }
        }
        self.writing = writing;
    }
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { pg_sys::FreeWaitEventSet(self.set) }
    }
}

/// Sleeps for so many milliseconds, or less when there is something to react to.
pub fn pause(ms: std::os::raw::c_long) {
    // SAFETY: the backend's own latch.
    unsafe {
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            ms,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts();
}

/// May raise: the user has cancelled, the backend is to end, ...
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// Is this backend about to be ended by the next look at interrupts?
pub fn ending() -> bool {
    // SAFETY: plain flags set by signal handlers.
    unsafe { pg_sys::ProcDiePending != 0 && pg_sys::InterruptHoldoffCount == 0 }
}

/// Has another session asked this backend to stop what it does? For waits that must not raise.
pub fn interrupted() -> bool {
    // SAFETY: plain flags set by signal handlers.
    unsafe { pg_sys::QueryCancelPending != 0 || pg_sys::ProcDiePending != 0 }
}

/// Waits for one socket while connecting, before a set is worth keeping. False when the deadline has passed.
pub fn wait_once(socket: i32, writing: bool, deadline: Instant) -> bool {
    let events = pg_sys::WL_LATCH_SET
        | pg_sys::WL_EXIT_ON_PM_DEATH
        | pg_sys::WL_TIMEOUT
        | if writing {
            pg_sys::WL_SOCKET_WRITEABLE
        } else {
            pg_sys::WL_SOCKET_READABLE
        };
    let left = deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_millis(1) {
        return false;
    }
    // SAFETY: the latch is this backend's own, the socket is open.
    unsafe {
        let occurred = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            socket,
            left.as_millis() as _,
            pg_sys::PG_WAIT_EXTENSION,
        ) as u32;
        if occurred & pg_sys::WL_LATCH_SET != 0 {
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
    true
}
