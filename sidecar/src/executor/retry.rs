//! What comes after a failed try: a pure decision, with its reason.

use std::time::Duration;

use super::{Command, Timing};
use crate::postgres::Error;

/// What is known when a try has failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    /// Doing the command twice is as good as once.
    pub safe: bool,
    /// The caller will ask again by itself.
    pub once: bool,
    /// Trying again may help.
    pub retryable: bool,
    /// The command never got to the server.
    pub never_began: bool,
    /// It got no socket, because too little of its time was left.
    pub late: bool,
    /// Tries so far, all failed.
    pub tries: u32,
    /// Until the deadline.
    pub left: Duration,
}

/// Why there is no other try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The answer is the answer: the server has refused the command itself.
    Answered,
    /// It may have had its effect, and twice is not as good as once.
    NotSafe,
    /// It will be asked for again.
    Once,
    Tries,
    Deadline,
    Budget,
}

impl Stop {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Answered => "the server refused it",
            Self::NotSafe => "it must not be repeated, because it may have had its effect",
            Self::Once => "it will be asked for again",
            Self::Tries => "it was tried as often as configured (executor.retries)",
            Self::Deadline => "its deadline has come",
            Self::Budget => {
                "repetitions would be more than their share of successes (executor.retry_budget_percent)"
            }
        }
    }

    /// Whether people should hear of it, not only the caller.
    pub fn is_trouble(self) -> bool {
        self != Self::Answered
    }
}

impl Failed {
    pub fn of(error: &Error, command: &Command, tries: u32, left: Duration) -> Self {
        Self {
            safe: command.safe,
            once: command.once,
            retryable: error.is_retryable(),
            never_began: error.never_began(),
            late: matches!(error, Error::Busy { .. }),
            tries,
            left,
        }
    }

    /// The wait before the next try, or why there is none. `random` in 0..1; `pay` takes one
    /// repetition from the node's budget and is asked last.
    pub fn next(
        &self,
        timing: &Timing,
        random: f64,
        pay: impl FnOnce() -> bool,
    ) -> Result<Duration, Stop> {
        if !self.retryable {
            return Err(Stop::Answered);
        }
        if !self.safe && !self.never_began {
            return Err(Stop::NotSafe);
        }
        if self.once {
            return Err(Stop::Once);
        }
        if self.tries > timing.retries {
            return Err(Stop::Tries);
        }
        let wait = timing.backoff(self.tries, random);
        if self.late || wait >= self.left {
            return Err(Stop::Deadline);
        }
        if pay() {
            Ok(wait)
        } else {
            Err(Stop::Budget)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ExecutorConfig;
    use proptest::prelude::*;

    fn failed() -> impl Strategy<Value = Failed> {
        let flags = any::<[bool; 5]>();
        (flags, 1u32..20, 0u64..10_000).prop_map(
            |([safe, once, retryable, never_began, late], tries, left)| Failed {
                safe,
                once,
                retryable,
                never_began,
                late,
                tries,
                left: Duration::from_millis(left),
            },
        )
    }

    proptest! {
        #[test]
        fn every_next_try_is_safe_useful_paid_for_and_in_time(failed in failed(), random in 0.0f64..1.0, rich: bool) {
            let timing = Timing::from(&ExecutorConfig::default());
            let mut paid = false;
            let next = failed.next(&timing, random, || { paid = rich; rich });
            prop_assert_eq!(next.is_ok(), paid);
            if let Ok(wait) = next {
                prop_assert!(failed.retryable && (failed.safe || failed.never_began));
                prop_assert!(failed.tries <= timing.retries);
                prop_assert!(!failed.late && !failed.once && wait < failed.left && wait <= timing.backoff_cap);
            }
        }

        #[test]
        fn what_may_have_had_its_effect_is_never_repeated(mut failed in failed(), random in 0.0f64..1.0) {
            failed.safe = false;
            failed.never_began = false;
            let timing = Timing::from(&ExecutorConfig::default());
            prop_assert!(failed.next(&timing, random, || true).is_err());
        }
    }
}
