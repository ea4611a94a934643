//! Why an operation is refused, or cannot go on: typed, with its data, by the engine and by each kind.

use std::any::Any;

use expanse_core::sqlstate::{self, SqlState as Condition};
use expanse_core::wire::{ControlError, OperationKind, OperationState};
use tokio_postgres::error::SqlState;

/// A refusal of the engine, of streams, or of a kind of operation.
pub trait Reason: std::error::Error + Any + Send + Sync {
    fn sqlstate(&self) -> &str;

    fn detail(&self) -> Option<String> {
        None
    }

    /// The next thing to do; the hint of the SQLSTATE if there is none of its own.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Whether a repetition may help without a change by anyone.
    fn passes(&self) -> bool {
        false
    }

    /// The refusal as it is in the journal and on the wire.
    fn to_control(&self) -> ControlError {
        let general = || Some(Condition::find(self.sqlstate())?.hint.to_owned());
        ControlError {
            sqlstate: self.sqlstate().to_owned(),
            message: self.to_string(),
            detail: self.detail(),
            hint: self.hint().or_else(general),
        }
    }
}

/// What the engine refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this server is not part of a cluster")]
    NotInCluster,
    #[error("node \"{node}\" does not exist")]
    UnknownNode { node: String },
    #[error("operation {running} is running: {} of \"{target}\"", kind.as_str())]
    Conflict {
        running: i64,
        kind: OperationKind,
        target: String,
        new_kind: OperationKind,
        new_target: String,
    },
    #[error("operation {id} does not exist")]
    UnknownOperation { id: i64 },
    #[error("invalid {parameter}: {reason}")]
    InvalidParameter { parameter: String, reason: String },
    #[error("operations of kind {} do not exist", kind.as_str())]
    UnknownKind { kind: OperationKind },
    #[error("operation {id} cannot be reversed: it is of kind {}", kind.as_str())]
    NotReversible { id: i64, kind: OperationKind },
    #[error("operation {id} has not switched yet")]
    NotSwitched { id: i64 },
    #[error("operation {id} is being undone")]
    BeingUndone { id: i64 },
    #[error("operation {id} has already finished")]
    Finished { id: i64, state: OperationState },
    #[error("operation {id} cannot be undone any more")]
    PastReturn { id: i64, step: &'static str },
    #[error("operation {id} is not paused")]
    NotPaused { id: i64, state: OperationState },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::NotInCluster => sqlstate::NOT_IN_CLUSTER.code,
            Self::UnknownNode { .. } => sqlstate::UNKNOWN_NODE.code,
            Self::Conflict { .. } => sqlstate::OPERATION_RUNNING.code,
            Self::UnknownOperation { .. } => sqlstate::UNKNOWN_OPERATION.code,
            Self::InvalidParameter { .. } => sqlstate::INVALID_PARAMETER.code,
            Self::UnknownKind { .. } => SqlState::FEATURE_NOT_SUPPORTED.code(),
            Self::NotReversible { .. } | Self::NotSwitched { .. } | Self::BeingUndone { .. } => {
                sqlstate::NOT_REVERSIBLE.code
            }
            Self::Finished { .. } => sqlstate::OPERATION_FINISHED.code,
            Self::PastReturn { .. } => sqlstate::PAST_NO_RETURN.code,
            Self::NotPaused { .. } => sqlstate::NOT_PAUSED.code,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Conflict {
                new_kind,
                new_target,
                ..
            } => Some(format!(
                "The {} of \"{new_target}\" cannot begin before it has ended.",
                new_kind.as_str()
            )),
            Self::Finished { state, .. } | Self::NotPaused { state, .. } => {
                Some(format!("Its state is {}.", state.as_str()))
            }
            Self::PastReturn { step, .. } => {
                Some(format!("Step \"{step}\" was the point of no return."))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { running: id, .. } => Some(format!(
                "Wait for it with SELECT cluster_wait({id}), or stop it with SELECT cluster_cancel({id})."
            )),
            Self::UnknownKind { .. } => Some("Update expansed on this node.".into()),
            Self::NotReversible { id, .. } | Self::NotSwitched { id } => {
                Some(format!("Stop it with SELECT cluster_cancel({id})."))
            }
            Self::BeingUndone { id } | Self::PastReturn { id, .. } => {
                Some(format!("Let it end: SELECT cluster_wait({id})."))
            }
            _ => None,
        }
    }

    /// A server that has left the cluster says nothing about the others: the next leader goes on.
    fn passes(&self) -> bool {
        matches!(self, Self::NotInCluster)
    }
}

/// Checks a table with an example of every variant of an enum, of which there are `variants`.
#[cfg(test)]
pub fn check_all<R: Reason>(all: &[R], variants: usize) {
    let kinds: std::collections::HashSet<_> = all.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), variants, "an example of every variant");
    for reason in all {
        let told = reason.to_control();
        assert_eq!(told.sqlstate.len(), 5, "{reason:?}");
        let own = told.sqlstate.starts_with("XP");
        assert_eq!(own, Condition::find(&told.sqlstate).is_some(), "{reason:?}");
        let first = told.message.chars().next();
        assert!(
            first.is_some_and(|c| !c.is_uppercase()) && !told.message.ends_with('.'),
            "{reason:?}: {}",
            told.message
        );
        for sentence in [&told.detail, &told.hint].into_iter().flatten() {
            assert!(sentence.ends_with('.'), "{reason:?}: {sentence}");
        }
        assert!(!own || told.hint.is_some(), "{reason:?} has no hint");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let id = 7;
        let kind = OperationKind::Expand;
        let state = OperationState::Running;
        let all = [
            Refusal::NotInCluster,
            Refusal::UnknownNode { node: "n9".into() },
            Refusal::Conflict {
                running: id,
                kind,
                target: "n5".into(),
                new_kind: OperationKind::Shrink,
                new_target: "n2".into(),
            },
            Refusal::UnknownOperation { id },
            Refusal::InvalidParameter {
                parameter: "port".into(),
                reason: "it is not between 1 and 65535".into(),
            },
            Refusal::UnknownKind { kind },
            Refusal::NotReversible { id, kind },
            Refusal::NotSwitched { id },
            Refusal::BeingUndone { id },
            Refusal::Finished { id, state },
            Refusal::PastReturn { id, step: "close" },
            Refusal::NotPaused { id, state },
        ];
        check_all(&all, 12);
        let conflict = all[2].to_control();
        assert_eq!(conflict.message, "operation 7 is running: expand of \"n5\"");
        assert_eq!(
            conflict.detail.as_deref(),
            Some("The shrink of \"n2\" cannot begin before it has ended.")
        );
        assert!(all
            .iter()
            .all(|r| r.passes() == (*r == Refusal::NotInCluster)));
    }
}
