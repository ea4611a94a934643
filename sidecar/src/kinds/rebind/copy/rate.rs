//! How fast a copy goes and how long it will take, by what was seen lately: pure.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back is looked.
const WINDOW: Duration = Duration::from_secs(10);

/// Bytes done at moments counted from any common beginning.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Duration, f64)>);

impl Rate {
    /// Notes that `bytes` were done `at` a moment.
    pub fn note(&mut self, at: Duration, bytes: f64) {
        self.0.push_back((at, bytes));
        while self.0.len() > 2 && at.saturating_sub(self.0[0].0) > WINDOW {
            self.0.pop_front();
        }
    }

    /// Bytes a second; `None` until there is something to say.
    pub fn per_second(&self) -> Option<f64> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let seconds = last.0.saturating_sub(first.0).as_secs_f64();
        (seconds >= 0.2).then(|| ((last.1 - first.1) / seconds).max(0.0))
    }

    /// Seconds until `total` bytes are done; `None` while nothing moves.
    pub fn seconds_left(&self, total: f64) -> Option<f64> {
        let rate = self.per_second().filter(|rate| *rate >= 1.0)?;
        let done = self.0.back()?.1;
        Some((total - done).max(0.0) / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(), None);
        rate.note(Duration::ZERO, 0.0);
        assert_eq!((rate.per_second(), rate.seconds_left(1e6)), (None, None));
        for second in 1..=20 {
            rate.note(Duration::from_secs(second), second as f64 * 1000.0);
        }
        rate.note(Duration::from_secs(30), 120_000.0);
        assert_eq!(rate.per_second(), Some(10_000.0));
        assert_eq!(rate.seconds_left(220_000.0), Some(10.0));
    }

    #[test]
    fn nothing_is_promised_of_a_copy_that_stands_still_or_is_done() {
        let mut rate = Rate::default();
        rate.note(Duration::ZERO, 500.0);
        rate.note(Duration::from_secs(1), 500.0);
        assert_eq!(rate.per_second(), Some(0.0));
        assert_eq!(rate.seconds_left(1000.0), None);
        rate.note(Duration::from_secs(2), 1500.0);
        assert_eq!(rate.seconds_left(1000.0), Some(0.0));
    }
}
