//! Why a stream cannot be made, or does not get on.

use expanse_core::sqlstate;
use tokio_postgres::error::SqlState;

use crate::operations::Reason;
use crate::postgres;

#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// By a leader before this one, or by a try whose answer was lost: it is looked for again.
    #[error("what a stream needs on node \"{node}\" is being made by an earlier try: {error}")]
    MadeMeanwhile {
        node: String,
        error: postgres::Error,
    },
    #[error("{who} on node \"{node}\" has locked {what}")]
    Locked {
        who: String,
        node: String,
        what: String,
    },
    #[error("a replication slot on node \"{node}\" is still in use")]
    SlotInUse { node: String },
    #[error("changes of node \"{node}\" were not drained in time")]
    NotDrained { node: String },
    #[error("relation \"{relation}\" has no replica identity")]
    NoReplicaIdentity { relation: String },
    #[error("stream \"{stream}\" has failed {failures} times on node \"{node}\"")]
    Failing {
        stream: String,
        failures: i64,
        node: String,
    },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::MadeMeanwhile { .. } => SqlState::DUPLICATE_OBJECT.code(),
            Self::Locked { .. } => sqlstate::COPY_BLOCKED.code,
            Self::SlotInUse { .. } => SqlState::OBJECT_IN_USE.code(),
            Self::NotDrained { .. } => sqlstate::STREAM_TOO_SLOW.code,
            Self::NoReplicaIdentity { .. } => sqlstate::NO_REPLICA_IDENTITY.code,
            Self::Failing { .. } => sqlstate::STREAM_FAILED.code,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { node, .. } => Some(format!(
                "Let its transaction end, or end it on node \"{node}\" with pg_terminate_backend."
            )),
            Self::NoReplicaIdentity { relation } => Some(format!(
                "Add a primary key, or run ALTER TABLE {relation} REPLICA IDENTITY FULL."
            )),
            Self::Failing { node, .. } => Some(format!("See the server log of node \"{node}\".")),
            _ => None,
        }
    }

    fn passes(&self) -> bool {
        match self {
            Self::MadeMeanwhile { .. }
            | Self::Locked { .. }
            | Self::SlotInUse { .. }
            | Self::NotDrained { .. } => true,
            Self::NoReplicaIdentity { .. } | Self::Failing { .. } => false,
        }
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
            Refusal::MadeMeanwhile {
                node: node(),
                error: postgres::Error::Busy {
                    node: node(),
                    command: "create a publication",
                },
            },
            Refusal::Locked {
                who: "process 7".into(),
                node: node(),
                what: "relation \"t\"".into(),
            },
            Refusal::SlotInUse { node: node() },
            Refusal::NotDrained { node: node() },
            Refusal::NoReplicaIdentity {
                relation: "public.t".into(),
            },
            Refusal::Failing {
                stream: "expanse_7_to_1_2".into(),
                failures: 3,
                node: node(),
            },
        ];
        check_all(&all, 6);
    }
}
