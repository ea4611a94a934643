//! The control socket's JSON is an interface: its shape is fixed here.

use expanse_core::wire::{
    ClusterStatus, ControlError, NodeStatus, Operation, OperationKind, OperationState, Request,
    Response, Topology,
};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn requests_look_as_documented() {
    let submit: Request = serde_json::from_value(json!({
        "command": "submit", "kind": "expand", "target": "n4", "parameters": {"host": "h", "port": 5432}
    }))
    .unwrap();
    assert!(
        matches!(&submit, Request::Submit { kind: OperationKind::Expand, target, .. } if target == "n4")
    );
    let bare: Request =
        serde_json::from_str(r#"{"command":"operation","operation_id":7}"#).unwrap();
    assert_eq!(bare, Request::Operation { operation_id: 7 });
    assert_eq!(
        serde_json::to_value(Request::Status).unwrap(),
        json!({"command": "status"})
    );
    assert!(serde_json::from_str::<Request>(r#"{"command":"format_disk"}"#).is_err());
}

#[test]
fn responses_look_as_documented() {
    assert_eq!(
        serde_json::to_value(Response::Submitted { operation_id: 7 }).unwrap(),
        json!({"ok": true, "operation_id": 7})
    );
    let error = ControlError::new("XP011", "an expansion is running").with_hint("Wait for it.");
    assert_eq!(
        serde_json::to_value(Response::Failed(error.clone())).unwrap(),
        json!({"ok": false, "sqlstate": "XP011", "message": "an expansion is running", "hint": "Wait for it."})
    );
    assert_eq!(Response::Failed(error.clone()).into_result(), Err(error));
}

#[test]
fn states_are_named_once() {
    for state in OperationState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
    }
    for kind in [
        OperationKind::Expand,
        OperationKind::Shrink,
        OperationKind::Rebind,
        OperationKind::AddStorage,
        OperationKind::DropStorage,
        OperationKind::MoveTable,
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
    }
}

#[test]
fn an_empty_status_is_understood() {
    assert_eq!(
        serde_json::from_str::<ClusterStatus>("{}").unwrap(),
        ClusterStatus::default()
    );
    let topology: Topology = serde_json::from_value(json!({
        "cluster_id": "c", "version": 3,
        "nodes": [{"node_id": 1, "node_name": "n1", "host": "h", "port": 5432}]
    }))
    .unwrap();
    assert_eq!(topology.nodes[0].weight, 1);
}

fn operation() -> impl Strategy<Value = Operation> {
    let state = (0..OperationState::ALL.len()).prop_map(|i| OperationState::ALL[i]);
    let error = prop::option::of((".{0,9}", prop::option::of(".{0,9}")));
    (
        any::<i64>(),
        ".{0,9}",
        state,
        any::<i64>(),
        prop::option::of(0u32..9),
        error,
    )
        .prop_map(|(id, target, state, bytes, finished, error)| Operation {
            state,
            bytes_done: bytes,
            finished_at: finished.map(f64::from),
            parameters: json!({"strategy": "move"}),
            error: error.map(|(message, detail)| ControlError {
                detail,
                ..ControlError::new("XP001", message)
            }),
            ..Operation::new(id, OperationKind::Rebind, target)
        })
}

proptest! {
    #[test]
    fn answers_round_trip(operations in prop::collection::vec(operation(), 0..3), name in ".{0,9}") {
        let node = NodeStatus {
            node_name: name, node_id: 1, host: "h".into(), port: 1, state: "ready".into(),
            role: "primary".into(), postgres_version: "15.1".into(), metadata_version: 2, leader: true, ..NodeStatus::default()
        };
        let status = ClusterStatus { nodes: vec![node], operations: operations.clone(), ..ClusterStatus::default() };
        let mut answers = vec![
            Response::Operations { operations: operations.clone() },
            Response::Status { status },
        ];
        answers.extend(operations.into_iter().map(|o| Response::Operation { operation: Box::new(o) }));
        for answer in answers {
            let json = serde_json::to_string(&answer).unwrap();
            prop_assert!(!json.contains('\n'), "one line");
            prop_assert_eq!(serde_json::from_str::<Response>(&json).unwrap(), answer);
        }
    }
}
