//! A value of the store that keeps itself up to date.

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Error, Result};

/// The latest known value of something in the store. Intermediate values may be skipped, the last
/// one never is. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch<T> {
    receiver: watch::Receiver<T>,
    _stop: DropGuard,
}

impl<T: Clone + PartialEq> Watch<T> {
    /// A watch on what is sent, and the sending side. The sender stops when `stopped` is
    /// cancelled, and ends the watch by dropping its half.
    pub(super) fn new(value: T) -> (Feed<T>, Self) {
        let (sender, receiver) = watch::channel(value);
        let stopped = CancellationToken::new();
        let feed = Feed {
            sender,
            stopped: stopped.clone(),
        };
        (
            feed,
            Self {
                receiver,
                _stop: stopped.drop_guard(),
            },
        )
    }

    /// The latest value; it counts as seen from now on.
    pub fn current(&mut self) -> T {
        self.receiver.borrow_and_update().clone()
    }

    /// Waits until there is a value that has not been seen, and returns it. Safe to drop and call
    /// again.
    ///
    /// # Errors
    /// [`Error::Closed`] once the client has been closed.
    pub async fn changed(&mut self) -> Result<T> {
        self.receiver.changed().await.map_err(|_| Error::Closed)?;
        Ok(self.current())
    }

    /// Waits until the value is as wanted, now or later, and returns it.
    ///
    /// # Errors
    /// [`Error::Closed`] once the client has been closed.
    pub async fn wait_for(&mut self, wanted: impl FnMut(&T) -> bool) -> Result<T> {
        let value = self
            .receiver
            .wait_for(wanted)
            .await
            .map_err(|_| Error::Closed)?;
        Ok(value.clone())
    }
}

/// The sending side of a [`Watch`].
#[derive(Debug)]
pub(super) struct Feed<T> {
    sender: watch::Sender<T>,
    pub stopped: CancellationToken,
}

impl<T: PartialEq> Feed<T> {
    /// Shows `value`; wakes the watcher only if it is another one.
    pub fn show(&self, value: T) {
        self.sender.send_if_modified(|shown| {
            let changed = *shown != value;
            *shown = value;
            changed
        });
    }
}
