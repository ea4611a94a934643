//! What the extension, the sidecar, `expansectl` and the coordination store say to each other.
//!
//! The control socket carries one JSON object a line each way: a [`Request`], then a
//! [`Response`]. Unknown fields are ignored and absent ones have defaults, so that neighbouring
//! versions understand each other during an upgrade.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::live::{Blocked, ExecutorClass, NodeLoad};

/// A request to the sidecar, tagged by `command`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Start an operation; answered by [`Response::Submitted`] as soon as it is journaled.
    Submit {
        kind: OperationKind,
        /// What it is about: a node name, or a relation as `schema.name`.
        target: String,
        #[serde(default)]
        parameters: Value,
    },
    /// All operations of the journal, newest first; answered by [`Response::Operations`].
    Operations,
    /// One operation; answered by [`Response::Operation`].
    Operation { operation_id: i64 },
    /// Undo an operation that has not finished; answered by [`Response::Operation`] as soon as the wish is journaled.
    Cancel { operation_id: i64 },
    /// Stop an operation where it is; answered by [`Response::Operation`] as soon as the wish is journaled.
    Pause { operation_id: i64 },
    /// Let a paused operation go on; answered by [`Response::Operation`] as soon as the wish is journaled.
    Resume { operation_id: i64 },
    /// Go back to the old hash map after a rebind's switch; answered by [`Response::Operation`] as soon as the wish is
    /// journaled.
    Reverse { operation_id: i64 },
    /// Let a rebind delete the old copies now; answered by [`Response::Operation`] as soon as the wish is journaled.
    Finish { operation_id: i64 },
    /// The cluster as this sidecar sees it; answered by [`Response::Status`].
    Status,
}

/// The sidecar's answer. On the wire `{"ok":true, ...}`, or `{"ok":false,"sqlstate":...}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Envelope", into = "Envelope")]
pub enum Response {
    Submitted { operation_id: i64 },
    Operations { operations: Vec<Operation> },
    Operation { operation: Box<Operation> },
    Status { status: ClusterStatus },
    Failed(ControlError),
}

impl Response {
    /// The refusal as an error, anything else as it is.
    ///
    /// # Errors
    /// The [`ControlError`] of [`Response::Failed`].
    pub fn into_result(self) -> Result<Self, ControlError> {
        match self {
            Self::Failed(error) => Err(error),
            answer => Ok(answer),
        }
    }
}

/// [`Response`] as it is written: `ok`, and the fields of one variant beside it.
#[derive(Clone, Serialize, Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(flatten)]
    body: Body,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Body {
    Submitted { operation_id: i64 },
    Operations { operations: Vec<Operation> },
    Operation { operation: Box<Operation> },
    Status { status: ClusterStatus },
    Failed(ControlError),
}

