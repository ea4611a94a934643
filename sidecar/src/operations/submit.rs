//! How an operation gets into the journal.

use expanse_core::wire::{Operation, OperationKind};
use serde_json::{json, Value};

use super::error::{Error, Result};
use super::journal::Journal;
use super::kind::Desk;
use super::refusal::Refusal;

/// Checks an operation as its kind wants it and journals it; its id.
///
/// # Errors
/// [`Error::Refused`] with what is wrong with it, or with what it conflicts with.
pub async fn submit(
    journal: &Journal,
    desk: Desk<'_>,
    kind: OperationKind,
    target: &str,
    parameters: Value,
) -> Result<i64> {
    let mut operation = Operation::new(0, kind, target);
    operation.phase = "pending".into();
    operation.parameters = match parameters {
        Value::Null => json!({}),
        other => other,
    };
    if !operation.parameters.is_object() {
        return Err(invalid("parameters", "it is not an object"));
    }
    let Some(known) = journal.kinds().get(kind) else {
        return Err(Refusal::UnknownKind { kind }.into());
    };
    (known.admission)(desk, &mut operation).await?;
    let id = journal.submit(operation).await?;
    tracing::info!(operation = id, kind = kind.as_str(), target, "submitted");
    Ok(id)
}

/// The refusal of a parameter.
pub fn invalid(parameter: &str, reason: &str) -> Error {
    Refusal::InvalidParameter {
        parameter: parameter.to_owned(),
        reason: reason.to_owned(),
    }
    .into()
}
