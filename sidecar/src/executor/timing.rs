//! How long a try may take and how long to wait before the next: pure decisions.

use std::time::Duration;

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
    /// base x weight factor x 1.5^attempt, at most the configured limit (or the base, if that is
    /// longer), and never past what is left of the caller's deadline.
    pub fn try_limit(
        &self,
        base: Duration,
        weight: Weight,
        attempt: u32,
        left: Option<Duration>,
    ) -> Duration {
        let factor = weight.timeout_factor() * GROWTH.powi(attempt.min(32) as i32);
        let grown = base.mul_f64(factor).min(self.max_timeout.max(base));
        grown.min(left.unwrap_or(grown))
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

    /// Whether to try once more after `failed` tries.
    pub fn again(&self, safe: bool, retryable: bool, failed: u32, left: Option<Duration>) -> bool {
        safe && retryable && failed <= self.retries && left.is_none_or(|left| !left.is_zero())
    }
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

    proptest! {
        #[test]
        fn no_try_passes_the_callers_deadline(base in 1u64..100_000, w in weight(), attempt in 0u32..50, left in 0u64..100_000) {
            let left = Duration::from_millis(left);
            prop_assert!(timing().try_limit(Duration::from_millis(base), w, attempt, Some(left)) <= left);
        }

        #[test]
        fn tries_get_longer_up_to_the_limit(base in 1u64..500_000, w in weight(), attempt in 0u32..50) {
            let base = Duration::from_millis(base);
            let t = timing();
            let limit = t.try_limit(base, w, attempt, None);
            prop_assert!(limit <= t.try_limit(base, w, attempt + 1, None));
            prop_assert!(limit <= t.max_timeout.max(base));
            prop_assert!(limit >= base.min(t.max_timeout));
        }

        #[test]
        fn a_wait_is_at_most_the_cap_and_doubles(attempt in 1u32..100, random in 0.0f64..=1.0) {
            let t = timing();
            prop_assert!(t.backoff(attempt, random) <= t.backoff_cap);
            prop_assert!(t.backoff(attempt, 1.0) <= t.backoff(attempt + 1, 1.0));
        }

        #[test]
        fn what_is_not_safe_is_never_repeated(retryable: bool, failed in 0u32..10) {
            prop_assert!(!timing().again(false, retryable, failed, None));
            prop_assert!(!timing().again(true, false, failed, None));
            prop_assert_eq!(timing().again(true, true, failed, None), failed <= timing().retries);
        }
    }
}
