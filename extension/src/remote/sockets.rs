//! The sockets of several connections, waited for together.

use crate::pg::wait::WaitSet;
use std::cell::RefCell;

thread_local! {
    /// The sockets that several streams waited for last.
    static SEVERAL: RefCell<Option<WaitSet>> = const { RefCell::new(None) };
}

/// Waits until one of the sockets can be read (`writing`: or written). Raises nothing by itself.
pub fn wait_for(sockets: Vec<i32>, writing: bool) {
    SEVERAL.with_borrow_mut(|several| {
        if several.as_ref().is_none_or(|set| set.sockets() != sockets) {
            *several = None;
            *several = Some(WaitSet::new(sockets));
        }
        if let Some(set) = several {
            set.wait(writing, None);
        }
    });
}

/// Called before a connection is closed: the set must not outlive its sockets.
pub fn forget() {
    let _ = SEVERAL.try_with(|several| {
        if let Ok(mut several) = several.try_borrow_mut() {
            *several = None;
        }
    });
}
