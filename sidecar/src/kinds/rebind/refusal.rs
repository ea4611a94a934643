//! Why a rebind is refused, or waits.

use std::time::Duration;

use expanse_core::sqlstate;
use expanse_core::wire::ControlError;

use super::verify::digest::{describe, Difference};
use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("colocation group {group_id} does not exist")]
    NoGroup { group_id: i32 },
    #[error("setting {setting} of node \"{node}\" does not allow this rebind")]
    Setting {
        node: String,
        setting: &'static str,
        /// What it has to be.
        value: String,
    },
    #[error("relation {relation} cannot be distributed: column \"{column}\" contains null values")]
    Null { relation: String, column: String },
    #[error("{who} on node \"{node}\" uses the group in a long transaction")]
    LongTransaction {
        who: String,
        node: String,
        seconds: f64,
    },
    #[error("{what} did not end in time")]
    Late { what: String },
    #[error(
        "writes could not be held up for as little as {} ms: {}",
        limit.as_millis(),
        last.message
    )]
    NotHeldUp {
        limit: Duration,
        /// Of the last attempt.
        last: ControlError,
    },
    #[error("the nodes are about to bind the group")]
    BindingInDoubt,
    #[error("the new copies differ from the old ones, so the switch was reversed")]
    CopiesDiffer { differences: Vec<Difference> },
    #[error("{reason}")]
    NotCompared { reason: &'static str },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::NoGroup { .. } => sqlstate::NOT_DISTRIBUTED.code,
            Self::Setting { .. } => sqlstate::SETTING_TOO_LOW.code,
            Self::Null { .. } => sqlstate::NOT_DISTRIBUTABLE.code,
            Self::LongTransaction { .. } | Self::Late { .. } => sqlstate::BLOCKED_TOO_LONG.code,
            Self::NotHeldUp { .. } => sqlstate::FREEZE_GIVEN_UP.code,
            Self::BindingInDoubt => sqlstate::STEP_IN_DOUBT.code,
            Self::CopiesDiffer { .. } => sqlstate::COPIES_DIFFER.code,
            Self::NotCompared { .. } => sqlstate::COMPARISON_INCOMPLETE.code,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::LongTransaction { seconds, .. } => {
                Some(format!("It has been open for {seconds:.1} s."))
            }
            Self::NotHeldUp { last, .. } => last.detail.clone(),
            Self::CopiesDiffer { differences } => {
                Some(format!("Different: {}.", describe(differences)))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoGroup { .. } => Some("See SELECT * FROM cluster_tables.".into()),
            Self::Setting {
                node,
                setting,
                value,
            } => Some(format!(
                "Set {setting} of node \"{node}\" to {value} and restart it."
            )),
            Self::Null { .. } => {
                Some("A distribution column is NOT NULL; give these rows a value first.".into())
            }
            Self::NotHeldUp { .. } => Some(
                "End the transaction that stands in the way, or repeat the rebind at a quieter time or with a longer max_write_freeze."
                    .into(),
            ),
            _ => None,
        }
    }

    fn passes(&self) -> bool {
        match self {
            Self::LongTransaction { .. }
            | Self::Late { .. }
            | Self::BindingInDoubt
            | Self::NotCompared { .. } => true,
            Self::NoGroup { .. }
            | Self::Setting { .. }
            | Self::Null { .. }
            | Self::NotHeldUp { .. }
            | Self::CopiesDiffer { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let late = Refusal::LongTransaction {
            who: "process 7".into(),
            node: "n2".into(),
            seconds: 3.25,
        };
        let last = late.to_control();
        let all = [
            Refusal::NoGroup { group_id: 3 },
            Refusal::Setting {
                node: "n1".into(),
                setting: "max_wal_senders",
                value: "at least 2 more".into(),
            },
            Refusal::Null {
                relation: "public.t".into(),
                column: "k".into(),
            },
            late,
            Refusal::Late {
                what: "the journal".into(),
            },
            Refusal::NotHeldUp {
                limit: Duration::from_millis(500),
                last,
            },
            Refusal::BindingInDoubt,
            Refusal::CopiesDiffer {
                differences: vec![Difference {
                    relation: "public.t".into(),
                    source: "n1".into(),
                    target: "n3".into(),
                    buckets: vec![1, 2],
                }],
            },
            Refusal::NotCompared {
                reason: "a node of the move was not asked",
            },
        ];
        check_all(&all, 9);
        assert_eq!(
            all[5].to_control().detail.as_deref(),
            Some("It has been open for 3.2 s.")
        );
    }
}
