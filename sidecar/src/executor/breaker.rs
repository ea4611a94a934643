//! Whether a node is worth a try: a circuit breaker, as a pure state machine.
//!
//! After several failures of the node in a row it opens: commands are refused at once instead of
//! waiting for a node that does not answer. After a while one command goes through as a probe; if
//! it succeeds all may, else the breaker stays open for twice as long, up to a limit. A probe that is given up before it
//! has said anything leaves its place to the next command.

use std::time::{Duration, Instant};

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it is open the first time.
    pub open: Duration,
    /// How long it is open at most.
    pub longest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Commands pass; so many failures in a row.
    Closed { failures: u32 },
    /// Commands are refused until then; it has opened so often in a row.
    Open { until: Instant, times: u32 },
    /// A probe is on its way; if nothing is heard of it by then, another may go.
    HalfOpen { probe_until: Instant, times: u32 },
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a command would be let through now.
    pub fn would_admit(&self, now: Instant) -> bool {
        match *self {
            Self::Closed { .. } => true,
            Self::Open { until, .. } => now >= until,
            Self::HalfOpen { probe_until, .. } => now >= probe_until,
        }
    }

    /// Lets a command through, or not. The one that passes a breaker that was open is the probe.
    pub fn admit(&mut self, now: Instant, settings: &BreakerSettings) -> bool {
        if !self.would_admit(now) {
            return false;
        }
        if let Self::Open { times, .. } | Self::HalfOpen { times, .. } = *self {
            let probe_until = now + settings.interval(times, 1.0);
            *self = Self::HalfOpen { probe_until, times };
        }
        true
    }

    /// The node has answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Nothing will be heard of the probe.
    pub fn abandoned(&mut self, now: Instant) {
        if let Self::HalfOpen { times, .. } = *self {
            *self = Self::Open { until: now, times };
        }
    }

    /// The node has not answered, or could not be reached. `random` in 0..1 spreads the probes of
    /// several clients; whether the breaker has opened by it.
    pub fn failed(&mut self, now: Instant, settings: &BreakerSettings, random: f64) -> bool {
        let open = |times: u32| Self::Open {
            until: now + settings.interval(times, 0.5 + random.clamp(0.0, 1.0) / 2.0),
            times,
        };
        let before = *self;
        *self = match before {
            Self::Closed { failures } if failures + 1 < settings.failures => Self::Closed {
                failures: failures + 1,
            },
            Self::Closed { .. } => open(1),
            Self::HalfOpen { times, .. } => open(times.saturating_add(1)),
            // A straggler from before it opened says nothing new.
            Self::Open { .. } => before,
        };
        matches!(before, Self::Closed { .. }) && matches!(self, Self::Open { .. })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        }
    }
}

impl BreakerSettings {
    fn interval(&self, times: u32, share: f64) -> Duration {
        let doubled = self
            .open
            .saturating_mul(1 << times.saturating_sub(1).min(16));
        doubled.min(self.longest).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: 3,
        open: Duration::from_millis(100),
        longest: Duration::from_millis(1_000),
    };

    /// What happens to a breaker: a moment later, something.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Asked,
        Succeeded,
        Failed,
        Abandoned,
    }

    fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
        let event = prop_oneof![
            3 => Just(Event::Asked),
            1 => Just(Event::Succeeded),
            3 => Just(Event::Failed),
            1 => Just(Event::Abandoned),
        ];
        prop::collection::vec((0u64..400, event), 0..200)
    }

    proptest! {
        #[test]
        fn a_node_that_answers_is_never_refused(events in events()) {
            let mut breaker = Breaker::default();
            let mut now = Instant::now();
            let mut in_a_row = 0;
            for (later, event) in events {
                now += Duration::from_millis(later);
                match event {
                    Event::Asked if in_a_row < SETTINGS.failures => prop_assert!(breaker.admit(now, &SETTINGS)),
                    Event::Asked => { breaker.admit(now, &SETTINGS); }
                    Event::Succeeded => { in_a_row = 0; breaker.succeeded(); }
                    Event::Failed => { in_a_row += 1; breaker.failed(now, &SETTINGS, 0.7); }
                    Event::Abandoned => breaker.abandoned(now),
                }
            }
        }

        /// Between two commands that pass an open breaker lies at least half of its first time.
        #[test]
        fn a_dead_node_gets_probes_only(asks in prop::collection::vec(0u64..60, 1..300)) {
            let mut breaker = Breaker::default();
            let mut now = Instant::now();
            for _ in 0..SETTINGS.failures { breaker.failed(now, &SETTINGS, 0.0); }
            let mut passed_at: Option<Instant> = None;
            for later in asks {
                now += Duration::from_millis(later);
                if breaker.admit(now, &SETTINGS) {
                    if let Some(before) = passed_at {
                        prop_assert!(now - before >= SETTINGS.open / 2);
                    }
                    passed_at = Some(now);
                    breaker.failed(now, &SETTINGS, 0.0);
                }
            }
        }

        /// However it got there, a breaker lets a command through within its longest time.
        #[test]
        fn nobody_is_refused_for_ever(events in events()) {
            let mut breaker = Breaker::default();
            let mut now = Instant::now();
            for (later, event) in events {
                now += Duration::from_millis(later);
                match event {
                    Event::Asked => { breaker.admit(now, &SETTINGS); }
                    Event::Succeeded => breaker.succeeded(),
                    Event::Failed => { breaker.failed(now, &SETTINGS, 1.0); }
                    Event::Abandoned => breaker.abandoned(now),
                }
            }
            prop_assert!(breaker.admit(now + SETTINGS.longest, &SETTINGS));
        }

        /// A command that goes away in the middle of a probe does not hold up the one that comes next.
        #[test]
        fn an_abandoned_probe_is_followed_at_once(events in events()) {
            let mut breaker = Breaker::default();
            let mut now = Instant::now();
            for (later, event) in events {
                now += Duration::from_millis(later);
                match event {
                    Event::Succeeded => breaker.succeeded(),
                    Event::Failed => { breaker.failed(now, &SETTINGS, 1.0); }
                    Event::Asked | Event::Abandoned => if breaker.admit(now, &SETTINGS) {
                        breaker.abandoned(now);
                        prop_assert!(breaker.admit(now, &SETTINGS));
                        breaker.abandoned(now);
                    },
                }
            }
        }
    }
}
