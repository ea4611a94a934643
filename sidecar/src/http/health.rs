//! Is it alive, is it ready, what role has it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use serde_json::{json, Value};

use super::Site;

/// A daemon whose main loop has not gone round for so long does not work any more.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30);

type Answer = (StatusCode, Json<Value>);

pub async fn healthz(State(site): State<Arc<Site>>) -> Answer {
    let age = site.heartbeat.age();
    answer(
        age < HEARTBEAT_LIMIT,
        json!({"last_heartbeat_seconds": age.as_secs_f64()}),
    )
}

pub async fn readyz(State(site): State<Arc<Site>>) -> Answer {
    ready(&site, None)
}

pub async fn primary(State(site): State<Arc<Site>>) -> Answer {
    ready(&site, Some("primary"))
}

pub async fn replica(State(site): State<Arc<Site>>) -> Answer {
    ready(&site, Some("standby"))
}

/// Does not ask for the coordination store: queries go on without it.
fn ready(site: &Site, role: Option<&str>) -> Answer {
    let store = site.view.session.borrow().is_connected();
    let local = site.view.local.borrow();
    let Some(node) = local.as_ref() else {
        let why = "the local server does not answer or is not part of a cluster";
        return answer(false, json!({"reason": why, "coordination": store}));
    };
    let status = &node.status;
    let ready = status.state == "ready" && role.is_none_or(|role| status.role == role);
    answer(
        ready,
        json!({"node": status.node_name, "state": status.state, "role": status.role, "coordination": store}),
    )
}

fn answer(well: bool, body: Value) -> Answer {
    let code = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body))
}
