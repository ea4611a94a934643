//! What can go wrong between the sidecar and a server.

use std::time::Duration;

use expanse_core::sqlstate;
use expanse_core::wire::ControlError;
use thiserror::Error as ThisError;
use tokio_postgres::error::SqlState;

#[derive(Debug, ThisError)]
pub enum Error {
    #[error("could not connect to node \"{node}\": {reason}")]
    Connect { node: String, reason: String },
    #[error("connection to node \"{node}\" was lost: {reason}")]
    Lost { node: String, reason: String },
    #[error("node \"{node}\" did not answer \"{command}\" within {} ms", limit.as_millis())]
    Timeout {
        node: String,
        command: &'static str,
        limit: Duration,
    },
    #[error("no connection to node \"{node}\" was free for \"{command}\" in time")]
    Busy { node: String, command: &'static str },
    #[error("node \"{node}\" is not asked for \"{command}\": it has not answered lately")]
    NotAsked { node: String, command: &'static str },
    /// The answer to a COMMIT was lost, and the server could not be asked what became of it.
    #[error("it is not known whether \"{command}\" was committed on node \"{node}\": {reason}")]
    UnknownOutcome {
        node: String,
        command: &'static str,
        reason: String,
    },
    /// The server's own words; the node is in the detail.
    #[error("{message}")]
    Sql {
        node: String,
        code: SqlState,
        message: String,
        detail: Option<String>,
        hint: Option<String>,
    },
    #[error("unexpected answer of node \"{node}\" to \"{command}\": {reason}")]
    Answer {
        node: String,
        command: &'static str,
        reason: String,
    },
}

/// Connection, transaction rollback, resources, intervention by an operator.
const TRANSIENT_CLASSES: [&str; 4] = ["08", "40", "53", SHUTDOWN_CLASS];
/// The server starts or stops, or has ended the session.
const SHUTDOWN_CLASS: &str = "57P";
const TRANSIENT: [SqlState; 4] = [
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::QUERY_CANCELED,
    SqlState::OBJECT_IN_USE,
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
];
const TRANSIENT_IN_CLUSTER: [sqlstate::SqlState; 5] = [
    sqlstate::NODE_UNREACHABLE,
    sqlstate::CONNECTION_LOST,
    sqlstate::OUTCOME_UNKNOWN,
    sqlstate::TRANSACTION_IN_DOUBT,
    sqlstate::FREEZE_LIMIT_EXCEEDED,
];

impl Error {
    pub(super) fn from_driver(node: &str, error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self::Sql {
                node: node.to_owned(),
                code: db.code().clone(),
                message: db.message().to_owned(),
                detail: db.detail().map(str::to_owned),
                hint: db.hint().map(str::to_owned),
            },
            None => Self::Lost {
                node: node.to_owned(),
                reason: reason(error),
            },
        }
    }

    /// Whether the same command may succeed later without a change by anyone.
    ///
    /// * No connection, a lost one, no answer, no free socket, an open circuit breaker: the node or
    ///   the way to it may recover.
    /// * Serialization failure, deadlock, lock not available, cancelled by a timeout, too many
    ///   connections, server starting or stopping: transient by PostgreSQL's own definition.
    /// * The node could not reach another one, a freeze was over, or a transaction is not decided yet.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::NotAsked { .. } => true,
            Self::Sql { code, .. } => {
                let code = code.code();
                TRANSIENT_CLASSES
                    .iter()
                    .any(|class| code.starts_with(class))
                    || TRANSIENT.iter().any(|one| one.code() == code)
                    || TRANSIENT_IN_CLUSTER.iter().any(|one| one.code == code)
            }
            Self::Answer { .. } | Self::UnknownOutcome { .. } => false,
        }
    }

    /// Whether the command has certainly not reached the server, so that it is as good as untried:
    /// no connection was made, also because the server starts, stops, recovers or has no place.
    pub fn never_began(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Busy { .. } | Self::NotAsked { .. } => true,
            Self::Sql { code, .. } => {
                [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS].contains(code)
            }
            _ => false,
        }
    }

    /// Whether no connection to the node can be made, now or lately.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::NotAsked { .. })
    }

    /// Whether the node cannot be reached, or says that it starts or stops.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } => true,
            Self::Sql { code, .. } => code.code().starts_with(SHUTDOWN_CLASS),
            _ => false,
        }
    }

    /// Whether the command may have had its effect although it failed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::Timeout { .. } | Self::UnknownOutcome { .. }
        ) || matches!(self, Self::Sql { code, .. } if code.code() == sqlstate::OUTCOME_UNKNOWN
            || code.code().starts_with(SHUTDOWN_CLASS))
    }

    /// The server refused with this SQLSTATE.
    pub fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Sql { code, .. } if code.code() == wanted)
    }

    pub fn sqlstate(&self) -> &str {
        match self {
            Self::Connect { .. } => sqlstate::NODE_UNREACHABLE.code,
            Self::Lost { .. } => sqlstate::CONNECTION_LOST.code,
            Self::Timeout { .. } => sqlstate::COMMAND_TIMEOUT.code,
            Self::Busy { .. } => sqlstate::NO_FREE_CONNECTION.code,
            Self::NotAsked { .. } => sqlstate::CIRCUIT_OPEN.code,
            Self::UnknownOutcome { .. } => sqlstate::COMMAND_OUTCOME_UNKNOWN.code,
            Self::Sql { code, .. } => code.code(),
            Self::Answer { .. } => sqlstate::UNEXPECTED_ANSWER.code,
        }
    }

    /// The error as a client of the control socket sees it.
    pub fn to_control(&self) -> ControlError {
        let mut control = ControlError::new(self.sqlstate(), self.to_string());
        match self {
            Self::Sql {
                node, detail, hint, ..
            } => {
                let at = format!("This happened on node \"{node}\".");
                control.detail = Some(match detail {
                    Some(detail) => format!("{detail} {at}"),
                    None => at,
                });
                control.hint = hint.clone();
            }
            _ => control.hint = self.hint().map(str::to_owned),
        }
        control
    }

    /// The next thing to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Connect { .. } | Self::Lost { .. } => Some(sqlstate::NODE_UNREACHABLE.hint),
            Self::Sql { hint, code, .. } => match code {
                code if *code == SqlState::CANNOT_CONNECT_NOW => {
                    Some("The server starts, stops or recovers; see its log if that takes long.")
                }
                code if *code == SqlState::TOO_MANY_CONNECTIONS => {
                    Some("Raise max_connections of the server, or find out who has them.")
                }
                _ => hint.as_deref(),
            },
            other => Some(sqlstate::SqlState::find(other.sqlstate())?.hint),
        }
    }
}

