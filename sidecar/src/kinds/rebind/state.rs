//! What a rebind has in the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::{ColumnChange, MovePlan};
use crate::operations::state::optional;
use crate::operations::Typed;

pub struct Rebind;

impl Typed for Rebind {
    type Parameters = Parameters;
    type State = State;
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Filled in when it is submitted, unless a plain table is to become a distributed one.
    #[serde(deserialize_with = "optional")]
    pub group_id: Option<i32>,
    /// Without one, the current version.
    #[serde(deserialize_with = "optional")]
    pub target_version: Option<i32>,
    /// `move` (also without one) or `rewrite`.
    #[serde(deserialize_with = "optional")]
    pub strategy: Option<String>,
    /// The node that has the table, if it is a plain one.
    #[serde(deserialize_with = "optional")]
    pub node: Option<String>,
    /// What the strategy `rewrite` changes.
    #[serde(deserialize_with = "optional")]
    pub distribution_column: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub colocate_with: Option<String>,
    /// The operation that it belongs to.
    #[serde(deserialize_with = "optional")]
    pub submitted_by: Option<i64>,
    #[serde(flatten)]
    pub limits: Limits,
}

/// What a rebind may cost; an operation that submits rebinds hands its own on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    #[serde(deserialize_with = "optional")]
    pub max_write_freeze_ms: Option<f64>,
    #[serde(deserialize_with = "optional")]
    pub reversible_for_ms: Option<f64>,
    /// Bytes a second.
    #[serde(deserialize_with = "optional")]
    pub max_rate: Option<i64>,
}

impl Parameters {
    pub fn rewrites(&self) -> bool {
        self.strategy.as_deref() == Some("rewrite")
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<MovePlan>,
    /// What was left in the targets before the copy is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets_cleared: Option<bool>,
    /// Indexes that are built after the copy, by node; noted before the first is deferred.
    #[serde(rename = "resting_indexes", skip_serializing_if = "Option::is_none")]
    pub deferred_indexes: Option<BTreeMap<String, Vec<String>>>,
    /// Where each node's log was in the freeze of the switch; noted before the switch is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverse_from: Option<BTreeMap<String, String>>,
    /// Seconds since 1970, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reversible_until: Option<f64>,
    /// The old copies may be deleted: the point of no return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
    /// Of a rewrite: the group of the table's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<i32>,
    /// Of a rewrite: the version it goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column_change: Option<ColumnChange>,
    /// Of a rewrite: the group that the table had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_before: Option<i32>,
    /// Of a rewrite: the replica identity of tables that were given another one, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_before: Option<BTreeMap<String, String>>,
    /// Of a rewrite: the new distribution column could be null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_nullable: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_read_as_the_extension_writes_them() {
        let read = |value| serde_json::from_value::<Parameters>(value).unwrap();
        let of_move = read(
            json!({"target_version": null, "strategy": "move", "max_write_freeze_ms": 250,
            "reversible_for_ms": null, "max_rate": 4096, "group_id": 3}),
        );
        let limits = Limits {
            max_write_freeze_ms: Some(250.0),
            reversible_for_ms: None,
            max_rate: Some(4096),
        };
        assert_eq!(of_move.limits, limits);
        assert_eq!(of_move.group_id, Some(3));
        assert!(!of_move.rewrites());
        let rewrite =
            read(json!({"strategy": "rewrite", "distribution_column": "k", "node": "n1"}));
        assert!(rewrite.rewrites() && rewrite.node.as_deref() == Some("n1"));
    }

    #[test]
    fn the_state_is_written_under_the_names_that_it_had() {
        let state = State {
            closed: Some(true),
            deferred_indexes: Some(BTreeMap::from([("n1".into(), vec!["public.i".into()])])),
            reversible_until: Some(5.5),
            ..State::default()
        };
        let text = json!({"closed": true, "resting_indexes": {"n1": ["public.i"]}, "reversible_until": 5.5});
        assert_eq!(serde_json::to_value(&state).unwrap(), text);
        assert_eq!(serde_json::from_value::<State>(text).unwrap(), state);
    }
}
