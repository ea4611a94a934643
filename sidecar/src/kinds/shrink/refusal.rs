//! Why nodes cannot leave, or not yet.

use expanse_core::sqlstate;

use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("nodes \"{}\" cannot leave: no node would be left", nodes.join("\", \""))]
    NoNodeLeft { nodes: Vec<String> },
    #[error("node \"{node}\" does not answer")]
    WouldLose {
        node: String,
        /// What would be lost, in words.
        loss: String,
    },
    #[error("node \"{node}\" does not answer, but other nodes that are to leave do")]
    SomeAnswer { node: String },
    #[error("transaction {gid} is still prepared on node \"{node}\"")]
    StillPrepared { gid: String, node: String },
    #[error("colocation group {group_id} moves, and a hash map still names the nodes")]
    GroupMoves { group_id: i32 },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::NoNodeLeft { .. } => sqlstate::NO_NODE_LEFT.code,
            Self::WouldLose { .. } => sqlstate::DATA_LOSS_NOT_ACCEPTED.code,
            Self::SomeAnswer { .. } => sqlstate::MIXED_SHRINK.code,
            Self::StillPrepared { .. } => sqlstate::TRANSACTION_IN_DOUBT.code,
            Self::GroupMoves { .. } => sqlstate::NODE_STILL_BOUND.code,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::WouldLose { loss, .. } => Some(format!("The cluster would lose {loss}.")),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WouldLose { node, .. } => Some(format!(
                "Start it again, or run SELECT cluster_shrink('{node}', lose_data => true) to go on without its rows."
            )),
            Self::StillPrepared { .. } => {
                Some("Wait: the sidecar of its coordinator finishes it.".into())
            }
            Self::GroupMoves { .. } => Some("Wait until its rebind has ended.".into()),
            Self::NoNodeLeft { .. } | Self::SomeAnswer { .. } => None,
        }
    }

    fn passes(&self) -> bool {
        matches!(self, Self::StillPrepared { .. } | Self::GroupMoves { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let node = || "n2".to_owned();
        let all = [
            Refusal::NoNodeLeft {
                nodes: vec![node(), "n3".into()],
            },
            Refusal::WouldLose {
                node: node(),
                loss: "12 buckets of table t with about 5 rows".into(),
            },
            Refusal::SomeAnswer { node: node() },
            Refusal::StillPrepared {
                gid: "expanse_1_2".into(),
                node: node(),
            },
            Refusal::GroupMoves { group_id: 3 },
        ];
        check_all(&all, 5);
        assert_eq!(
            all[0].to_string(),
            "nodes \"n2\", \"n3\" cannot leave: no node would be left"
        );
    }
}
