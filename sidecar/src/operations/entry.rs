//! One entry of the journal: the operation as everybody sees it, and what its runner keeps for
//! whoever resumes it.

use expanse_core::wire::{Operation, OperationKind, OperationState};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    #[serde(flatten)]
    pub operation: Operation,
    /// Somebody wants it undone.
    #[serde(default)]
    pub cancel_requested: bool,
    /// Somebody wants it to stand still.
    #[serde(default)]
    pub pause_requested: bool,
    /// Somebody does not want to reverse it any more.
    #[serde(default)]
    pub finish_requested: bool,
    /// What it did when it was paused, and does again when it is resumed.
    #[serde(default)]
    pub paused_from: OperationState,
    /// Attempts to switch so far.
    #[serde(default)]
    pub switch_attempts: u32,
    /// What its steps have found out and decided, by name.
    #[serde(default)]
    pub memo: Map<String, Value>,
}

impl JournalEntry {
    pub fn new(
        operation_id: i64,
        kind: OperationKind,
        target: impl Into<String>,
        parameters: Value,
    ) -> Self {
        let mut operation = Operation::new(operation_id, kind, target);
        operation.parameters = parameters;
        operation.phase = "pending".into();
        Self {
            operation,
            cancel_requested: false,
            pause_requested: false,
            finish_requested: false,
            paused_from: OperationState::Pending,
            switch_attempts: 0,
            memo: Map::new(),
        }
    }

    pub fn state(&self) -> OperationState {
        self.operation.state
    }

    /// A parameter, `None` where it is absent, null or of another type.
    pub fn parameter<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        parameter(&self.operation.parameters, name)
    }

    pub fn remembered<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.memo.get(name)?.clone();
        serde_json::from_value(value).ok()
    }
}

pub fn parameter<T: DeserializeOwned>(parameters: &Value, name: &str) -> Option<T> {
    let value = parameters.get(name)?.clone();
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_the_journal_and_reads_as_a_plain_operation() {
        let mut entry = JournalEntry::new(
            7,
            OperationKind::Rebind,
            "public.orders",
            serde_json::json!({"group_id": 3}),
        );
        entry.memo.insert("pairs".into(), serde_json::json!([1, 2]));
        let text = serde_json::to_vec(&entry).unwrap();
        let read: JournalEntry = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, entry);
        let plain: Operation = serde_json::from_slice(&text).unwrap();
        assert_eq!(plain, entry.operation);
        assert_eq!(read.parameter::<i32>("group_id"), Some(3));
        assert_eq!(read.remembered::<Vec<i32>>("pairs"), Some(vec![1, 2]));
        assert_eq!(read.remembered::<Vec<i32>>("nothing"), None);
    }
}
