//! How long a try may take and how long to wait before the next: pure decisions.

use std::time::Duration;

use expanse_core::live::NodeLoad;

use super::Weight;
use crate::config::ExecutorConfig;

/// The configured times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub base_timeout: Duration,
    pub max_timeout: Duration,
    pub retries: u32,
    pub backoff_base: Duration,
    pub backoff_cap: Duration,
}

impl From<&ExecutorConfig> for Timing {
    fn from(config: &ExecutorConfig) -> Self {
        Self {
            base_timeout: Duration::from_millis(config.base_timeout_ms),
            max_timeout: Duration::from_millis(config.max_timeout_ms),
            retries: config.retries,
            backoff_base: Duration::from_millis(config.backoff_base_ms),
            backoff_cap: Duration::from_millis(config.backoff_cap_ms),
        }
    }
}

/// How much longer each further try may take.
const GROWTH: f64 = 1.5;

impl Timing {
    /// The limit of try `attempt` (from 0) of a command whose first try may take `base`:
    /// base x weight factor x load factor x 1.5^attempt, at most the configured limit (or the
    /// base, if that is longer), and never past what is left until the deadline.
    pub fn try_limit(
        &self,
        base: Duration,
        weight: Weight,
        attempt: u32,
        load_factor: f64,
        left: Duration,
    ) -> Duration {
        let factor = weight.timeout_factor() * load_factor * GROWTH.powi(attempt.min(32) as i32);
        base.mul_f64(factor)
            .min(self.max_timeout.max(base))
            .min(left)
    }

    /// The wait before try `attempt` (from 1): full jitter, `random` in 0..1 of
    /// min(cap, base x 2^(attempt-1)).
    pub fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self
            .backoff_base
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        doubled
            .min(self.backoff_cap)
            .mul_f64(random.clamp(0.0, 1.0))
    }
}

/// What a try's time is multiplied by on a node that is as busy as `load` says: 1 when it is idle,
/// 4 when it is as busy as can be.
pub fn load_factor(load: &NodeLoad) -> f64 {
    1.0 + 3.0 * load.busiest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn timing() -> Timing {
        Timing::from(&ExecutorConfig::default())
    }

    fn weight() -> impl Strategy<Value = Weight> {
        prop::sample::select(Weight::ALL.to_vec())
    }

    fn load() -> impl Strategy<Value = NodeLoad> {
        let share = || prop_oneof![9 => 0.0f64..=1.0, 1 => prop::num::f64::ANY];
        (share(), share(), share(), share()).prop_map(|(cpu, memory, io, activity)| NodeLoad {
            cpu,
            memory,
            io,
            activity,
        })
    }

    const LONG: Duration = Duration::from_secs(1 << 32);

    proptest! {
        #[test]
        fn no_try_passes_the_callers_deadline(base in 1u64..100_000, w in weight(), attempt in 0u32..50, load in load(), left in 0u64..100_000) {
            let left = Duration::from_millis(left);
            prop_assert!(timing().try_limit(Duration::from_millis(base), w, attempt, load_factor(&load), left) <= left);
        }

        #[test]
        fn tries_get_longer_up_to_the_limit(base in 1u64..500_000, w in weight(), attempt in 0u32..50, load in load()) {
            let base = Duration::from_millis(base);
            let t = timing();
            let busy = load_factor(&load);
            let limit = t.try_limit(base, w, attempt, busy, LONG);
            prop_assert!(limit <= t.try_limit(base, w, attempt + 1, busy, LONG));
            prop_assert!(limit <= t.max_timeout.max(base));
            prop_assert!(limit >= base.min(t.max_timeout));
            prop_assert!(limit >= t.try_limit(base, w, attempt, 1.0, LONG), "a busy node gets no less");
        }

        #[test]
        fn the_heavier_the_longer(base in 1u64..50_000, attempt in 0u32..5) {
            let limit = |w| timing().try_limit(Duration::from_millis(base), w, attempt, 1.0, LONG);
            prop_assert!(Weight::ALL.windows(2).all(|pair| limit(pair[0]) >= limit(pair[1])));
        }

        #[test]
        fn a_load_counts_for_one_to_four(load in load()) {
            prop_assert!((1.0..=4.0).contains(&load_factor(&load)));
        }

        #[test]
        fn a_wait_is_at_most_the_cap_and_doubles(attempt in 1u32..100, random in 0.0f64..=1.0) {
            let t = timing();
            prop_assert!(t.backoff(attempt, random) <= t.backoff_cap);
            prop_assert!(t.backoff(attempt, 1.0) <= t.backoff(attempt + 1, 1.0));
        }
    }
}
