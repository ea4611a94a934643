//! What kinds of operations have in the journal, typed.
//!
//! The parameters and the state of an operation are JSON objects there. Each kind has a struct for either; an absent field
//! has its default, and one that the struct does not have stays as it is, so that neighbouring versions understand each
//! other during an upgrade.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The types of one kind of operation.
pub trait Typed {
    /// What was requested.
    type Parameters: DeserializeOwned;
    /// What its steps have found out and decided.
    type State: Serialize + DeserializeOwned;
}

/// The parameters of an operation of kind `K`; none for what is no object.
///
/// # Errors
/// Why they cannot be read.
pub fn parameters<K: Typed>(parameters: &Value) -> serde_json::Result<K::Parameters> {
    let object = parameters.as_object().cloned().unwrap_or_default();
    serde_json::from_value(Value::Object(object))
}

/// The state of an operation of kind `K`.
///
/// # Errors
/// Why it cannot be read.
pub fn state<K: Typed>(memo: &Map<String, Value>) -> serde_json::Result<K::State> {
    serde_json::from_value(Value::Object(memo.clone()))
}

/// Changes the state of an operation of kind `K`.
///
/// # Errors
/// Why it cannot be read.
pub fn change<K: Typed>(
    memo: &mut Map<String, Value>,
    change: impl FnOnce(&mut K::State),
) -> serde_json::Result<()> {
    let mut state = state::<K>(memo)?;
    for name in object(&state).keys() {
        memo.remove(name);
    }
    change(&mut state);
    memo.extend(object(&state));
    Ok(())
}

fn object(state: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(state) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("the state of an operation is a struct of plain data, not {other:?}"),
    }
}

/// Reads a parameter that is absent, null or of another type as `None`.
///
/// # Errors
/// None of its own.
pub fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Toy;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Wanted {
        #[serde(deserialize_with = "optional")]
        rate: Option<i64>,
        #[serde(deserialize_with = "optional")]
        node: Option<String>,
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Found {
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        done: Option<bool>,
    }

    impl Typed for Toy {
        type Parameters = Wanted;
        type State = Found;
    }

    #[test]
    fn a_parameter_of_another_type_is_none() {
        let read = |value: Value| parameters::<Toy>(&value).unwrap();
        assert_eq!(read(Value::Null), Wanted::default());
        assert_eq!(
            read(json!({"rate": "fast", "node": null, "other": 1})),
            Wanted::default()
        );
        let both = read(json!({"rate": 5, "node": "n1"}));
        assert_eq!((both.rate, both.node.as_deref()), (Some(5), Some("n1")));
    }

    #[test]
    fn what_the_struct_does_not_know_stays() {
        let Value::Object(mut memo) = json!({"group": 3, "of_another_version": [1]}) else {
            panic!("an object");
        };
        change::<Toy>(&mut memo, |found| {
            assert_eq!((found.group, found.done), (Some(3), None));
            found.group = None;
            found.done = Some(true);
        })
        .unwrap();
        assert_eq!(
            Value::Object(memo.clone()),
            json!({"done": true, "of_another_version": [1]})
        );
        memo.insert("done".into(), json!("perhaps"));
        assert!(state::<Toy>(&memo).is_err());
    }
}
