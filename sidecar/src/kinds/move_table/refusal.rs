//! Why tables do not move to another storage, or not yet.

use expanse_core::sqlstate;
use expanse_core::wire::ControlError;

use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("storage \"{storage}\" is missing on node \"{node}\"")]
    StorageMissing { storage: String, node: String },
    #[error("\"{part}\" lies in \"{storage}\" on node \"{node}\"")]
    LiesElsewhere {
        part: String,
        storage: String,
        node: String,
    },
    #[error("table \"{table}\" could not be locked on node \"{node}\": {}", last.message)]
    NotLocked {
        table: String,
        node: String,
        /// Of the last attempt.
        last: ControlError,
    },
    #[error("{who} on node \"{node}\" uses {table} in a long transaction")]
    LongTransaction {
        who: String,
        node: String,
        table: String,
        seconds: f64,
    },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::StorageMissing { .. } => sqlstate::STORAGE_MISSING.code,
            Self::LiesElsewhere { .. } => sqlstate::PART_NOT_MOVED.code,
            Self::NotLocked { .. } => sqlstate::TABLE_LOCK_GIVEN_UP.code,
            Self::LongTransaction { .. } => sqlstate::BLOCKED_TOO_LONG.code,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::LongTransaction { seconds, .. } => {
                Some(format!("It has been open for {seconds:.1} s."))
            }
            Self::NotLocked { last, .. } => last.detail.clone(),
            _ => None,
        }
    }

    fn passes(&self) -> bool {
        matches!(
            self,
            Self::LiesElsewhere { .. } | Self::LongTransaction { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let node = || "n2".to_owned();
        let long = Refusal::LongTransaction {
            who: "process 7".into(),
            node: node(),
            table: "public.t".into(),
            seconds: 1.0,
        };
        let all = [
            Refusal::StorageMissing {
                storage: "fast".into(),
                node: node(),
            },
            Refusal::LiesElsewhere {
                part: "public.t_pkey".into(),
                storage: "pg_default".into(),
                node: node(),
            },
            Refusal::NotLocked {
                table: "public.t".into(),
                node: node(),
                last: long.to_control(),
            },
            long,
        ];
        check_all(&all, 4);
        assert_eq!(
            all[2].detail().as_deref(),
            Some("It has been open for 1.0 s.")
        );
    }
}
