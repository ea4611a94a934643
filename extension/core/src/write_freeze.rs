//! How long the writers of a group may be held up, and what is left of that.

use std::time::{Duration, Instant};

/// The longest limit, in milliseconds.
pub const LONGEST_MS: i32 = 60_000;

/// A freeze that a transaction holds until its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteFreeze {
    /// The transaction, by a number that none of the same session's has had before.
    transaction: u32,
    end: Instant,
}

/// What a transaction may do that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It holds no freeze.
    NoFreeze,
    /// Its freeze has exceeded its limit: it may do nothing more.
    Over,
    /// So many milliseconds, at least 1.
    Milliseconds(i32),
}

impl WriteFreeze {
    /// Begins one; `None` when the limit is not allowed.
    pub fn begin(transaction: u32, now: Instant, limit_ms: i32) -> Option<WriteFreeze> {
        let limit = Duration::from_millis(u64::try_from(limit_ms).ok()?);
        (1..=LONGEST_MS).contains(&limit_ms).then_some(WriteFreeze {
            transaction,
            end: now + limit,
        })
    }

    /// What is left for this transaction, which may be a later one of the session that has begun the freeze.
    pub fn left(freeze: Option<WriteFreeze>, transaction: u32, now: Instant) -> Left {
        let Some(freeze) = freeze.filter(|freeze| freeze.transaction == transaction) else {
            return Left::NoFreeze;
        };
        let left = freeze.end.saturating_duration_since(now).as_millis();
        match i32::try_from(left).unwrap_or(LONGEST_MS) {
            0 => Left::Over,
            left => Left::Milliseconds(left),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "the time is an argument, but an Instant comes from the clock alone"
)]
mod tests {
    use super::{Left, WriteFreeze, LONGEST_MS};
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    #[test]
    fn limits_are_bounded() {
        let now = Instant::now();
        for limit in [i32::MIN, -1, 0, LONGEST_MS + 1, i32::MAX] {
            assert_eq!(WriteFreeze::begin(1, now, limit), None, "{limit} ms");
        }
        for limit in [1, 500, LONGEST_MS] {
            assert!(WriteFreeze::begin(1, now, limit).is_some(), "{limit} ms");
        }
    }

    #[test]
    fn a_freeze_is_of_one_transaction() {
        let now = Instant::now();
        let freeze = WriteFreeze::begin(7, now, 500);
        assert_eq!(WriteFreeze::left(None, 7, now), Left::NoFreeze);
        assert_eq!(WriteFreeze::left(freeze, 8, now), Left::NoFreeze);
        assert_eq!(WriteFreeze::left(freeze, 7, now), Left::Milliseconds(500));
    }

    proptest! {
        /// No more than the limit, less with time, and over at its end.
        #[test]
        fn what_is_left_only_shrinks(limit in 1..=LONGEST_MS, first in 0u64..70_000, second in 0u64..70_000) {
            let begin = Instant::now();
            let freeze = WriteFreeze::begin(1, begin, limit);
            let after = |ms: u64| match WriteFreeze::left(freeze, 1, begin + Duration::from_millis(ms)) {
                Left::Milliseconds(left) => left,
                Left::Over => 0,
                Left::NoFreeze => -1,
            };
            let (early, late) = (first.min(second), first.max(second));
            prop_assert!(after(late) <= after(early) && after(early) <= limit && after(late) >= 0);
            prop_assert_eq!(after(limit as u64), 0);
            prop_assert_eq!(i64::from(after(early)), (i64::from(limit) - early as i64).max(0));
        }
    }
}
