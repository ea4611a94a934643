//! Errors of Expanse and of other nodes, and how they are raised.
//!
//! Every variant has its own SQLSTATE in class `XP`. [`Error::raise`] unwinds to the nearest [`crate::pg::entry::entry`].

use expanse_core::sqlstate::{self, SqlState};
use pgrx::pg_sys;
use std::ffi::CString;

/// A complete error on its way to the client.
#[derive(Debug, Clone, Default)]
pub struct Raised {
    /// `ERROR`, `WARNING`, `NOTICE`, ... of a report of another node; `None` is an error of our own.
    pub severity: Option<String>,
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub datatype: Option<String>,
    pub constraint: Option<String>,
}

impl Raised {
    /// Unwinds to the nearest entry, which raises it.
    pub fn raise(self) -> ! {
        std::panic::resume_unwind(Box::new(self))
    }

    /// The same with the node it came from in its context.
    pub fn of_node(mut self, node: &str) -> Raised {
        let place = format!("while executing on node \"{node}\"");
        self.context = Some(match self.context {
            Some(context) => format!("{context}\n{place}"),
            None => place,
        });
        self
    }

    /// Reports a notice or warning to the client; an error is reported as a warning.
    pub fn emit(self) {
        let level = match self.severity.as_deref() {
            Some("DEBUG") => pgrx::PgLogLevel::DEBUG1,
            Some("LOG") => pgrx::PgLogLevel::LOG,
            Some("INFO") => pgrx::PgLogLevel::INFO,
            Some("NOTICE") => pgrx::PgLogLevel::NOTICE,
            _ => pgrx::PgLogLevel::WARNING,
        };
        let data = self.into_error_data();
        // SAFETY: the data is complete; a level below ERROR returns.
        unsafe {
            (*data).elevel = level as i32;
            pg_sys::ThrowErrorData(data);
        }
    }

    /// The same as PostgreSQL's own structure, palloc'd in the current memory context.
    pub fn into_error_data(self) -> *mut pg_sys::ErrorData {
        // SAFETY: palloc0 returns zeroed memory of the size asked for, or raises; every pointer stored is a
        // palloc'd string or null.
        unsafe {
            let data = pg_sys::palloc0(std::mem::size_of::<pg_sys::ErrorData>())
                .cast::<pg_sys::ErrorData>();
            (*data).elevel = pgrx::PgLogLevel::ERROR as i32;
            (*data).sqlerrcode = encode_sqlstate(&self.sqlstate);
            (*data).assoc_context = pg_sys::CurrentMemoryContext;
            (*data).message = pstrdup(Some(&self.message));
            (*data).detail = pstrdup(self.detail.as_deref());
            (*data).hint = pstrdup(self.hint.as_deref());
            (*data).context = pstrdup(self.context.as_deref());
            (*data).schema_name = pstrdup(self.schema.as_deref());
            (*data).table_name = pstrdup(self.table.as_deref());
            (*data).column_name = pstrdup(self.column.as_deref());
            (*data).datatype_name = pstrdup(self.datatype.as_deref());
            (*data).constraint_name = pstrdup(self.constraint.as_deref());
            data
        }
    }
}

fn pstrdup(text: Option<&str>) -> *mut std::os::raw::c_char {
    let Some(text) = text else {
        return std::ptr::null_mut();
    };
    let text = CString::new(text.replace('\0', " ")).expect("NUL bytes were replaced");
    // SAFETY: the argument is a NUL-terminated string; pstrdup copies it.
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}

/// PostgreSQL's packing of a five-character SQLSTATE, six bits a character (`MAKE_SQLSTATE` in elog.h).
pub fn encode_sqlstate(state: &str) -> i32 {
    state
        .bytes()
        .take(5)
        .enumerate()
        .fold(0, |code, (i, byte)| {
            code | ((i32::from(byte) - i32::from(b'0')) & 0x3f) << (6 * i)
        })
}

