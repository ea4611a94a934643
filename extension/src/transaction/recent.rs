//! Transactions over nodes that were lately prepared on this node, in shared memory.
//!
//! # Invariants
//! An entry is written before its transaction is prepared (or, on the coordinator, commits). An entry whose transaction is
//! still in progress is not overwritten while there is another one.

use crate::pg::session::transaction::is_in_progress;
use crate::pg::shared_memory::Segment;

/// How many transactions are remembered.
pub const CAPACITY: usize = 8192;

/// One transaction: its fingerprint, and its id on this node (0: the slot is free).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Entry {
    pub fingerprint: u64,
    /// The nodes that take part (`expanse_core::snapshots::member`); 0 when not known.
    pub members: u64,
    /// When it was recorded, in microseconds of PostgreSQL's clock.
    pub at: i64,
    pub xid: u32,
}

/// All-zero bytes are an empty ring.
#[repr(C)]
struct Ring {
    restored: bool,
    next: usize,
    entries: [Entry; CAPACITY],
}

static RING: Segment<Ring> = Segment::new(c"expanse transactions", || 0, |_| {});

/// Reserves the memory; called once while the library is preloaded.
pub fn init() {
    RING.reserve();
}

/// Remembers a transaction that is about to be prepared, or to commit here, under this id.
pub fn record(entry: Entry) {
    RING.change(|ring| {
        for _ in 0..CAPACITY {
            let oldest = ring.entries[ring.next];
            let busy = oldest.xid != 0 && is_in_progress(oldest.xid.into());
            if !busy {
                break;
            }
            ring.next = (ring.next + 1) % CAPACITY;
        }
        ring.entries[ring.next] = entry;
        ring.next = (ring.next + 1) % CAPACITY;
    });
}

/// All transactions that are remembered.
pub fn entries() -> Vec<Entry> {
    restore();
    // Grows before the lock is taken, not under it.
    let mut found = Vec::with_capacity(CAPACITY);
    RING.look(|ring| found.extend(ring.entries.iter().filter(|entry| entry.xid != 0)));
    found
}

/// After a restart of the server, what is prepared is found in PostgreSQL's own list. Called by readers only: a transaction
/// that is about to be prepared may have no snapshot to query with.
fn restore() {
    // Two backends that both restore only repeat entries.
    let restored = RING.peek(|ring| {
        // SAFETY: a flag that changes once, from false to true.
        unsafe { (*ring).restored }
    });
    if restored != Some(false) {
        return;
    }
    RING.change(|ring| ring.restored = true);
    for (name, xid) in crate::transaction::report::prepared_here() {
        record(Entry {
            fingerprint: fingerprint(&name),
            members: 0,
            at: 0,
            xid,
        });
    }
}

/// A transaction's name as 64 bits: FNV-1a, offset basis and prime of the reference (Fowler, Noll, Vo).
pub fn fingerprint(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
