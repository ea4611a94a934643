//! What this process measures of itself: counters and histograms with their text for Prometheus, and its heartbeat.
//!
//! The executor keeps its own for each class; what operations measure is noted by
//! [`observe_freeze`] and [`observe_phase`].

mod heartbeat;
mod histogram;
mod text;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;

pub use heartbeat::Heartbeat;
pub use histogram::{Histogram, Snapshot};
pub use text::Text;

/// Histograms by name, for kinds and phases of operations.
#[derive(Default)]
pub struct Named(Mutex<BTreeMap<(String, String), Histogram>>);

impl Named {
    fn observe(&self, kind: &str, name: &str, took: Duration) {
        let key = (kind.to_owned(), name.to_owned());
        self.0.lock().entry(key).or_default().observe(took);
    }

    /// Each (kind, name) with what was observed.
    pub fn snapshots(&self) -> Vec<((String, String), Snapshot)> {
        let named = self.0.lock();
        named
            .iter()
            .map(|(key, h)| (key.clone(), h.snapshot()))
            .collect()
    }
}

/// Write freezes, by kind of operation and outcome.
pub static FREEZES: LazyLock<Named> = LazyLock::new(Named::default);
/// Steps of operations, by kind of operation and step.
pub static PHASES: LazyLock<Named> = LazyLock::new(Named::default);

/// Writes of a group were held up for so long.
pub fn observe_freeze(kind: &str, made_it: bool, took: Duration) {
    let outcome = if made_it { "switched" } else { "lifted" };
    FREEZES.observe(kind, outcome, took);
}

/// A step of an operation is done.
pub fn observe_phase(kind: &str, step: &str, took: Duration) {
    PHASES.observe(kind, step, took);
}