/// What Expanse itself refuses or reports.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("expanse must be loaded through shared_preload_libraries")]
    NotPreloaded,
    #[error("this server is not part of a cluster")]
    NotInitialized,
    #[error("this server already belongs to a cluster as node \"{node}\"")]
    AlreadyInitialized { node: String },
    #[error("node \"{node}\" does not exist")]
    UnknownNode { node: String },
    #[error("node \"{node}\" already exists")]
    NodeExists { node: String },
    #[error("could not connect to node \"{node}\" at {host}:{port}: {reason}")]
    Unreachable {
        node: String,
        host: String,
        port: i32,
        reason: String,
    },
    #[error("connection to node \"{node}\" was lost: {reason}")]
    ConnectionLost { node: String, reason: String },
    #[error("node \"{node}\" is not active")]
    NodeInactive { node: String },
    #[error("server {host}:{port} runs PostgreSQL {theirs}, this cluster runs PostgreSQL {ours}")]
    VersionMismatch {
        host: String,
        port: i32,
        theirs: String,
        ours: String,
    },
    #[error("server {host}:{port} is not empty: {found}")]
    NotEmpty {
        host: String,
        port: i32,
        found: String,
    },
    #[error("server {host}:{port} already belongs to a cluster as node \"{node}\"")]
    OtherCluster {
        host: String,
        port: i32,
        node: String,
    },
    #[error("server {host}:{port} cannot join: {reason}")]
    BadSetting {
        host: String,
        port: i32,
        reason: String,
        hint: String,
    },
    #[error("column \"{column}\" of relation \"{relation}\" does not exist")]
    NoSuchColumn { relation: String, column: String },
    #[error(
        "{object} of relation \"{relation}\" does not contain the distribution column \"{column}\""
    )]
    KeyWithoutColumn {
        relation: String,
        object: String,
        column: String,
    },
    #[error("type {type_name} of column \"{column}\" has no extended hash function")]
    NoHashFunction { column: String, type_name: String },
    #[error("relation \"{relation}\" cannot be distributed: {reason}")]
    NotDistributable {
        relation: String,
        reason: String,
        hint: String,
    },
    #[error("relation \"{relation}\" is already {kind}")]
    AlreadyDistributed {
        relation: String,
        kind: &'static str,
    },
    #[error("relation \"{relation}\" is not distributed")]
    NotDistributed { relation: String },
    #[error("relation \"{relation}\" cannot be colocated with \"{other}\": {reason}")]
    NotColocatable {
        relation: String,
        other: String,
        reason: String,
    },
    #[error("{what} is not possible on {kind} table \"{relation}\"")]
    Unsupported {
        what: String,
        kind: &'static str,
        relation: String,
        hint: String,
    },
    #[error("operation {operation} is running: {what}")]
    OperationRunning { operation: i64, what: String },
    #[error("the sidecar does not answer at \"{socket}\": {reason}")]
    SidecarUnreachable { socket: String, reason: String },
    #[error("colocation group {group} is being moved by a rebind")]
    GroupInMotion { group: i32 },
    #[error("invalid {parameter}: {reason}")]
    InvalidParameter {
        parameter: &'static str,
        reason: String,
    },
    #[error("the outcome of the transaction on node \"{node}\" is not known")]
    OutcomeUnknown { node: String },
    #[error("hash map version {version} does not exist")]
    UnknownHashMap { version: i32 },
    #[error("a transaction over several nodes is still undecided on node \"{node}\"")]
    InDoubt { node: String },
    #[error("nodes \"{nodes}\" cannot leave: no node would be left")]
    NoNodeLeft { nodes: String },
    #[error("node \"{node}\" still owns buckets of colocation group {group}")]
    StillBound { node: String, group: i32 },
    #[error(
        "colocation group {group} is bound to hash map version {bound}, not to version {expected}"
    )]
    BoundOtherwise {
        group: i32,
        bound: i32,
        expected: i32,
    },
    #[error("storage \"{storage}\" does not exist")]
    UnknownStorage { storage: String },
    #[error("storage \"{storage}\" already exists{place}")]
    StorageExists { storage: String, place: String },
    #[error("directory \"{directory}\" cannot be used by node \"{node}\": {reason}")]
    BadDirectory {
        directory: String,
        node: String,
        reason: String,
        hint: String,
    },
    #[error("index \"{index}\" cannot give relation \"{relation}\" its order: {reason}")]
    NotAnOrder {
        index: String,
        relation: String,
        reason: &'static str,
    },
    #[error("{what} is not possible for storage \"{storage}\" of the cluster")]
    OfCluster {
        what: &'static str,
        storage: String,
        hint: String,
    },
    #[error("tablespace \"{tablespace}\" of index \"{index}\" is no storage of the cluster")]
    NoStorage { tablespace: String, index: String },
    #[error("a trigger of table \"{relation}\" has changed the distribution column \"{column}\" of a row")]
    KeyChanged { relation: String, column: String },
    #[error("a function that runs on another node for a statement cannot use table \"{relation}\" as a whole")]
    RemoteRows { relation: String },
    #[error("a transaction that has {how} node \"{node}\" as role \"{before}\" cannot go on there as role \"{now}\"")]
    OtherRole {
        how: &'static str,
        node: String,
        before: String,
        now: String,
    },
    #[error("SERIALIZABLE is not possible in a transaction that uses several nodes")]
    SerializableOverNodes,
    #[error("only nodes of this cluster may {what}")]
    NodesOnly { what: &'static str },
    #[error("write freeze exceeded its limit")]
    FreezeOver,
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Class `XP`, one a variant; PostgreSQL's `internal_error` for what cannot happen.
    pub fn sqlstate(&self) -> &'static str {
        self.condition().map_or("XX000", |condition| condition.code)
    }

    fn condition(&self) -> Option<SqlState> {
        Some(match self {
            Error::NotPreloaded => sqlstate::NOT_PRELOADED,
            Error::NotInitialized => sqlstate::NOT_IN_CLUSTER,
            Error::AlreadyInitialized { .. } => sqlstate::ALREADY_IN_CLUSTER,
            Error::UnknownNode { .. } => sqlstate::UNKNOWN_NODE,
            Error::NodeExists { .. } => sqlstate::DUPLICATE_NODE,
            Error::Unreachable { .. } => sqlstate::NODE_UNREACHABLE,
            Error::ConnectionLost { .. } => sqlstate::CONNECTION_LOST,
            Error::NodeInactive { .. } => sqlstate::NODE_INACTIVE,
            Error::VersionMismatch { .. } => sqlstate::VERSION_MISMATCH,
            Error::NotEmpty { .. } => sqlstate::SERVER_NOT_EMPTY,
            Error::OtherCluster { .. } => sqlstate::SERVER_IN_CLUSTER,
            Error::BadSetting { .. } => sqlstate::UNSUITABLE_SETTING,
            Error::NoSuchColumn { .. } => sqlstate::UNDEFINED_COLUMN,
            Error::KeyWithoutColumn { .. } => sqlstate::KEY_WITHOUT_DISTRIBUTION_COLUMN,
            Error::NoHashFunction { .. } => sqlstate::NO_HASH_FUNCTION,
            Error::NotDistributable { .. } => sqlstate::NOT_DISTRIBUTABLE,
            Error::AlreadyDistributed { .. } => sqlstate::ALREADY_DISTRIBUTED,
            Error::NotDistributed { .. } => sqlstate::NOT_DISTRIBUTED,
            Error::NotColocatable { .. } => sqlstate::NOT_COLOCATABLE,
            Error::Unsupported { .. } => sqlstate::NOT_SUPPORTED,
            Error::OperationRunning { .. } => sqlstate::OPERATION_RUNNING,
            Error::SidecarUnreachable { .. } => sqlstate::SIDECAR_UNREACHABLE,
            Error::GroupInMotion { .. } => sqlstate::GROUP_MOVING,
            Error::InvalidParameter { .. } => sqlstate::INVALID_PARAMETER,
            Error::OutcomeUnknown { .. } => sqlstate::OUTCOME_UNKNOWN,
            Error::UnknownHashMap { .. } => sqlstate::UNKNOWN_HASH_MAP,
            Error::InDoubt { .. } => sqlstate::TRANSACTION_IN_DOUBT,
            Error::NoNodeLeft { .. } => sqlstate::NO_NODE_LEFT,
            Error::StillBound { .. } => sqlstate::NODE_STILL_BOUND,
            Error::BoundOtherwise { .. } => sqlstate::BINDING_CHANGED,
            Error::FreezeOver => sqlstate::FREEZE_LIMIT_EXCEEDED,
            Error::RemoteRows { .. } => sqlstate::REMOTE_ROWS_NEEDED,
            Error::KeyChanged { .. } => sqlstate::DISTRIBUTION_COLUMN_CHANGED,
            Error::OtherRole { .. } => sqlstate::ROLE_CHANGED,
            Error::SerializableOverNodes => sqlstate::SERIALIZABLE_NOT_SUPPORTED,
            Error::NodesOnly { .. } => sqlstate::NODES_ONLY,
            Error::UnknownStorage { .. } => sqlstate::UNKNOWN_STORAGE,
            Error::StorageExists { .. } => sqlstate::DUPLICATE_STORAGE,
            Error::BadDirectory { .. } => sqlstate::UNUSABLE_DIRECTORY,
            Error::NotAnOrder { .. } => sqlstate::UNUSABLE_INDEX_ORDER,
            Error::OfCluster { .. } => sqlstate::STORAGE_OF_CLUSTER,
            Error::NoStorage { .. } => sqlstate::TABLESPACE_OF_ONE_NODE,
            Error::Internal(_) => return None,
        })
    }

    /// The next command that helps, as a full sentence.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NotDistributable { hint, .. }
            | Error::Unsupported { hint, .. }
            | Error::BadSetting { hint, .. }
            | Error::BadDirectory { hint, .. }
            | Error::OfCluster { hint, .. } => hint.clone(),
            Error::KeyWithoutColumn { column, .. } => {
                format!("Add \"{column}\" to the key, or distribute by a column that is in every unique key.")
            }
            Error::NotDistributed { relation } => {
                format!("Run SELECT cluster_distribute_table('{relation}', 'column') first.")
            }
            Error::OperationRunning { operation, .. } => {
                format!("Wait for it with SELECT cluster_wait({operation}).")
            }
            Error::NotAnOrder { relation, .. } => format!(
                "Give a complete, valid index of an ordered method of \"{relation}\" itself, or leave cluster_on out."
            ),
            Error::NoStorage { tablespace, .. } => format!(
                "Leave TABLESPACE out, or run SELECT cluster_add_storage('{tablespace}', 'directory') first."
            ),
            Error::NoSuchColumn { .. } | Error::InvalidParameter { .. } => return None,
            _ => self.condition()?.hint.into(),
        })
    }

    /// Unwinds to the nearest entry, which raises it.
    pub fn raise(self) -> ! {
        self.into_raised().raise()
    }

    /// The complete error, for raising it later.
    pub fn into_raised(self) -> Raised {
        Raised {
            sqlstate: self.sqlstate().into(),
            message: self.to_string(),
            hint: self.hint(),
            ..Raised::default()
        }
    }
}
