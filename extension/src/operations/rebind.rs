//! `cluster_rebind`: a relation's group moves to the current hash map while it is in use.

use crate::catalog::everywhere::cluster;
use crate::catalog::{groups, names};
use crate::error::Error;
use crate::rebind::motion::check_replica_identity;
use expanse_core::wire::OperationKind;
use pgrx::pg_sys::Oid;
use serde_json::json;

crate::sql_function! {
    /// `cluster_rebind(relation regclass, strategy text, max_write_freeze interval, reversible_for interval)
    /// -> bigint`: the operation's id.
    fn cluster_rebind(args) {
        super::outside_of_transaction(c"cluster_rebind()");
        let relation = args.required::<Oid>(0, "relation");
        let strategy = args.required::<String>(1, "strategy");
        let freeze_ms = args.milliseconds(2).unwrap_or(0.0);
        let reversible_ms = args.milliseconds(3).unwrap_or(0.0);
        check(relation, &strategy, freeze_ms);
        check_reversible(reversible_ms);
        let target = names::qualified(relation).expect("a distributed relation exists");
        let parameters = json!({
            "strategy": strategy,
            "max_write_freeze_ms": freeze_ms,
            "reversible_for_ms": reversible_ms,
        });
        Some(super::submit(OperationKind::Rebind, target, parameters))
    }
}

/// Refuses (raises) a limit for the wait of writes that is out of range.
pub fn check_freeze(freeze_ms: f64) {
    if !(10.0..=60_000.0).contains(&freeze_ms) {
        Error::InvalidParameter {
            parameter: "max_write_freeze",
            reason: "it is not between 10 ms and 1 min".into(),
        }
        .raise();
    }
}

/// At most 30 days: the nodes keep their write-ahead log only as fast as the reverse streams follow.
fn check_reversible(ms: f64) {
    if !(0.0..=30.0 * 86_400_000.0).contains(&ms) {
        Error::InvalidParameter {
            parameter: "reversible_for",
            reason: "it is not between 0 and 30 days".into(),
        }
        .raise();
    }
}

fn check(relation: Oid, strategy: &str, freeze_ms: f64) {
    let metadata = cluster();
    let distributed = metadata
        .table(relation)
        .filter(|table| table.distribution_column().is_some());
    let Some(table) = distributed else {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise()
    };
    if strategy != "move" {
        Error::InvalidParameter {
            parameter: "strategy",
            reason: format!("strategy \"{strategy}\" does not exist: it is \"move\""),
        }
        .raise();
    }
    check_freeze(freeze_ms);
    groups::refuse_in_motion(&metadata, table.group);
    check_replica_identity(table.group);
}
