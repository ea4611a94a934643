//! What can go wrong with an operation.

use std::any::Any;

use expanse_core::sqlstate;
use expanse_core::wire::ControlError;
use thiserror::Error as ThisError;
use tokio_postgres::error::SqlState;

use super::refusal::Reason;
use crate::{coordination, postgres};

#[derive(Debug, ThisError)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] coordination::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// What a node answered is known to pass at this step.
    #[error(transparent)]
    Awaited(postgres::Error),
    /// By the engine or the kind of the operation.
    #[error("{0}")]
    Refused(Box<dyn Reason>),
    #[error("the operation was cancelled")]
    Cancelled,
    /// Another sidecar leads; it goes on with the operation.
    #[error("this sidecar no longer leads")]
    Deposed,
    #[error("journal entry of operation {operation_id} is damaged: {reason}")]
    Damaged { operation_id: i64, reason: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl<R: Reason> From<R> for Error {
    fn from(reason: R) -> Self {
        Self::Refused(Box::new(reason))
    }
}

impl Error {
    /// Whether the same step may succeed later without a change by anyone: what the store
    /// and the servers say of their own errors, and what a step says itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Postgres(error) => error.is_retryable(),
            Self::Awaited(_) => true,
            Self::Refused(reason) => reason.passes(),
            Self::Cancelled | Self::Deposed | Self::Damaged { .. } => false,
        }
    }

    /// The refusal, if it is one of that enum.
    pub fn refusal<R: Reason>(&self) -> Option<&R> {
        match self {
            Self::Refused(reason) => (&**reason as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// Whether the server answered with this SQLSTATE.
    pub fn has_code(&self, wanted: &str) -> bool {
        match self {
            Self::Postgres(error) | Self::Awaited(error) => error.has_code(wanted),
            _ => false,
        }
    }

    /// The error as a client of the control socket and of `cluster_operations` sees it.
    pub fn to_control(&self) -> ControlError {
        let own = |state: sqlstate::SqlState| {
            ControlError::new(state, self.to_string()).with_hint(state.hint)
        };
        match self {
            Self::Store(error) => ControlError::new(error.sqlstate(), error.to_string()),
            Self::Postgres(error) | Self::Awaited(error) => error.to_control(),
            Self::Refused(reason) => reason.to_control(),
            Self::Cancelled => ControlError::new(SqlState::QUERY_CANCELED.code(), self.to_string()),
            Self::Deposed => own(sqlstate::NOT_LEADER),
            Self::Damaged { .. } => own(sqlstate::JOURNAL_DAMAGED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::Refusal;

    #[test]
    fn a_refusal_keeps_its_type() {
        let error = Error::from(Refusal::UnknownOperation { id: 4 });
        assert_eq!(
            error.refusal::<Refusal>(),
            Some(&Refusal::UnknownOperation { id: 4 })
        );
        assert_eq!(error.to_control().sqlstate, sqlstate::UNKNOWN_OPERATION);
        assert!(!error.is_retryable());
        assert!(Error::from(Refusal::NotInCluster).is_retryable());
        assert_eq!(Error::Deposed.refusal::<Refusal>(), None);
    }

    #[test]
    fn every_error_of_its_own_has_a_sqlstate() {
        let damaged = Error::Damaged {
            operation_id: 1,
            reason: "no JSON".into(),
        };
        let codes: Vec<_> = [Error::Cancelled, Error::Deposed, damaged]
            .iter()
            .map(|error| error.to_control().sqlstate)
            .collect();
        assert_eq!(codes, ["57014", "XP113", "XP114"]);
    }
}
