//! Why servers do not become nodes, or not yet.

use expanse_core::sqlstate;
use expanse_core::wire::ControlError;

use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("\"{program}\" failed: {output}")]
    ToolFailed { program: String, output: String },
    #[error("could not run \"{program}\": {reason}")]
    ToolMissing { program: String, reason: String },
    #[error("writes to replicated tables could not be held up: {}", last.message)]
    NotHeldUp {
        /// Of the last attempt.
        last: ControlError,
    },
    #[error("a write of a replicated table is prepared and not decided yet")]
    WritePrepared,
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::ToolFailed { .. } => sqlstate::TOOL_FAILED.code,
            Self::ToolMissing { .. } => sqlstate::TOOL_MISSING.code,
            Self::NotHeldUp { .. } => sqlstate::FREEZE_GIVEN_UP.code,
            Self::WritePrepared => sqlstate::TRANSACTION_IN_DOUBT.code,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotHeldUp { .. } => Some("Repeat the expansion at a quieter time.".into()),
            _ => None,
        }
    }

    fn passes(&self) -> bool {
        matches!(self, Self::WritePrepared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let all = [
            Refusal::ToolFailed {
                program: "psql".into(),
                output: "connection refused".into(),
            },
            Refusal::ToolMissing {
                program: "/nowhere/pg_dump".into(),
                reason: "no such file".into(),
            },
            Refusal::NotHeldUp {
                last: Refusal::WritePrepared.to_control(),
            },
            Refusal::WritePrepared,
        ];
        check_all(&all, 4);
    }
}
