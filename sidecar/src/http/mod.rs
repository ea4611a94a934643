//! HTTP for monitoring: read-only, on localhost by default.
//!
//! | path | answer |
//! | --- | --- |
//! | `/` | a page that shows the cluster |
//! | `/metrics` | for Prometheus |
//! | `/healthz` | 200 while this daemon works |
//! | `/readyz` | 200 while the local server answers and is an active node |
//! | `/primary`, `/replica` | 200 on a ready node of that role, for load balancers |
//! | `/cluster` | all that this sidecar knows, as JSON |

mod cluster;
mod health;
mod metrics;
mod page;
mod server;

use std::sync::Arc;

use axum::routing::get;
use axum::Router;

use crate::executor::Executor;
use crate::metrics::Heartbeat;
use crate::overview::View;
use crate::postgres::NodeAddress;

pub use server::run;

/// What the answers are made of.
pub struct Site {
    pub view: View,
    pub executor: Executor,
    pub server: NodeAddress,
    pub heartbeat: Heartbeat,
    pub maps: cluster::Maps,
}

fn routes(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/primary", get(health::primary))
        .route("/replica", get(health::replica))
        .route("/cluster", get(cluster::cluster))
        .with_state(site)
}
