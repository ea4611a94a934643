//! What can go wrong with an operation.

use expanse_core::wire::ControlError;
use thiserror::Error as ThisError;

use crate::{coordination, postgres};

#[derive(Debug, ThisError)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] coordination::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
    /// Nothing that a repetition would change.
    #[error("{0}")]
    Refused(ControlError),
    /// Something that a repetition may change.
    #[error("{0}")]
    NotYet(ControlError),
    #[error("\"{program}\" failed: {output}")]
    Tool { program: String, output: String },
    #[error("could not run \"{program}\": {reason}")]
    NoTool { program: String, reason: String },
    #[error("the operation was cancelled")]
    Cancelled,
    /// Another sidecar leads; it goes on with the operation.
    #[error("this sidecar no longer leads")]
    Deposed,
    #[error("journal entry of operation {operation_id} is damaged: {reason}")]
    Damaged { operation_id: i64, reason: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether the same step may succeed later without anybody changing anything: what the store
    /// and the servers say of their own errors, and what a step says itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Postgres(error) => error.is_retryable(),
            Self::NotYet(_) => true,
            Self::Refused(_)
            | Self::Tool { .. }
            | Self::NoTool { .. }
            | Self::Cancelled
            | Self::Deposed
            | Self::Damaged { .. } => false,
        }
    }

    /// The error as a client of the control socket and of `cluster_operations` sees it.
    pub fn to_control(&self) -> ControlError {
        match self {
            Self::Store(error) => ControlError::new(error.sqlstate(), error.to_string()),
            Self::Postgres(error) => error.to_control(),
            Self::Refused(error) | Self::NotYet(error) => error.clone(),
            Self::Tool { .. } => ControlError::new("XP111", self.to_string()),
            Self::NoTool { .. } => ControlError::new("XP112", self.to_string())
                .with_hint("Set postgres.bin_dir in the configuration of expansed to the directory of pg_dump and psql."),
            Self::Cancelled => ControlError::new("57014", self.to_string()),
            Self::Deposed => ControlError::new("XP113", self.to_string()),
            Self::Damaged { .. } => ControlError::new("XP114", self.to_string()),
        }
    }
}

/// A refusal with the next thing to do.
pub fn refused(sqlstate: &str, message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Refused(ControlError::new(sqlstate, message).with_hint(hint))
}
