//! The sidecar's view of the cluster in shared memory: one JSON text, written by `expanse.publish_status`.
//!
//! It is not in a table because it changes by itself, must not cost WAL, and has to be there on a read-only standby too.

use crate::pg::shared_memory::Segment;
use crate::state::settings::STATUS_MEMORY;

/// What the segment begins with; the text follows.
#[repr(C)]
struct Header {
    capacity: usize,
    length: usize,
}

static STATUS: Segment<Header> = Segment::new(c"expanse", capacity, |header| {
    header.capacity = capacity();
});

/// Reserves the segment; called once while the library is preloaded.
pub fn init() {
    STATUS.reserve();
}

fn capacity() -> usize {
    usize::try_from(STATUS_MEMORY.get()).unwrap_or(0) * 1024
}

/// Keeps a text; false when it does not fit.
pub fn store(text: &str) -> bool {
    let kept = STATUS.change(|header| {
        if text.len() > header.capacity {
            return false;
        }
        // SAFETY: `capacity` bytes follow the header.
        unsafe {
            let place = std::ptr::from_mut(header).add(1).cast();
            std::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len());
        }
        header.length = text.len();
        true
    });
    kept == Some(true)
}

/// The text kept last; `None` when there is none yet.
pub fn fetch() -> Option<String> {
    // Allocated before the lock is taken.
    let mut bytes: Vec<u8> = Vec::with_capacity(capacity());
    STATUS.look(|header| {
        // SAFETY: `length` bytes behind the header were written, no more than the capacity.
        unsafe {
            let place = std::ptr::from_ref(header).add(1).cast();
            std::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), header.length);
            bytes.set_len(header.length);
        }
    })?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}
