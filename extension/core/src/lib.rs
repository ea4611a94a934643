//! What the extension and the sidecar both decide, as plain Rust: no PostgreSQL, no files, no
//! network, no clock.
//!
//! * [`agreement`]: whether snapshots of several nodes belong together
//! * [`copy_pace`]: how fast a copy may send
//! * [`fragment`]: which parts of a query each node can answer on its own data, and what they cost
//! * [`hash_map`]: which node owns which buckets, and how that changes when nodes come and go
//! * [`kept_row`]: a row of another node that had to wait in a file
//! * [`live`]: load, the executor pool, and why something does not happen
//! * [`lock_attempts`]: how often a schema change asks for its locks
//! * [`move_plan`]: what has to move from one hash map to another
//! * [`objects`]: what users have made in a database
//! * [`sqlstate`]: error codes: what each means, when it happens and what to do
//! * [`statement`]: what becomes of a statement, from plain facts about it
//! * [`storage`]: names and directories of tablespaces that all nodes have
//! * [`transaction_name`]: what a transaction over several nodes is called on them
//! * [`utility`]: what becomes of a utility statement
//! * [`wire`]: what the extension, the sidecar and the coordination store say to each other
//! * [`write_freeze`]: how long the writers of a group may be held up
#![forbid(unsafe_code)]

pub mod agreement;
mod apportion;
pub mod copy_pace;
pub mod fragment;
pub mod hash_map;
pub mod kept_row;
mod layout;
pub mod live;
pub mod lock_attempts;
pub mod move_plan;
pub mod objects;
pub mod snapshots;
pub mod sqlstate;
pub mod statement;
pub mod storage;
pub mod transaction_name;
pub mod utility;
pub mod wire;
pub mod write_freeze;

pub use hash_map::{HashMap, HashMapError, Layout, NodeWeight, Range, BUCKETS};
pub use move_plan::{Move, MovePlan};
pub use transaction_name::TransactionName;
