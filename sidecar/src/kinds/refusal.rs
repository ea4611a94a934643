//! What several kinds of operations refuse.

use expanse_core::sqlstate;
use expanse_core::wire::{ControlError, OperationState};
use tokio_postgres::error::SqlState;

use super::disk_space::Room;
use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("relation \"{relation}\" is not distributed")]
    NotDistributed { relation: String },
    #[error("a prepared transaction on node \"{node}\" may be the {step}")]
    InDoubt { node: String, step: &'static str },
    #[error("node \"{}\" lacks room for what it would get", first.node)]
    NoRoom {
        first: Room,
        others: Vec<Room>,
        /// What can be added instead of making room there.
        add: &'static str,
    },
    #[error("operation {id} (rebind of \"{target}\") has {}", state.as_str())]
    RebindFailed {
        id: i64,
        target: String,
        state: OperationState,
        said: Option<ControlError>,
    },
    #[error("a hash map that nothing is bound to disappears by itself")]
    DropsItself,
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::NotDistributed { .. } => sqlstate::NOT_DISTRIBUTED.code,
            Self::InDoubt { .. } => sqlstate::STEP_IN_DOUBT.code,
            Self::NoRoom { .. } => sqlstate::INSUFFICIENT_ROOM.code,
            Self::RebindFailed { said, .. } => said
                .as_ref()
                .map_or(sqlstate::CHILD_FAILED.code, |error| &error.sqlstate),
            Self::DropsItself => SqlState::FEATURE_NOT_SUPPORTED.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NoRoom { first, others, .. } => {
                let figures: Vec<String> = [first]
                    .into_iter()
                    .chain(others)
                    .map(Room::figures)
                    .collect();
                Some(figures.join(" "))
            }
            Self::RebindFailed { said, .. } => said.as_ref().map(|error| error.message.clone()),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotDistributed { .. } => Some("See SELECT * FROM cluster_tables.".into()),
            Self::NoRoom { add, .. } => Some(format!("Make room there, or add another {add}.")),
            Self::RebindFailed { said, .. } => said.as_ref()?.hint.clone(),
            Self::DropsItself => {
                Some("Rebind its tables; see SELECT * FROM cluster_tables.".into())
            }
            Self::InDoubt { .. } => None,
        }
    }

    fn passes(&self) -> bool {
        matches!(self, Self::InDoubt { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let room = |node: &str| Room {
            node: node.into(),
            needed: 901.0,
            free: 1000.0,
        };
        let failed = |said| Refusal::RebindFailed {
            id: 4,
            target: "public.t".into(),
            state: OperationState::Failed,
            said,
        };
        let all = [
            Refusal::NotDistributed {
                relation: "t".into(),
            },
            Refusal::InDoubt {
                node: "n2".into(),
                step: "switch",
            },
            Refusal::NoRoom {
                first: room("n1"),
                others: vec![room("n2")],
                add: "server first with SELECT cluster_expand(...)",
            },
            failed(None),
            Refusal::DropsItself,
        ];
        check_all(&all, 5);
        let said = ControlError::new(sqlstate::SETTING_TOO_LOW, "no slots").with_hint("Make some.");
        let told = failed(Some(said)).to_control();
        assert_eq!(told.sqlstate, sqlstate::SETTING_TOO_LOW);
        assert_eq!(told.detail.as_deref(), Some("no slots"));
        assert_eq!(told.hint.as_deref(), Some("Make some."));
    }
}