/// The innermost reason; the driver's own words only name the layer.
fn reason(error: &tokio_postgres::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(code: &SqlState) -> Error {
        Error::Sql {
            node: "n2".into(),
            code: code.clone(),
            message: "the server's own words".into(),
            detail: None,
            hint: None,
        }
    }

    #[test]
    fn every_error_has_its_sqlstate_and_a_hint() {
        let (node, command) = (|| "n2".to_owned(), "look");
        let reason = || "because".to_owned();
        let all = [
            Error::Connect {
                node: node(),
                reason: reason(),
            },
            Error::Lost {
                node: node(),
                reason: reason(),
            },
            Error::Timeout {
                node: node(),
                command,
                limit: Duration::from_millis(5),
            },
            Error::Busy {
                node: node(),
                command,
            },
            Error::NotAsked {
                node: node(),
                command,
            },
            Error::UnknownOutcome {
                node: node(),
                command,
                reason: reason(),
            },
            Error::Answer {
                node: node(),
                command,
                reason: reason(),
            },
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(|e| e.sqlstate()).collect();
        assert_eq!(codes.len(), all.len());
        for error in &all {
            assert!(error.to_string().contains("\"n2\""), "{error}");
            let told = error.to_control();
            assert!(told.hint.is_some_and(|hint| hint.ends_with('.')), "{error}");
        }
    }

    #[test]
    fn what_a_server_says_is_told_apart_by_its_sqlstate() {
        for code in [
            &SqlState::CONNECTION_FAILURE,
            &SqlState::T_R_SERIALIZATION_FAILURE,
            &SqlState::TOO_MANY_CONNECTIONS,
            &SqlState::ADMIN_SHUTDOWN,
            &SqlState::LOCK_NOT_AVAILABLE,
            &SqlState::from_code("XP028"),
        ] {
            assert!(sql(code).is_retryable(), "{}", code.code());
        }
        assert!(!sql(&SqlState::UNDEFINED_TABLE).is_retryable());
        assert!(sql(&SqlState::CANNOT_CONNECT_NOW).never_began());
        assert!(sql(&SqlState::from_code("XP026")).is_ambiguous());
        assert!(sql(&SqlState::ADMIN_SHUTDOWN).is_silence());
    }
}
