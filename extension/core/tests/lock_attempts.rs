//! How often a schema change asks for its locks.

use expanse_core::lock_attempts::{
    Attempts, Next, Patience, BUSY_PAUSE, FIRST_PAUSE, LONGEST_PAUSE, MANY, PATIENCE_ALONE,
    PATIENCE_WITHIN,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;

/// The pauses of a statement whose attempts all fail at once.
fn pauses(patience: Patience, session: u64, count: u32) -> Vec<Duration> {
    let mut attempts = Attempts::new(patience, None, session);
    (0..count)
        .map(|_| match attempts.failed(Duration::ZERO) {
            Next::Pause(pause) | Next::PauseOutside(pause) => pause,
            next => panic!("{next:?}"),
        })
        .collect()
}

#[test]
fn patience_depends_on_the_transaction() {
    assert_eq!(Patience::of(true, true), Patience::Endless);
    assert_eq!(Patience::of(true, false), Patience::Alone);
    assert_eq!(Patience::of(false, true), Patience::Within);
    assert_eq!(Patience::of(false, false), Patience::Within);
}

#[test]
fn a_statement_waits_when_its_patience_is_over() {
    for (patience, limit) in [
        (Patience::Alone, PATIENCE_ALONE),
        (Patience::Within, PATIENCE_WITHIN),
    ] {
        let mut attempts = Attempts::new(patience, None, 1);
        let before = attempts.failed(limit - Duration::from_millis(1));
        assert!(matches!(before, Next::Pause(_) | Next::PauseOutside(_)));
        assert_eq!(attempts.failed(limit), Next::Wait);
    }
    let mut endless = Attempts::new(Patience::Endless, None, 1);
    let day = Duration::from_secs(86_400);
    assert!(matches!(endless.failed(day), Next::PauseOutside(_)));
}

#[test]
fn the_transaction_is_kept_where_something_was_done_in_it() {
    let next = |patience| Attempts::new(patience, None, 1).failed(Duration::ZERO);
    assert!(matches!(next(Patience::Within), Next::Pause(_)));
    assert!(matches!(next(Patience::Alone), Next::PauseOutside(_)));
    assert!(matches!(next(Patience::Endless), Next::PauseOutside(_)));
}

proptest! {
    #[test]
    fn lock_timeout_comes_first(
        patience in select(vec![Patience::Endless, Patience::Alone, Patience::Within]),
        timeout in 1_u64..100_000,
        elapsed in 0_u64..200_000,
    ) {
        let mut attempts = Attempts::new(patience, Some(Duration::from_millis(timeout)), 7);
        let next = attempts.failed(Duration::from_millis(elapsed));
        prop_assert_eq!(next == Next::Fail, elapsed >= timeout);
    }

    #[test]
    fn pauses_grow_to_their_limits(session in any::<u64>()) {
        let pauses = pauses(Patience::Endless, session, MANY * 2);
        let milliseconds = |ms| Duration::from_millis(ms);
        prop_assert!(pauses[0] >= milliseconds(FIRST_PAUSE));
        // Longer by up to a half, so that two sessions do not meet again.
        for (number, pause) in pauses.iter().enumerate() {
            let longest = if number < MANY as usize { BUSY_PAUSE } else { LONGEST_PAUSE };
            prop_assert!(*pause < milliseconds(longest + longest / 2));
        }
        prop_assert!(pauses[MANY as usize - 1] >= milliseconds(BUSY_PAUSE));
        prop_assert!(pauses[MANY as usize * 2 - 1] >= milliseconds(LONGEST_PAUSE));
    }

    #[test]
    fn two_sessions_part(session in any::<u32>()) {
        let (one, other) = (u64::from(session), u64::from(session) + 1);
        prop_assert_ne!(
            pauses(Patience::Alone, one, 5),
            pauses(Patience::Alone, other, 5)
        );
    }
}
