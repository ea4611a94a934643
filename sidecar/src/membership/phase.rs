//! What this node is to the cluster: one state machine with a declared table.
//!
//! A look at the local server gives a [`Sight`]; [`TABLE`] says what the node is after it. Only a node that is
//! [`Phase::Ready`] has a status entry and may lead.

/// What the node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its server does not answer.
    Silent,
    /// Its server belongs to no cluster.
    Outside,
    /// Its server is being made a node.
    Joining,
    /// Its server has been taken out of use.
    Inactive,
    /// Its server was away, or was not known: what it missed has to be made up for.
    CatchingUp,
    Ready,
}

/// What has been seen of the local server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    NoAnswer,
    NoNode,
    Joining,
    Inactive,
    /// A node, and the same process as before.
    Node,
    /// A node, started since the last look.
    Restarted,
    /// It has all that the other nodes have.
    Level,
    /// It lacks something, or has something in doubt.
    Behind,
}

/// One line of the table: in any phase of `from`, `sight` leads to `to`.
struct Transition {
    from: &'static [Phase],
    sight: Sight,
    to: Phase,
}

const ANY: &[Phase] = &[
    Phase::Silent,
    Phase::Outside,
    Phase::Joining,
    Phase::Inactive,
    Phase::CatchingUp,
    Phase::Ready,
];
const NOT_READY: &[Phase] = &[
    Phase::Silent,
    Phase::Outside,
    Phase::Joining,
    Phase::Inactive,
    Phase::CatchingUp,
];
const READY: &[Phase] = &[Phase::Ready];
const CATCHING_UP: &[Phase] = &[Phase::CatchingUp];

const fn line(from: &'static [Phase], sight: Sight, to: Phase) -> Transition {
    Transition { from, sight, to }
}

/// Whether it is level is only asked while it catches up: metadata change under a node that is ready, on all nodes in one
/// transaction, and are never the same everywhere at one moment.
const TABLE: &[Transition] = &[
    line(ANY, Sight::NoAnswer, Phase::Silent),
    line(ANY, Sight::NoNode, Phase::Outside),
    line(ANY, Sight::Joining, Phase::Joining),
    line(ANY, Sight::Inactive, Phase::Inactive),
    line(ANY, Sight::Restarted, Phase::CatchingUp),
    line(NOT_READY, Sight::Node, Phase::CatchingUp),
    line(READY, Sight::Node, Phase::Ready),
    line(CATCHING_UP, Sight::Level, Phase::Ready),
    line(CATCHING_UP, Sight::Behind, Phase::CatchingUp),
];

impl Phase {
    /// What the node is after `sight`; what the table does not mention changes nothing.
    pub fn after(self, sight: Sight) -> Phase {
        TABLE
            .iter()
            .find(|line| line.sight == sight && line.from.contains(&self))
            .map_or(self, |line| line.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGHTS: [Sight; 8] = [
        Sight::NoAnswer,
        Sight::NoNode,
        Sight::Joining,
        Sight::Inactive,
        Sight::Node,
        Sight::Restarted,
        Sight::Level,
        Sight::Behind,
    ];

    #[test]
    fn no_two_lines_speak_of_the_same() {
        for &phase in ANY {
            for sight in SIGHTS {
                let lines = TABLE
                    .iter()
                    .filter(|line| line.sight == sight && line.from.contains(&phase))
                    .count();
                let asked = phase == Phase::CatchingUp;
                let comparison = matches!(sight, Sight::Level | Sight::Behind);
                assert_eq!(
                    lines,
                    usize::from(asked || !comparison),
                    "{phase:?} {sight:?}"
                );
            }
        }
    }

    proptest! {
        /// Between any absence and being ready lies a comparison that found nothing missing.
        #[test]
        fn nobody_is_ready_without_having_been_compared(sights in prop::collection::vec(prop::sample::select(&SIGHTS[..]), 0..30)) {
            let mut phase = Phase::Silent;
            let mut compared = false;
            for sight in sights {
                let before = phase;
                phase = phase.after(sight);
                match sight {
                    Sight::Level => compared |= before == Phase::CatchingUp,
                    Sight::Behind => {}
                    Sight::Node => compared &= before == Phase::Ready,
                    _ => compared = false,
                }
                prop_assert_eq!(phase == Phase::Ready, compared);
            }
        }
    }
}
