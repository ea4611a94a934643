//! Errors of Expanse and of other nodes, and how they are raised.
//!
//! Every variant has its own SQLSTATE in class `XP`. [`Error::raise`] unwinds to the nearest [`crate::pg::entry::entry`].

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
    #[error("server {host}:{port} can not join: {reason}")]
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
    #[error("relation \"{relation}\" can not be distributed: {reason}")]
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
    #[error("relation \"{relation}\" can not be colocated with \"{other}\": {reason}")]
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
    #[error("nodes \"{nodes}\" can not leave: no node would be left")]
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
    #[error("directory \"{directory}\" can not be used by node \"{node}\": {reason}")]
    BadDirectory {
        directory: String,
        node: String,
        reason: String,
        hint: String,
    },
    #[error("index \"{index}\" can not give relation \"{relation}\" its order: {reason}")]
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
    #[error("a function that runs on another node for a statement can not use table \"{relation}\" as a whole")]
    Elsewhere { relation: String },
    #[error("a transaction that has {how} node \"{node}\" as role \"{before}\" can not go on there as role \"{now}\"")]
    OtherRole {
        how: &'static str,
        node: String,
        before: String,
        now: String,
    },
    #[error("SERIALIZABLE is not possible in a transaction that uses several nodes")]
    SerializableOverNodes,
    #[error("only nodes of this cluster may {what}")]
    PeersOnly { what: &'static str },
    #[error("writes were held up for as long as they may be")]
    FreezeOver,
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The SQLSTATE: class `XP`, one a variant.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Error::NotPreloaded => "XP001",
            Error::NotInitialized => "XP002",
            Error::AlreadyInitialized { .. } => "XP003",
            Error::UnknownNode { .. } => "XP004",
            Error::NodeExists { .. } => "XP005",
            Error::Unreachable { .. } => "XP006",
            Error::ConnectionLost { .. } => "XP007",
            Error::NodeInactive { .. } => "XP008",
            Error::VersionMismatch { .. } => "XP009",
            Error::NotEmpty { .. } => "XP010",
            Error::OtherCluster { .. } => "XP011",
            Error::BadSetting { .. } => "XP012",
            Error::NoSuchColumn { .. } => "XP013",
            Error::KeyWithoutColumn { .. } => "XP014",
            Error::NoHashFunction { .. } => "XP015",
            Error::NotDistributable { .. } => "XP016",
            Error::AlreadyDistributed { .. } => "XP017",
            Error::NotDistributed { .. } => "XP018",
            Error::NotColocatable { .. } => "XP019",
            Error::Unsupported { .. } => "XP020",
            Error::OperationRunning { .. } => "XP021",
            Error::SidecarUnreachable { .. } => "XP022",
            Error::GroupInMotion { .. } => "XP024",
            Error::InvalidParameter { .. } => "XP025",
            Error::OutcomeUnknown { .. } => "XP026",
            Error::UnknownHashMap { .. } => "XP027",
            Error::InDoubt { .. } => "XP028",
            Error::NoNodeLeft { .. } => "XP040",
            Error::StillBound { .. } => "XP041",
            Error::BoundOtherwise { .. } => "XP029",
            Error::FreezeOver => "XP030",
            Error::Elsewhere { .. } => "XP034",
            Error::KeyChanged { .. } => "XP031",
            Error::OtherRole { .. } => "XP032",
            Error::SerializableOverNodes => "XP033",
            Error::PeersOnly { .. } => "XP035",
            Error::UnknownStorage { .. } => "XP050",
            Error::StorageExists { .. } => "XP051",
            Error::BadDirectory { .. } => "XP052",
            Error::NotAnOrder { .. } => "XP053",
            Error::OfCluster { .. } => "XP054",
            Error::NoStorage { .. } => "XP055",
            Error::Internal(_) => "XX000",
        }
    }

    /// The next command that helps, as a full sentence.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NotPreloaded => {
                "Add 'expanse' to shared_preload_libraries in postgresql.conf and restart the server.".into()
            }
            Error::NotInitialized => {
                "Run SELECT cluster_init('n1', 'address of this server', port) first.".into()
            }
            Error::AlreadyInitialized { .. } => {
                "Use SELECT cluster_expand(...) to add further servers.".into()
            }
            Error::UnknownNode { .. } => "See SELECT * FROM cluster_nodes.".into(),
            Error::NodeExists { .. } => "Choose another name; see SELECT * FROM cluster_nodes.".into(),
            Error::Unreachable { .. } => {
                "Check that the server runs, listens on this address and lets this node in (pg_hba.conf).".into()
            }
            Error::ConnectionLost { .. } => {
                "The transaction was rolled back; repeat it. See SELECT * FROM cluster_nodes.".into()
            }
            Error::NodeInactive { .. } => "See SELECT * FROM cluster_nodes.".into(),
            Error::VersionMismatch { .. } => "Install the same major version of PostgreSQL there.".into(),
            Error::NotEmpty { .. } => "Give an empty server: nothing of users in this database, be it tables, schemas, functions, types or extensions.".into(),
            Error::OtherCluster { .. } => "Give a server that has never been in a cluster.".into(),
            Error::NoSuchColumn { .. } => return None,
            Error::KeyWithoutColumn { column, .. } => {
                format!("Add \"{column}\" to the key, or distribute by a column that is in every unique key.")
            }
            Error::NoHashFunction { .. } => {
                "Distribute by a column of a built-in hashable type, such as bigint, text or uuid.".into()
            }
            Error::NotDistributable { hint, .. }
            | Error::Unsupported { hint, .. }
            | Error::BadSetting { hint, .. } => hint.clone(),
            Error::AlreadyDistributed { .. } => "See SELECT * FROM cluster_tables.".into(),
            Error::NotDistributed { relation } => {
                format!("Run SELECT cluster_distribute_table('{relation}', 'column') first.")
            }
            Error::NotColocatable { .. } => "Leave colocate_with out to use the current hash map.".into(),
            Error::OperationRunning { operation, .. } => {
                format!("Wait for it with SELECT cluster_wait({operation}).")
            }
            Error::SidecarUnreachable { .. } => "Start it with systemctl start expansed.".into(),
            Error::GroupInMotion { .. } => {
                "Wait until the rebind has ended; see SELECT * FROM cluster_operations.".into()
            }
            Error::OutcomeUnknown { .. } => {
                "Read back what the transaction wrote before repeating it.".into()
            }
            Error::UnknownHashMap { .. } => "See SELECT * FROM cluster_hash_maps.".into(),
            Error::InDoubt { .. } => {
                "Its coordinator or the sidecar finishes it; repeat the statement then.".into()
            }
            Error::NoNodeLeft { .. } => "Add another server first, with SELECT cluster_expand(...).".into(),
            Error::StillBound { .. } => "Rebind its tables first, or run SELECT cluster_shrink(...).".into(),
            Error::BoundOtherwise { .. } => "See SELECT * FROM cluster_tables.".into(),
            Error::Elsewhere { .. } => {
                "Let it name rows by the distribution column, with the key of the row that it runs for, or read replicated \
                 tables; what needs other rows is for the client's own statements."
                    .into()
            }
            Error::KeyChanged { .. } => {
                "The row would belong to another node; compute the value before the statement.".into()
            }
            Error::OtherRole { .. } => "Commit first, or do all of it under one role.".into(),
            Error::SerializableOverNodes => {
                "Use REPEATABLE READ, and lock explicitly what must not change.".into()
            }
            Error::PeersOnly { .. } => {
                "Nodes show one another a key, which is kept in expanse.cluster of each.".into()
            }
            Error::FreezeOver => "Try again when fewer transactions write the group.".into(),
            Error::UnknownStorage { .. } => {
                "See SELECT * FROM cluster_storage, or add it with SELECT cluster_add_storage(...).".into()
            }
            Error::StorageExists { .. } => "Choose another name; see SELECT * FROM cluster_storage.".into(),
            Error::BadDirectory { hint, .. } | Error::OfCluster { hint, .. } => hint.clone(),
            Error::NotAnOrder { relation, .. } => format!(
                "Give a complete, valid index of an ordered method of \"{relation}\" itself, or leave cluster_on out."
            ),
            Error::NoStorage { tablespace, .. } => format!(
                "Leave TABLESPACE out, or run SELECT cluster_add_storage('{tablespace}', 'directory') first."
            ),
            Error::InvalidParameter { .. } | Error::Internal(_) => return None,
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
