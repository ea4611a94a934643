//! `cluster_rebind`: a relation's group moves to the current hash map while it is in use; with the strategy `rewrite`
//! also by another distribution column, or from this node alone.

use crate::catalog::everywhere::cluster;
use crate::catalog::groups;
use crate::error::Error;
use crate::metadata::cache::Metadata;
use crate::objects::checks::Subject;
use crate::pg::{names, spi};
use crate::rebind::adopt;
use crate::rebind::motion::check_replica_identity;
use expanse_core::wire::OperationKind;
use pgrx::pg_sys::{self, Oid};
use serde_json::{json, Value};

crate::sql_function! {
    /// `cluster_rebind(relation regclass, strategy text, max_write_freeze interval, reversible_for interval,
    /// distribution_column text, colocate_with regclass, max_rate text) -> bigint`: the operation's id.
    fn cluster_rebind(args) {
        crate::operations::outside_of_transaction(c"cluster_rebind()");
        let relation = args.required::<Oid>(0, "relation");
        let strategy = args.required::<String>(1, "strategy");
        let freeze_ms = args.milliseconds(2).unwrap_or(0.0);
        let reversible_ms = args.milliseconds(3).unwrap_or(0.0);
        check_freeze(freeze_ms);
        check_reversible(reversible_ms);
        let rewrite = Rewrite {
            column: args.get::<String>(4),
            colocate_with: args.get::<Oid>(5),
        };
        let max_rate = max_rate(args.get::<String>(6));
        let mut parameters = match strategy.as_str() {
            "move" => rewrite.refuse_for_move(relation),
            "rewrite" => rewrite.check(relation),
            _ => invalid("strategy", format!("\"{strategy}\" does not exist: it is \"move\" or \"rewrite\"")),
        };
        let target = names::qualified(relation).expect("a relation that was checked exists");
        parameters["strategy"] = json!(strategy);
        parameters["max_write_freeze_ms"] = json!(freeze_ms);
        parameters["reversible_for_ms"] = json!(reversible_ms);
        parameters["max_rate"] = json!(max_rate);
        Some(crate::operations::submit(OperationKind::Rebind, target, parameters))
    }
}

fn invalid(parameter: &'static str, reason: impl Into<String>) -> ! {
    Error::InvalidParameter {
        parameter,
        reason: reason.into(),
    }
    .raise()
}

/// Refuses (raises) a limit for the wait of writes that is out of range.
pub fn check_freeze(freeze_ms: f64) {
    if !(10.0..=60_000.0).contains(&freeze_ms) {
        invalid("max_write_freeze", "it is not between 10 ms and 1 min");
    }
}

/// At most 30 days: the nodes keep their write-ahead log only as fast as the reverse streams follow.
pub fn check_reversible(ms: f64) {
    if !(0.0..=30.0 * 86_400_000.0).contains(&ms) {
        invalid("reversible_for", "it is not between 0 and 30 days");
    }
}

/// A limit such as `50MB`, in bytes a second; refuses (raises) less than 1 kB. `None`: no limit.
pub fn max_rate(text: Option<String>) -> Option<i64> {
    let text = text?;
    let bytes = spi::value(&format!("SELECT pg_size_bytes({})", spi::literal(&text)));
    let bytes = bytes.and_then(|bytes| bytes.parse::<i64>().ok());
    if bytes.is_none_or(|bytes| bytes < 1024) {
        invalid("max_rate", "it is less than 1 kB a second");
    }
    bytes
}

/// What only the strategy `rewrite` can do.
struct Rewrite {
    column: Option<String>,
    colocate_with: Option<Oid>,
}

impl Rewrite {
    fn refuse_for_move(&self, relation: Oid) -> Value {
        let metadata = cluster();
        let group = distributed_group(&metadata, relation);
        if self.column.is_some() || self.colocate_with.is_some() {
            invalid(
                "strategy",
                "only \"rewrite\" changes the distribution column or the colocation group",
            );
        }
        groups::refuse_in_motion(&metadata, group);
        check_replica_identity(group);
        json!({})
    }

    /// Refuses what cannot be rewritten; what the sidecar has to know besides.
    fn check(&self, relation: Oid) -> Value {
        let metadata = cluster();
        let known = metadata.table(relation);
        if let Some(table) = known {
            let group = distributed_group(&metadata, relation);
            groups::refuse_in_motion(&metadata, table.group);
            if self.column.is_none() && self.colocate_with.is_none() {
                return json!({ "group_id": group });
            }
        }
        let column = self.column.clone().or_else(|| {
            let kind = known.map(|table| table.kind.clone());
            match kind {
                Some(crate::metadata::cache::TableKind::Distributed { column_name, .. }) => {
                    Some(column_name)
                }
                _ => None,
            }
        });
        let Some(column) = column else {
            invalid(
                "distribution_column",
                "a table that is not distributed yet needs one",
            )
        };
        let subject = Subject::with_lock(relation, pg_sys::AccessShareLock);
        let type_oid = adopt::check(&subject, &column, known.is_none());
        let with = self.colocate_with.map(|other| {
            if other == relation {
                invalid("colocate_with", "it is the table itself");
            }
            groups::of_table(other, &subject.bare, type_oid);
            names::qualified(other)
        });
        let node = match known {
            Some(_) => None,
            None => metadata
                .nodes
                .get(&metadata.local_node)
                .map(|node| node.name.clone()),
        };
        json!({ "distribution_column": column, "colocate_with": with, "node": node })
    }
}

fn distributed_group(metadata: &Metadata, relation: Oid) -> i32 {
    match metadata.table(relation) {
        Some(table) if table.distribution_column().is_some() => table.group,
        _ => Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise(),
    }
}
