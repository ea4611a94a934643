//! What can go wrong between the sidecar and a server.

use std::time::Duration;

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

    /// Whether the same command may succeed later without anybody changing anything.
    ///
    /// * No connection, a lost one, no answer, no free socket, an open circuit breaker: the node or
    ///   the way to it may recover.
    /// * Serialization failure, deadlock, lock not available, cancelled by a timeout, too many
    ///   connections, server starting or stopping: transient by PostgreSQL's own definition.
    /// * `XP006`, `XP007`: the node could not reach another one. `XP030`: a freeze was over.
    ///   `XP028`: a transaction is not decided yet.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::NotAsked { .. } => true,
            Self::Sql { code, .. } => {
                code.code().starts_with("08")
                    || code.code().starts_with("40")
                    || code.code().starts_with("53")
                    || code.code().starts_with("57P")
                    || matches!(
                        code.code(),
                        "55P03"
                            | "57014"
                            | "55006"
                            | "25P03"
                            | "XP006"
                            | "XP007"
                            | "XP026"
                            | "XP028"
                            | "XP030"
                    )
            }
            Self::Answer { .. } | Self::UnknownOutcome { .. } => false,
        }
    }

    /// Whether the command has certainly not reached the server, so that it is as good as untried:
    /// no connection was made, also because the server starts, stops, recovers or has no place.
    pub fn never_began(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Busy { .. } | Self::NotAsked { .. } => true,
            Self::Sql { code, .. } => matches!(code.code(), "57P03" | "53300"),
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
            Self::Sql { code, .. } => code.code().starts_with("57P"),
            _ => false,
        }
    }

    /// Whether the command may have had its effect although it failed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. } | Self::Timeout { .. } | Self::UnknownOutcome { .. }
        ) || matches!(self, Self::Sql { code, .. } if code.code() == "XP026" || code.code().starts_with("57P"))
    }

    /// The server refused with this SQLSTATE.
    pub fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Sql { code, .. } if code.code() == wanted)
    }

    pub fn sqlstate(&self) -> &str {
        match self {
            Self::Connect { .. } => "XP006",
            Self::Lost { .. } => "XP007",
            Self::Timeout { .. } => "XP101",
            Self::Busy { .. } => "XP102",
            Self::NotAsked { .. } => "XP104",
            Self::UnknownOutcome { .. } => "XP105",
            Self::Sql { code, .. } => code.code(),
            Self::Answer { .. } => "XP103",
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
            Self::Connect { .. } | Self::Lost { .. } => Some(
                "Check that the server runs, listens on this address and lets this node in (pg_hba.conf).",
            ),
            Self::Timeout { .. } => Some(
                "See pg_stat_activity and pg_locks on that node for what it waits for, and cluster_nodes for its load.",
            ),
            Self::Busy { .. } => Some(
                "See SELECT * FROM cluster_executor; raise executor.sockets_per_node or the limit of the class if they are always in use.",
            ),
            Self::NotAsked { .. } => Some(
                "See SELECT * FROM cluster_executor for the reason; it is asked again by itself.",
            ),
            Self::UnknownOutcome { .. } => Some(
                "Look on that node whether it had its effect before it is repeated.",
            ),
            Self::Sql { hint, code, .. } => match code.code() {
                "57P03" => Some("The server starts, stops or recovers; see its log if that takes long."),
                "53300" => Some("Raise max_connections of the server, or find out who has them."),
                _ => hint.as_deref(),
            },
            Self::Answer { .. } => None,
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
