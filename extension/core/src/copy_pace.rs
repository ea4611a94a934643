//! How fast a copy may send: portions of rows, and the moment at which the next bytes are due.
//!
//! All copies of a group on a node share one [`Due`]: each claims the time that its bytes last at the limit, behind what the
//! others have claimed. Nothing is saved up while no copy sends.

/// Bytes between two looks at the limit.
const PORTION: i64 = 64 << 10;
/// Most rows between two looks at the limit.
const MOST_ROWS: u64 = 1000;
/// The longest sleep before the limit is looked at again, in microseconds.
const LOOK_US: i64 = 100_000;

/// How many rows to send before the next look, when the last ones took so many bytes.
pub fn portion(rows: u64, bytes: i64) -> u64 {
    let wanted = match u64::try_from(bytes) {
        Ok(bytes) if bytes > 0 => u128::from(rows) * PORTION as u128 / u128::from(bytes),
        // Nothing is known of their size.
        _ => u128::from(rows),
    };
    wanted.clamp(1, u128::from(MOST_ROWS)) as u64
}

/// When the next bytes are due, in microseconds of a clock that all sessions of the server share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due(pub i64);

impl Due {
    /// After so many bytes more, at so many bytes per second (at least 1).
    pub fn after(self, now: i64, bytes: i64, bytes_per_second: i64) -> Due {
        let lasts = i128::from(bytes.max(0)) * 1_000_000 / i128::from(bytes_per_second.max(1));
        let lasts = i64::try_from(lasts).unwrap_or(i64::MAX);
        Due(self.0.max(now).saturating_add(lasts))
    }

    /// How long to sleep now, in microseconds; `None` when it is due. `shared` is what all copies have claimed by now: less than
    /// this means that the limit has been changed or taken away since, which voids the claim.
    pub fn sleep(self, now: i64, shared: Option<Due>) -> Option<i64> {
        let stands = shared.is_some_and(|shared| shared.0 >= self.0);
        (stands && now < self.0).then(|| (self.0 - now).min(LOOK_US))
    }
}

#[cfg(test)]
mod tests {
    use super::{portion, Due, LOOK_US};
    use proptest::prelude::*;

    #[test]
    fn a_portion_is_about_as_large_as_planned() {
        assert_eq!(portion(100, 100 * 1024), 64);
        assert_eq!(portion(16, 16), 1000);
        assert_eq!(portion(16, 1 << 30), 1);
        assert_eq!(portion(16, 0), 16);
        assert_eq!(portion(0, 0), 1);
    }

    #[test]
    fn a_claim_is_void_once_the_limit_has_changed() {
        let claimed = Due(0).after(1_000, 1 << 20, 1 << 20);
        assert_eq!(claimed, Due(1_001_000));
        assert_eq!(claimed.sleep(1_000, Some(claimed)), Some(LOOK_US));
        assert_eq!(claimed.sleep(1_000_999, Some(claimed)), Some(1));
        assert_eq!(claimed.sleep(1_001_000, Some(claimed)), None);
        assert_eq!(claimed.sleep(1_000, Some(Due(0))), None);
        assert_eq!(claimed.sleep(1_000, None), None);
    }

    proptest! {
        /// However bytes are divided into claims, and however the claims of several copies mix, they are not faster than the
        /// limit.
        #[test]
        fn the_limit_holds(claims in prop::collection::vec(0i64..1 << 24, 1..50), limit in 1i64..1 << 30, start in 0i64..1 << 50) {
            let end = claims.iter().fold(Due(0), |due, &bytes| due.after(start, bytes, limit));
            let bytes: i64 = claims.iter().sum();
            let lasts = i128::from(bytes) * 1_000_000 / i128::from(limit);
            let took = i128::from(end.0 - start);
            // Each claim is rounded down to a microsecond.
            prop_assert!(took <= lasts && lasts - took <= claims.len() as i128);
        }

        /// Time that has passed without copies does not make later ones faster.
        #[test]
        fn nothing_is_saved_up(due in 0i64..1 << 50, idle in 0i64..1 << 50, bytes in 0i64..1 << 40, limit in 1i64..1 << 30) {
            let now = due + idle;
            prop_assert_eq!(Due(due).after(now, bytes, limit), Due(0).after(now, bytes, limit));
        }

        #[test]
        fn a_sleep_never_passes_the_due_moment(due in 0i64..1 << 50, now in 0i64..1 << 50) {
            if let Some(sleep) = Due(due).sleep(now, Some(Due(due))) {
                prop_assert!(sleep > 0 && sleep <= LOOK_US && now + sleep <= due);
            }
        }

        #[test]
        fn a_portion_always_goes_on(rows in 0u64.., bytes in any::<i64>()) {
            prop_assert!((1..=1000).contains(&portion(rows, bytes)));
        }
    }
}