impl From<Envelope> for Response {
    fn from(envelope: Envelope) -> Self {
        match envelope.body {
            Body::Submitted { operation_id } => Self::Submitted { operation_id },
            Body::Operations { operations } => Self::Operations { operations },
            Body::Operation { operation } => Self::Operation { operation },
            Body::Status { status } => Self::Status { status },
            Body::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<Response> for Envelope {
    fn from(response: Response) -> Self {
        let body = match response {
            Response::Submitted { operation_id } => Body::Submitted { operation_id },
            Response::Operations { operations } => Body::Operations { operations },
            Response::Operation { operation } => Body::Operation { operation },
            Response::Status { status } => Body::Status { status },
            Response::Failed(error) => Body::Failed(error),
        };
        Self {
            ok: !matches!(body, Body::Failed(_)),
            body,
        }
    }
}

/// A refusal or failure as a PostgreSQL client would see it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ControlError {
    /// Five characters, Expanse's own class or PostgreSQL's.
    pub sqlstate: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ControlError {
    pub fn new(sqlstate: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    Expand,
    Shrink,
    Rebind,
    RebindAll,
    /// A hash map that nothing is bound to any more has disappeared.
    DropHashMap,
    AddStorage,
    DropStorage,
    MoveTable,
}

impl OperationKind {
    /// The name that is in the journal, on the wire and in `cluster_operations`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Shrink => "shrink",
            Self::Rebind => "rebind",
            Self::RebindAll => "rebind_all",
            Self::DropHashMap => "drop_hash_map",
            Self::AddStorage => "add_storage",
            Self::DropStorage => "drop_storage",
            Self::MoveTable => "move_table",
        }
    }
}

/// Where an operation stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Journaled, not begun.
    #[default]
    Pending,
    Running,
    /// Stopped by a request, until resumed or cancelled.
    Paused,
    /// Undoing what it did, after a cancellation or an error.
    RollingBack,
    Succeeded,
    Failed,
    Cancelled,
}

impl OperationState {
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Paused,
        Self::RollingBack,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Nothing will change any more.
    pub fn finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name that is in the journal, on the wire and in `cluster_operations`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::RollingBack => "rolling_back",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One time that writes of a group were held up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Freeze {
    /// `switch`, `back` or `look`.
    pub purpose: String,
    pub done: bool,
    /// From the first lock to the end of the commit, in milliseconds.
    pub ms: f64,
    /// What was reached how many milliseconds after the first lock was asked for.
    #[serde(default)]
    pub stages: Vec<(String, f64)>,
}

/// A durable, multi-step change to the cluster: one entry of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub operation_id: i64,
    pub kind: OperationKind,
    /// A node name, or a relation as `schema.name`.
    pub target: String,
    #[serde(default)]
    pub parameters: Value,
    pub state: OperationState,
    /// What it is doing, in words of the operation's own (`copy`, `catch_up`, `switch` ...).
    #[serde(default)]
    pub phase: String,
    /// Last step that is done, for the leader that resumes it.
    #[serde(default)]
    pub step: String,
    /// Epoch of the leader that wrote this entry; an older leader's writes are refused.
    #[serde(default)]
    pub epoch: i64,
    #[serde(default)]
    pub rows_done: i64,
    /// Estimate until the copy is done.
    #[serde(default)]
    pub rows_total: i64,
    #[serde(default)]
    pub bytes_done: i64,
    /// Estimate until the copy is done.
    #[serde(default)]
    pub bytes_total: i64,
    /// Longest time that writes of the group waited for a switch, in milliseconds.
    #[serde(default)]
    pub writes_waited_ms: f64,
    /// How often writes of the group have been held up, or were meant to be.
    #[serde(default)]
    pub freeze_attempts: u32,
    /// How the last of these attempts ended.
    #[serde(default)]
    pub freeze_outcome: Option<String>,
    /// The last of these attempts that held writes up, oldest first.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// Of the copy, lately.
    #[serde(default)]
    pub bytes_per_second: Option<f64>,
    /// Until the copy is done, at that rate.
    #[serde(default)]
    pub seconds_left: Option<f64>,
    /// Seconds since 1970, UTC.
    #[serde(default)]
    pub started_at: Option<f64>,
    /// Seconds since 1970, UTC.
    #[serde(default)]
    pub finished_at: Option<f64>,
    /// Why it failed, or what the last try ran into while it goes on.
    #[serde(default)]
    pub error: Option<ControlError>,
    /// What has to be known of its outcome besides its state: rows that were lost, for example.
    #[serde(default)]
    pub result: Option<String>,
}

impl Operation {
    /// A new entry: pending, nothing done.
    pub fn new(operation_id: i64, kind: OperationKind, target: impl Into<String>) -> Self {
        Self {
            operation_id,
            kind,
            target: target.into(),
            parameters: Value::Null,
            state: OperationState::Pending,
            phase: String::new(),
            step: String::new(),
            epoch: 0,
            rows_done: 0,
            rows_total: 0,
            bytes_done: 0,
            bytes_total: 0,
            writes_waited_ms: 0.0,
            freeze_attempts: 0,
            freeze_outcome: None,
            freezes: Vec::new(),
            bytes_per_second: None,
            seconds_left: None,
            started_at: None,
            finished_at: None,
            error: None,
            result: None,
        }
    }
}

/// One node of the topology: what was agreed on, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyNode {
    pub node_id: i32,
    pub node_name: String,
    pub host: String,
    pub port: u16,
    #[serde(default = "weight_of_a_node")]
    pub weight: u32,
}

fn weight_of_a_node() -> u32 {
    1
}

/// A tablespace that every node has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopologyStorage {
    pub storage_name: String,
    /// With `{node}` where the node's name stands.
    pub directory: String,
}

/// `/topology` of the coordination store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topology {
    pub cluster_id: String,
    pub nodes: Vec<TopologyNode>,
    #[serde(default)]
    pub storages: Vec<TopologyStorage>,
    /// Grows by one with each change.
    pub version: i64,
}

/// `/status/<node_name>` of the coordination store: what a node says of itself while it lives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeStatus {
    pub node_name: String,
    #[serde(default)]
    pub node_id: i32,
    #[serde(default)]
    pub host: String,
    #[serde(default)]
    pub port: u16,
    /// `ready`, `joining`, `syncing`, `down` ...
    pub state: String,
    /// `primary` or `standby`.
    #[serde(default)]
    pub role: String,
    /// As `server_version` says it.
    #[serde(default)]
    pub postgres_version: String,
    #[serde(default)]
    pub metadata_version: i64,
    /// Runs the operations.
    #[serde(default)]
    pub leader: bool,
    #[serde(default)]
    pub load: NodeLoad,
    /// What this node's sidecar gave up and has not managed since.
    #[serde(default)]
    pub alarms: Vec<Blocked>,
}

/// The cluster as one sidecar sees it; also the argument of `expanse.publish_status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClusterStatus {
    #[serde(default)]
    pub cluster_id: String,
    /// Name of the node that runs the operations, if there is one.
    #[serde(default)]
    pub leader: Option<String>,
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// The executor pool of the sidecar that says this.
    #[serde(default)]
    pub executor: Vec<ExecutorClass>,
    /// What should happen and does not, as far as this sidecar knows.
    #[serde(default)]
    pub blocked: Vec<Blocked>,
    /// When this was put together: seconds since 1970, UTC.
    #[serde(default)]
    pub updated_at: f64,
}
