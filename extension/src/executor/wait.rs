//! Waiting for sockets, interruptibly.

use pgrx::pg_sys;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    Socket,
    Timeout,
}

/// Events of a socket.
pub const READABLE: u32 = pg_sys::WL_SOCKET_READABLE;
pub const WRITABLE: u32 = pg_sys::WL_SOCKET_WRITEABLE;

/// Waits for one socket; handles interrupts (so it can raise) unless `uninterruptible`.
pub fn wait(socket: i32, events: u32, timeout_ms: Option<i64>, uninterruptible: bool) -> Woken {
    wait_any(&[(socket, events)], timeout_ms, uninterruptible)
}

/// Waits until one of the sockets is ready.
pub fn wait_any(sockets: &[(i32, u32)], timeout_ms: Option<i64>, uninterruptible: bool) -> Woken {
    let set = EventSet::new(sockets, !uninterruptible);
    loop {
        let mut event = pg_sys::WaitEvent::default();
        // SAFETY: the set is live; one event is written at most.
        let count = unsafe {
            pg_sys::WaitEventSetWait(
                set.0,
                timeout_ms.unwrap_or(-1) as _,
                &mut event,
                1,
                pg_sys::PG_WAIT_EXTENSION,
            )
        };
        if count == 0 {
            return Woken::Timeout;
        }
        if event.events & pg_sys::WL_LATCH_SET != 0 {
            // SAFETY: this backend's own latch.
            unsafe { pg_sys::ResetLatch(pg_sys::MyLatch) };
            pgrx::check_for_interrupts!();
            continue;
        }
        return Woken::Socket;
    }
}

/// A set of sockets with the latch; freed when dropped.
struct EventSet(*mut pg_sys::WaitEventSet);

impl EventSet {
    fn new(sockets: &[(i32, u32)], latch: bool) -> EventSet {
        // SAFETY: room is made for all events that are added; the sockets are open.
        unsafe {
            let set =
                pg_sys::CreateWaitEventSet(pg_sys::CurrentMemoryContext, sockets.len() as i32 + 2);
            let owned = EventSet(set);
            let none = std::ptr::null_mut();
            pg_sys::AddWaitEventToSet(set, pg_sys::WL_EXIT_ON_PM_DEATH, -1, none, none.cast());
            if latch {
                pg_sys::AddWaitEventToSet(
                    set,
                    pg_sys::WL_LATCH_SET,
                    -1,
                    pg_sys::MyLatch,
                    none.cast(),
                );
            }
            for &(socket, events) in sockets {
                pg_sys::AddWaitEventToSet(set, events, socket, none, none.cast());
            }
            owned
        }
    }
}

impl Drop for EventSet {
    fn drop(&mut self) {
        // SAFETY: the set is owned and this is its last use.
        unsafe { pg_sys::FreeWaitEventSet(self.0) }
    }
}
