//! Streams: logical replication from one node to another, for an operation.
//!
//! Publications, slots and subscriptions carry the id of their operation in their names (`expanse_<operation>_...`), so
//! that whatever is left of it can be found and removed ([`sweep`]). A stream is made ready on its source ([`open`]), then
//! started on its target ([`subscribe`]); before a switch it is drained ([`drain`]), and while its operation is paused it is
//! suspended ([`suspend`]).

mod drain;
mod identity;
mod open;
mod refusal;
mod subscribe;
pub mod suspend;
mod sweep;

use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::operations::error::Error;
use crate::postgres::{self, NodeAddress};

pub use drain::drain;
pub use identity::check_replica_identity;
pub use open::open;
pub use refusal::Refusal;
pub use subscribe::{subscribe, subscribe_from};
pub use sweep::sweep;

/// Making a slot waits for transactions of others.
const SLOT_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A lock on one of its tables is waited for no longer than this with a transaction of ours open: PostgreSQL
/// lets every slot that is made meanwhile, also for other groups, wait for that transaction.
const TABLE_LOCK: &str = "SET LOCAL lock_timeout = '500ms'";

/// A stream of changes from one node to another.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Of the publication, the slot and the subscription.
    pub name: String,
    pub source: NodeAddress,
    pub target: NodeAddress,
    /// The `FOR TABLE` list, row filters included.
    pub tables: String,
}

/// `expanse_<operation>_`
pub fn prefix(operation_id: i64) -> String {
    format!("expanse_{operation_id}_")
}

/// What a leader before this one, or a try whose answer was lost, is still making: it is looked for again.
fn made_meanwhile(error: postgres::Error, node: &NodeAddress) -> Error {
    let exists = [SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION];
    if !exists.iter().any(|code| error.has_code(code.code())) {
        return error.into();
    }
    let node = node.node_name.clone();
    Refusal::MadeMeanwhile { node, error }.into()
}
