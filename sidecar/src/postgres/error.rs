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
    /// * No connection, a lost one, no answer, no free socket: the node or the way to it may recover.
    /// * Serialization failure, deadlock, lock not available, cancelled by a timeout, too many
    ///   connections, server starting or stopping: transient by PostgreSQL's own definition.
    /// * `XP006`, `XP007`: the node could not reach another one. `XP030`: a freeze was over.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::Timeout { .. } | Self::Busy { .. } => {
                true
            }
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
                            | "XP030"
                    )
            }
            Self::Answer { .. } => false,
        }
    }

    /// Whether the command may have had its effect although it failed.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Timeout { .. })
            || matches!(self, Self::Sql { code, .. } if code.code() == "XP026" || code.code().starts_with("57P"))
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
            Self::Connect { .. } => {
                control.hint = Some(
                    "Check that the server runs, listens on this address and lets this node in (pg_hba.conf).".into(),
                );
            }
            _ => {}
        }
        control
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
