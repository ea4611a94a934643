//! What can go wrong with the coordination store, and what to do about it.

use expanse_core::sqlstate;
use thiserror::Error as ThisError;

/// Every way in which a call on the coordination store can fail.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    #[error("coordination address \"{address}\" is not valid: {reason}")]
    InvalidAddress { address: String, reason: String },
    #[error("coordination path \"{path}\" is not valid: {reason}")]
    InvalidPath { path: String, reason: &'static str },
    #[error("coordination entry \"{path}\" would be {bytes} bytes long")]
    TooLarge { path: String, bytes: usize },
    #[error("coordination entry \"{path}\" does not exist")]
    NotFound { path: String },
    #[error("coordination entry \"{path}\" already exists")]
    AlreadyExists { path: String },
    #[error("coordination entry \"{path}\" is no longer at version {expected}")]
    VersionMismatch { path: String, expected: i32 },
    #[error("coordination entry \"{path}\" has entries below it")]
    NotEmpty { path: String },
    #[error("the parent of coordination entry \"{path}\" is ephemeral")]
    EphemeralParent { path: String },
    #[error("coordination entry \"{path}\" cannot be read: {reason}")]
    Damaged { path: String, reason: String },
    #[error("access to the coordination store was refused: {reason}")]
    AccessDenied { reason: String },
    #[error("the coordination store cannot be reached: {reason}")]
    Unavailable { reason: String },
    #[error("the coordination store did not answer in time: {call}")]
    DeadlineExceeded { call: String },
    #[error("it is not known whether the change of coordination entry \"{path}\" was made")]
    UnknownOutcome { path: String },
    #[error("the session with the coordination store has ended")]
    SessionLost,
    #[error("the coordination store has been closed")]
    Closed,
}

impl Error {
    /// Whether the same call may succeed later, without a change by anyone.
    ///
    /// * `Unavailable`, `DeadlineExceeded`, `SessionLost`: the store or the way to it may recover.
    /// * `UnknownOutcome`: writes name the version they replace, so repeating is safe; the repeated
    ///   call may then say `VersionMismatch` or `AlreadyExists` because the first one was made.
    /// * All others say something about the request or the data, which a repetition does not
    ///   change. (`VersionMismatch` wants a new read first: that is [`super::update`].)
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::DeadlineExceeded { .. }
                | Self::SessionLost
                | Self::UnknownOutcome { .. }
        )
    }

    /// Whether the change that was asked for can have been made although the call failed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::UnknownOutcome { .. } | Self::DeadlineExceeded { .. }
        )
    }

    fn condition(&self) -> sqlstate::SqlState {
        match self {
            Self::InvalidAddress { .. } => sqlstate::COORDINATION_INVALID_ADDRESS,
            Self::InvalidPath { .. } => sqlstate::COORDINATION_INVALID_PATH,
            Self::TooLarge { .. } => sqlstate::COORDINATION_TOO_LARGE,
            Self::NotFound { .. } => sqlstate::COORDINATION_NOT_FOUND,
            Self::AlreadyExists { .. } => sqlstate::COORDINATION_ALREADY_EXISTS,
            Self::VersionMismatch { .. } => sqlstate::COORDINATION_VERSION_MISMATCH,
            Self::NotEmpty { .. } => sqlstate::COORDINATION_NOT_EMPTY,
            Self::EphemeralParent { .. } => sqlstate::COORDINATION_EPHEMERAL_PARENT,
            Self::Damaged { .. } => sqlstate::COORDINATION_DAMAGED,
            Self::AccessDenied { .. } => sqlstate::COORDINATION_ACCESS_DENIED,
            Self::Unavailable { .. } => sqlstate::COORDINATION_UNAVAILABLE,
            Self::DeadlineExceeded { .. } => sqlstate::COORDINATION_DEADLINE_EXCEEDED,
            Self::UnknownOutcome { .. } => sqlstate::COORDINATION_UNKNOWN_OUTCOME,
            Self::SessionLost => sqlstate::COORDINATION_SESSION_LOST,
            Self::Closed => sqlstate::COORDINATION_CLOSED,
        }
    }

    /// The SQLSTATE under which the error reaches a client of PostgreSQL.
    pub fn sqlstate(&self) -> &'static str {
        self.condition().code
    }

    /// What is behind it, where the message does not say all.
    pub fn detail(&self) -> Option<&'static str> {
        match self {
            Self::TooLarge { .. } => Some("An entry can hold 1032192 bytes."),
            Self::VersionMismatch { .. } => Some("Another client has changed it."),
            Self::UnknownOutcome { .. } => {
                Some("The connection was lost after the request had been sent.")
            }
            _ => None,
        }
    }

    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        self.condition().hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Error> {
        let path = || "/a".to_owned();
        let reason = || "because".to_owned();
        vec![
            Error::InvalidAddress {
                address: path(),
                reason: reason(),
            },
            Error::InvalidPath {
                path: path(),
                reason: "because",
            },
            Error::TooLarge {
                path: path(),
                bytes: 2,
            },
            Error::NotFound { path: path() },
            Error::AlreadyExists { path: path() },
            Error::VersionMismatch {
                path: path(),
                expected: 0,
            },
            Error::NotEmpty { path: path() },
            Error::EphemeralParent { path: path() },
            Error::Damaged {
                path: path(),
                reason: reason(),
            },
            Error::AccessDenied { reason: reason() },
            Error::Unavailable { reason: reason() },
            Error::DeadlineExceeded { call: path() },
            Error::UnknownOutcome { path: path() },
            Error::SessionLost,
            Error::Closed,
        ]
    }

    #[test]
    fn every_variant_has_its_own_sqlstate_and_a_message_in_postgresql_style() {
        let mut seen = std::collections::BTreeSet::new();
        for error in all() {
            assert!(seen.insert(error.sqlstate()), "{error:?}");
            assert_eq!(error.sqlstate().len(), 5);
            let message = error.to_string();
            assert!(message.starts_with(|c: char| c.is_lowercase()), "{message}");
            assert!(!message.ends_with('.'), "{message}");
            assert!(error.hint().ends_with('.'), "{error:?}");
            assert!(
                error.detail().is_none_or(|detail| detail.ends_with('.')),
                "{error:?}"
            );
        }
        assert_eq!(seen.len(), 15);
    }

    #[test]
    fn what_may_have_been_done_may_be_repeated() {
        for error in all() {
            assert!(!error.is_ambiguous() || error.is_retryable(), "{error:?}");
        }
    }
}
