//! A histogram of durations with fixed bounds; counting takes two atomic additions.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds in seconds; the last, infinity, is not named.
pub const BOUNDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Observations up to each bound, and in all.
    pub cumulative: [u64; BOUNDS.len() + 1],
    /// Seconds.
    pub sum: f64,
}

impl Histogram {
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[at].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            sum: self.micros.load(Relaxed) as f64 / 1e6,
            ..Snapshot::default()
        };
        let mut so_far = 0;
        for (cumulative, count) in snapshot.cumulative.iter_mut().zip(&self.counts) {
            so_far += count.load(Relaxed);
            *cumulative = so_far;
        }
        snapshot
    }
}

impl Snapshot {
    pub fn count(&self) -> u64 {
        self.cumulative[BOUNDS.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_observation_is_counted_at_and_above_its_bound(millis in prop::collection::vec(0u64..700_000, 0..50)) {
            let histogram = Histogram::default();
            for &m in &millis { histogram.observe(Duration::from_millis(m)); }
            let snapshot = histogram.snapshot();
            prop_assert_eq!(snapshot.count(), millis.len() as u64);
            for (at, bound) in BOUNDS.iter().enumerate() {
                let within = millis.iter().filter(|&&m| m as f64 / 1e3 <= *bound).count();
                prop_assert_eq!(snapshot.cumulative[at], within as u64);
            }
        }
    }
}
