//! The cluster as JSON: what is in `cluster_nodes`, `cluster_operations`, `cluster_executor` and
//! `cluster_blocked`, and every hash map with its ranges.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::Json;
use serde_json::{json, Value};
use tokio::sync::Mutex;

use super::Site;
use crate::executor::{Command, Weight};

const READ: Command = Command::new("read the hash maps", Weight::Background)
    .once()
    .limit(Duration::from_secs(2));
/// However often it is asked for, the server is asked once in this time.
const KEPT: Duration = Duration::from_secs(2);
const SQL: &str = "SELECT coalesce(jsonb_agg(to_jsonb(m) || jsonb_build_object('ranges', ( \
        SELECT jsonb_agg(jsonb_build_array(n.node_name, r.first_bucket, r.last_bucket) ORDER BY r.first_bucket) \
        FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id) \
        WHERE r.hash_map_version = m.hash_map_version)) ORDER BY m.hash_map_version), '[]') \
    FROM pg_catalog.cluster_hash_maps m";

/// The hash maps as they were read last.
#[derive(Default)]
pub struct Maps(Mutex<Option<(Instant, Value)>>);

pub async fn cluster(State(site): State<Arc<Site>>) -> Json<Value> {
    let mut body = serde_json::to_value(site.view.cluster()).expect("a status is plain data");
    body["hash_maps"] = maps(&site).await;
    Json(body)
}

async fn maps(site: &Site) -> Value {
    if site.view.local.borrow().is_none() {
        return json!([]);
    }
    let mut kept = site.maps.0.lock().await;
    if let Some((at, maps)) = &*kept {
        if at.elapsed() < KEPT {
            return maps.clone();
        }
    }
    let read = site
        .executor
        .value::<Value>(&site.server, READ, SQL, &[])
        .await;
    let maps = read.unwrap_or_else(|_| json!([]));
    *kept = Some((Instant::now(), maps.clone()));
    maps
}
