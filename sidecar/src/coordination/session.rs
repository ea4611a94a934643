//! The session that a client has with the store.

use std::time::{Duration, Instant};

/// The state of the session, as [`super::Coordination::session`] shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// All is well. `number` counts the sessions of this client, from 1.
    Connected { number: u64 },
    /// The store does not answer. The session, and what it holds, may still be there.
    Suspended { number: u64 },
    /// The session is gone and so is everything it held. The next one is being made.
    Lost,
    /// The client has been closed.
    Closed,
}

impl SessionState {
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// The session that may still hold something.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Connected { number } | Self::Suspended { number } => Some(number),
            Self::Lost | Self::Closed => None,
        }
    }
}

/// Until when a session is certain to hold what it holds, judged by the client's own monotonic
/// clock. A leader has to stop by then, because from then on the store may have
/// given it to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// As long as this process lives (an embedded store on the same machine).
    Process,
    /// Until this moment, unless it is renewed.
    Until(Instant),
    /// There is none.
    Ended,
}

impl Lease {
    /// The share of the session timeout for which a renewal counts. The rest is a margin for
    /// clocks that run differently and for a renewal that went through a server that is behind.
    pub const SHARE: f64 = 2.0 / 3.0;

    /// The lease after the store has answered a request that was sent at `sent_at`.
    pub fn renewed(sent_at: Instant, session_timeout: Duration) -> Self {
        Self::Until(sent_at + session_timeout.mul_f64(Self::SHARE))
    }

    pub fn holds_at(self, now: Instant) -> bool {
        match self {
            Self::Process => true,
            Self::Until(end) => now < end,
            Self::Ended => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_before_the_session_does() {
        let sent_at = Instant::now();
        let lease = Lease::renewed(sent_at, Duration::from_secs(6));
        assert!(lease.holds_at(sent_at + Duration::from_millis(3_990)));
        assert!(!lease.holds_at(sent_at + Duration::from_secs(4)));
        assert!(!Lease::Ended.holds_at(sent_at));
    }
}
