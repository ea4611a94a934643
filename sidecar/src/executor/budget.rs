//! How many repetitions a node is worth: a share of its successes, so that a node in trouble gets
//! no more work by being in trouble. A pure account.

/// Repetitions that are allowed, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    credit: u64,
}

/// How the account is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Repetitions for a hundred successes.
    pub percent: u32,
    /// Repetitions before the first success.
    pub reserve: u32,
}

/// One repetition.
const ONE: u64 = 100;
/// What a long good time is worth at most, in repetitions: a burst is no flood.
const MOST: u64 = 20;

impl Budget {
    pub fn new(settings: &BudgetSettings) -> Self {
        Self {
            credit: u64::from(settings.reserve) * ONE,
        }
    }

    pub fn succeeded(&mut self, settings: &BudgetSettings) {
        let most = MOST.max(u64::from(settings.reserve)) * ONE;
        self.credit = (self.credit + u64::from(settings.percent)).min(most);
    }

    /// Pays for one repetition, if there is enough.
    pub fn take(&mut self) -> bool {
        let enough = self.credit >= ONE;
        if enough {
            self.credit -= ONE;
        }
        enough
    }

    /// Repetitions that are allowed now.
    pub fn left(&self) -> f64 {
        self.credit as f64 / ONE as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn repetitions_are_at_most_the_reserve_and_a_share_of_successes(
            percent in 0u32..=100, reserve in 0u32..20, events in prop::collection::vec(any::<bool>(), 0..2000),
        ) {
            let settings = BudgetSettings { percent, reserve };
            let mut budget = Budget::new(&settings);
            let (mut successes, mut repetitions) = (0u64, 0u64);
            for success in events {
                if success { successes += 1; budget.succeeded(&settings); }
                else { repetitions += u64::from(budget.take()); }
                prop_assert!(repetitions * 100 <= u64::from(reserve) * 100 + successes * u64::from(percent));
            }
        }

        #[test]
        fn success_earns_repetitions_again(percent in 1u32..=100) {
            let settings = BudgetSettings { percent, reserve: 0 };
            let mut budget = Budget::new(&settings);
            prop_assert!(!budget.take());
            for _ in 0..100 { budget.succeeded(&settings); }
            prop_assert!(budget.take());
        }
    }
}
