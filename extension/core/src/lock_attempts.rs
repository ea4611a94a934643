//! The locks of a schema change are asked for in short attempts on all nodes: for how long, and with which pauses.
//!
//! # How it works
//! Between two attempts there is a pause, doubled each time: soon up to [`BUSY_PAUSE`], that of a busy table where one of the
//! next attempts will succeed, and after [`MANY`] attempts up to [`LONGEST_PAUSE`], that of a table that a transaction has
//! locked for long. When the patience of a statement is at an end, it waits for its locks as PostgreSQL does.

use std::time::Duration;

/// Pauses in milliseconds.
pub const FIRST_PAUSE: u64 = 10;
pub const BUSY_PAUSE: u64 = 320;
pub const LONGEST_PAUSE: u64 = 3_200;
/// Attempts after which the table counts as locked for long.
pub const MANY: u32 = 20;
/// How long a transaction block makes attempts, and a statement that is its whole transaction.
pub const PATIENCE_WITHIN: Duration = Duration::from_secs(5);
pub const PATIENCE_ALONE: Duration = Duration::from_secs(30);

/// For how long a statement makes attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A statement with CONCURRENTLY, which is its whole transaction: until it has its locks.
    Endless,
    /// Any other statement that is its whole transaction.
    Alone,
    /// Other sessions may wait for what its transaction has done before.
    Within,
}

impl Patience {
    /// `alone`: the statement is its whole transaction.
    pub fn of(alone: bool, concurrently: bool) -> Patience {
        match (alone, concurrently) {
            (true, true) => Patience::Endless,
            (true, false) => Patience::Alone,
            (false, _) => Patience::Within,
        }
    }

    fn limit(self) -> Option<Duration> {
        match self {
            Patience::Endless => None,
            Patience::Alone => Some(PATIENCE_ALONE),
            Patience::Within => Some(PATIENCE_WITHIN),
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// `lock_timeout` is over: the failure is the statement's.
    Fail,
    /// Patience is over: the statement waits for its locks by itself.
    Wait,
    /// Another attempt after this pause, inside the same transaction.
    Pause(Duration),
    /// Another attempt after this pause, in a new transaction: nothing has been done in this one, and an index build elsewhere
    /// waits for the end of transactions that have locked its table, not only for that of their locks.
    PauseOutside(Duration),
}

/// The attempts of one statement.
#[derive(Debug)]
pub struct Attempts {
    patience: Patience,
    lock_timeout: Option<Duration>,
    /// Tells sessions apart whose pauses would be the same.
    session: u64,
    failed: u32,
    pause: u64,
}

impl Attempts {
    pub fn new(patience: Patience, lock_timeout: Option<Duration>, session: u64) -> Attempts {
        Attempts {
            patience,
            lock_timeout,
            session,
            failed: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// After an attempt has failed, `elapsed` after the first one began.
    pub fn failed(&mut self, elapsed: Duration) -> Next {
        let over = |limit: Option<Duration>| limit.is_some_and(|limit| elapsed >= limit);
        if over(self.lock_timeout) {
            return Next::Fail;
        }
        if over(self.patience.limit()) {
            return Next::Wait;
        }
        let pause = Duration::from_millis(unlike_others(self.pause, self.session));
        self.failed += 1;
        let longest = if self.failed < MANY {
            BUSY_PAUSE
        } else {
            LONGEST_PAUSE
        };
        self.pause = (self.pause * 2).min(longest);
        match self.patience {
            Patience::Within => Next::Pause(pause),
            Patience::Endless | Patience::Alone => Next::PauseOutside(pause),
        }
    }
}

/// Longer by up to a half, so that two sessions that are in each other's way do not meet again.
fn unlike_others(pause: u64, session: u64) -> u64 {
    pause + session.wrapping_mul(7919) % (pause / 2)
}
