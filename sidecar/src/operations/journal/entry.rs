//! One entry of the journal: the operation as it is shown, and what its kind keeps for the leader that resumes it.

use expanse_core::wire::{Operation, OperationState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::operations::error::{Error, Result};
use crate::operations::state::{self, Typed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    #[serde(flatten)]
    pub operation: Operation,
    /// It is to be undone.
    #[serde(default)]
    pub cancel_requested: bool,
    /// It is to be paused.
    #[serde(default)]
    pub pause_requested: bool,
    /// It is not to be reversed any more.
    #[serde(default)]
    pub finish_requested: bool,
    /// What it did when it was paused, and does again when it is resumed.
    #[serde(default)]
    pub paused_from: OperationState,
    /// Attempts to make its effect visible so far.
    #[serde(default, rename = "switch_attempts")]
    pub attempts: u32,
    /// What its steps have found out and decided: a struct of its kind.
    #[serde(default)]
    memo: Map<String, Value>,
}

impl From<Operation> for JournalEntry {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            cancel_requested: false,
            pause_requested: false,
            finish_requested: false,
            paused_from: OperationState::Pending,
            attempts: 0,
            memo: Map::new(),
        }
    }
}

impl JournalEntry {
    pub fn progress(&self) -> OperationState {
        self.operation.state
    }

    /// What was requested of an operation of kind `K`.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn parameters<K: Typed>(&self) -> Result<K::Parameters> {
        state::parameters::<K>(&self.operation.parameters).map_err(|error| self.damaged(&error))
    }

    /// What the steps of an operation of kind `K` have found out and decided.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn state<K: Typed>(&self) -> Result<K::State> {
        state::state::<K>(&self.memo).map_err(|error| self.damaged(&error))
    }

    /// Changes the state of an operation of kind `K`.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn change_state<K: Typed>(&mut self, change: impl FnOnce(&mut K::State)) -> Result<()> {
        let changed = state::change::<K>(&mut self.memo, change);
        changed.map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &serde_json::Error) -> Error {
        Error::Damaged {
            operation_id: self.operation.operation_id,
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expanse_core::wire::OperationKind;
    use serde_json::json;

    struct Toy;

    #[derive(Default, Deserialize)]
    struct Group {
        group_id: i32,
    }

    #[derive(Serialize, Deserialize)]
    struct Pairs {
        pairs: Vec<i32>,
    }

    impl Typed for Toy {
        type Parameters = Group;
        type State = Pairs;
    }

    #[test]
    fn an_entry_survives_the_journal_and_reads_as_a_plain_operation() {
        let text = json!({
            "operation_id": 7, "kind": "rebind", "target": "public.orders", "state": "pending",
            "parameters": {"group_id": 3}, "switch_attempts": 2, "memo": {"pairs": [1, 2]},
        });
        let mut entry: JournalEntry = serde_json::from_value(text).unwrap();
        assert_eq!(entry.operation.kind, OperationKind::Rebind);
        assert_eq!(entry.attempts, 2);
        assert_eq!(entry.parameters::<Toy>().unwrap().group_id, 3);
        assert_eq!(entry.state::<Toy>().unwrap().pairs, [1, 2]);
        entry
            .change_state::<Toy>(|state| state.pairs.push(3))
            .unwrap();
        let text = serde_json::to_vec(&entry).unwrap();
        let read: JournalEntry = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, entry);
        let plain: Operation = serde_json::from_slice(&text).unwrap();
        assert_eq!(plain, entry.operation);
        let written: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(written["switch_attempts"], 2);
        assert_eq!(written["memo"], json!({"pairs": [1, 2, 3]}));
    }
}
