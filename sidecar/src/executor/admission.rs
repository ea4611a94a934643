//! Who gets the next socket to a node: a pure decision.

use std::time::Duration;

use crate::config::ExecutorConfig;
use crate::weight::Weight;

/// One number for each weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerWeight(pub [usize; 4]);

impl std::ops::Index<Weight> for PerWeight {
    type Output = usize;
    fn index(&self, weight: Weight) -> &usize {
        &self.0[weight as usize]
    }
}

impl std::ops::IndexMut<Weight> for PerWeight {
    fn index_mut(&mut self, weight: Weight) -> &mut usize {
        &mut self.0[weight as usize]
    }
}

/// Sockets to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub total: usize,
    pub class: PerWeight,
}

impl From<&ExecutorConfig> for Limits {
    fn from(config: &ExecutorConfig) -> Self {
        let mut class = PerWeight::default();
        class[Weight::Critical] = config.critical_sockets;
        class[Weight::Interactive] = config.interactive_sockets;
        class[Weight::Maintenance] = config.maintenance_sockets;
        class[Weight::Background] = config.background_sockets;
        Self {
            total: config.sockets_per_node,
            class,
        }
    }
}

/// How matters stand at one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub in_use: PerWeight,
    pub waiting: PerWeight,
    /// Grants to heavier classes since this one, while it waited.
    pub passed_over: PerWeight,
}

/// After so many grants to heavier classes a waiting class goes first.
pub const PATIENCE: usize = 8;

/// Sockets that lighter classes never take together, so that a critical command always finds one.
const RESERVED_FOR_CRITICAL: usize = 1;

/// The weight whose longest waiting command is to get a socket now, if any.
pub fn choose(load: &Load, limits: &Limits) -> Option<Weight> {
    let used: usize = load.in_use.0.iter().sum();
    let lighter = used - load.in_use[Weight::Critical];
    let shared = limits.total.saturating_sub(RESERVED_FOR_CRITICAL).max(1);
    let admissible = |weight: Weight| {
        let room = weight == Weight::Critical || lighter < shared;
        load.waiting[weight] > 0
            && load.in_use[weight] < limits.class[weight]
            && used < limits.total
            && room
    };
    // The one that has waited longest, not the lightest: that one could starve those above it.
    let impatient = Weight::ALL
        .into_iter()
        .filter(|&w| admissible(w) && load.passed_over[w] >= PATIENCE)
        .max_by_key(|&w| load.passed_over[w]);
    impatient.or_else(|| Weight::ALL.into_iter().find(|&w| admissible(w)))
}

/// The load after `weight` has been given a socket.
pub fn granted(mut load: Load, weight: Weight) -> Load {
    load.in_use[weight] += 1;
    load.waiting[weight] -= 1;
    load.passed_over[weight] = 0;
    for lighter in Weight::ALL.into_iter().filter(|&w| w < weight) {
        if load.waiting[lighter] > 0 {
            load.passed_over[lighter] += 1;
        }
    }
    load
}

/// Whether a command that has waited is still worth a socket: with too little time left for what it
/// usually takes it would only waste the socket. One that has most of its time left always is, so
/// that a node that was slow once is not given up.
pub fn worth_starting(left: Duration, allowed: Duration, usually: Duration) -> bool {
    !left.is_zero() && left >= (usually * 2).min(allowed / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = Limits> {
        (2usize..12, prop::array::uniform4(1usize..8)).prop_map(|(total, class)| Limits {
            total,
            class: PerWeight(class),
        })
    }

    fn load() -> impl Strategy<Value = Load> {
        let four = || prop::array::uniform4(0usize..6);
        (four(), four(), prop::array::uniform4(0usize..12)).prop_map(|(u, w, p)| Load {
            in_use: PerWeight(u),
            waiting: PerWeight(w),
            passed_over: PerWeight(p),
        })
    }

    proptest! {
        #[test]
        fn a_fresh_command_is_always_worth_it_and_a_late_one_never(left in 0u64..1000, allowed in 1u64..1000, usually in 0u64..5000) {
            let [left, allowed, usually] = [left, allowed, usually].map(Duration::from_millis);
            let worth = worth_starting(left.min(allowed), allowed, usually);
            if left.min(allowed) >= allowed / 2 && !left.is_zero() { prop_assert!(worth); }
            if left.is_zero() { prop_assert!(!worth); }
            if worth && left < allowed / 2 { prop_assert!(left >= usually); }
        }

        #[test]
        fn limits_are_never_exceeded(load in load(), limits in limits()) {
            if let Some(weight) = choose(&load, &limits) {
                let after = granted(load, weight);
                prop_assert!(after.in_use[weight] <= limits.class[weight]);
                prop_assert!(after.in_use.0.iter().sum::<usize>() <= limits.total);
            }
        }

        #[test]
        fn the_heaviest_goes_first_unless_somebody_has_been_passed_over(load in load(), limits in limits()) {
            if let Some(chosen) = choose(&load, &limits) {
                let mut patient = load;
                patient.passed_over = PerWeight::default();
                let heaviest = choose(&patient, &limits).unwrap();
                prop_assert!(chosen == heaviest || load.passed_over[chosen] >= PATIENCE);
            }
        }

        /// With a full queue of every class and sockets that come free in any order, each class is
        /// served again within a bounded number of grants that it could have had.
        #[test]
        fn nobody_starves(limits in limits(), releases in prop::collection::vec(0usize..4, 400)) {
            let mut load = Load { waiting: PerWeight([1000; 4]), ..Load::default() };
            let mut since = [0usize; 4];
            for release in releases {
                while let Some(weight) = choose(&load, &limits) {
                    for w in Weight::ALL {
                        let mut alone = load;
                        alone.waiting = PerWeight::default();
                        alone.waiting[w] = 1;
                        since[w as usize] += usize::from(choose(&alone, &limits).is_some());
                    }
                    load = granted(load, weight);
                    since[weight as usize] = 0;
                }
                // The one that comes free: any class that holds a socket.
                let holder = (0..4).map(|i| (i + release) % 4).find(|&i| load.in_use.0[i] > 0);
                if let Some(i) = holder { load.in_use.0[i] -= 1; }
                for w in Weight::ALL {
                    let blocked = load.in_use[w] >= limits.class[w];
                    prop_assert!(blocked || load.in_use[w] > 0 || since[w as usize] <= 4 * (PATIENCE + 4), "{w:?} {since:?}");
                }
            }
        }

        #[test]
        fn a_critical_command_finds_a_socket_that_lighter_ones_can_not_take(limits in limits(), load in load()) {
            let mut load = Load { in_use: PerWeight::default(), ..load };
            load.waiting = PerWeight([100, 100, 100, 0]);
            while let Some(weight) = choose(&load, &limits) { load = granted(load, weight); }
            load.waiting[Weight::Critical] = 1;
            prop_assert_eq!(choose(&load, &limits), Some(Weight::Critical));
        }
    }
}
