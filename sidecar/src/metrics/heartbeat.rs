//! Whether the main loop still goes round.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    started_at: Instant,
    /// Milliseconds after the start.
    beat: Arc<AtomicU64>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            started_at: Instant::now(),
            beat: Arc::default(),
        }
    }
}

impl Heartbeat {
    pub fn beat(&self) {
        let millis = self.started_at.elapsed().as_millis();
        self.beat
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }

    /// Since the last beat.
    pub fn age(&self) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Relaxed));
        self.started_at.elapsed().saturating_sub(beat)
    }
}
