//! `/metrics`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use expanse_core::live::ExecutorClass;
use expanse_core::wire::{ClusterStatus, OperationState};

use super::Site;
use crate::executor::Weight;
use crate::metrics::{Named, Text, FREEZES, PHASES};

pub async fn metrics(State(site): State<Arc<Site>>) -> impl IntoResponse {
    let status = site.view.cluster();
    let mut text = Text::default();
    node(&mut text, &site, &status);
    pool(&mut text, &status.executor);
    pool_times(&mut text, &site);
    operations(&mut text, &status);
    process(&mut text);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.finish())
}

fn node(text: &mut Text, site: &Site, status: &ClusterStatus) {
    let local = site.view.local.borrow().clone();
    let up = f64::from(u8::from(local.is_some()));
    text.family(
        "expanse_server_up",
        "gauge",
        "The local server answers and is a node.",
    );
    text.sample("expanse_server_up", &[], up);
    let connected = site.view.session.borrow().is_connected();
    text.family(
        "expanse_coordination_up",
        "gauge",
        "The coordination store answers.",
    );
    text.sample(
        "expanse_coordination_up",
        &[],
        f64::from(u8::from(connected)),
    );
    text.family(
        "expanse_node_ready",
        "gauge",
        "Nodes with a status entry; 1 if it says ready.",
    );
    for node in &status.nodes {
        let labels = [("node", node.node_name.as_str()), ("role", &node.role)];
        let ready = node.state == "ready";
        text.sample("expanse_node_ready", &labels, f64::from(u8::from(ready)));
    }
    text.family(
        "expanse_node_leader",
        "gauge",
        "1 on the node that runs the operations.",
    );
    for node in &status.nodes {
        let labels = [("node", node.node_name.as_str())];
        text.sample(
            "expanse_node_leader",
            &labels,
            f64::from(u8::from(node.leader)),
        );
    }
    text.family(
        "expanse_node_load",
        "gauge",
        "How busy a node is, from 0 to 1, by resource.",
    );
    for node in &status.nodes {
        let load = node.load;
        let shares = [
            ("cpu", load.cpu),
            ("memory", load.memory),
            ("io", load.io),
            ("activity", load.activity),
        ];
        for (resource, share) in shares {
            let labels = [("node", node.node_name.as_str()), ("resource", resource)];
            text.sample("expanse_node_load", &labels, share);
        }
    }
    text.family(
        "expanse_blocked",
        "gauge",
        "Rows of cluster_blocked by weight.",
    );
    for weight in Weight::ALL {
        let count = status.blocked.iter().filter(|b| b.weight == weight.name());
        let labels = [("weight", weight.name())];
        text.sample("expanse_blocked", &labels, count.count() as f64);
    }
}

fn pool(text: &mut Text, classes: &[ExecutorClass]) {
    type Value = fn(&ExecutorClass) -> f64;
    let families: [(&str, &str, &str, Value); 9] = [
        ("expanse_executor_limit", "gauge", "Most sockets.", |c| {
            c.limit as f64
        }),
        ("expanse_executor_in_use", "gauge", "Sockets in use.", |c| {
            c.in_use as f64
        }),
        (
            "expanse_executor_waiting",
            "gauge",
            "Commands that wait for a socket.",
            |c| c.waiting as f64,
        ),
        (
            "expanse_executor_tries_total",
            "counter",
            "Tries of commands.",
            |c| c.tries as f64,
        ),
        (
            "expanse_executor_retries_total",
            "counter",
            "Tries that repeated a failed one.",
            |c| c.retries as f64,
        ),
        (
            "expanse_executor_timeouts_total",
            "counter",
            "Tries whose time was over.",
            |c| c.timeouts as f64,
        ),
        (
            "expanse_executor_failures_total",
            "counter",
            "Commands that were given up.",
            |c| c.failures as f64,
        ),
        (
            "expanse_executor_breaker_open",
            "gauge",
            "1 while commands are refused because the node does not answer.",
            |c| f64::from(u8::from(c.breaker != "closed")),
        ),
        (
            "expanse_executor_load_factor",
            "gauge",
            "What times of tries are multiplied by.",
            |c| c.load_factor,
        ),
    ];
    for (name, kind, help, value) in families {
        text.family(name, kind, help);
        for class in classes {
            let labels = [
                ("node", class.node_name.as_str()),
                ("address", &class.address),
                ("class", &class.class),
            ];
            text.sample(name, &labels, value(class));
        }
    }
}

fn pool_times(text: &mut Text, site: &Site) {
    let classes = site.executor.histograms();
    text.family(
        "expanse_executor_wait_seconds",
        "histogram",
        "How long commands waited for a socket.",
    );
    for (weight, waited, _) in &classes {
        text.histogram(
            "expanse_executor_wait_seconds",
            &[("class", weight.name())],
            waited,
        );
    }
    text.family(
        "expanse_executor_run_seconds",
        "histogram",
        "How long tries took on the node.",
    );
    for (weight, _, ran) in &classes {
        text.histogram(
            "expanse_executor_run_seconds",
            &[("class", weight.name())],
            ran,
        );
    }
}

fn operations(text: &mut Text, status: &ClusterStatus) {
    text.family(
        "expanse_operations",
        "gauge",
        "Operations by state, of the newest hundred.",
    );
    for state in OperationState::ALL {
        let count = status.operations.iter().filter(|o| o.state == state);
        text.sample(
            "expanse_operations",
            &[("state", state.as_str())],
            count.count() as f64,
        );
    }
    text.family(
        "expanse_operation_bytes_done",
        "gauge",
        "Bytes that a running operation has moved.",
    );
    for operation in status.operations.iter().filter(|o| !o.state.finished()) {
        let id = operation.operation_id.to_string();
        let labels = [
            ("operation", id.as_str()),
            ("kind", operation.kind.as_str()),
        ];
        text.sample(
            "expanse_operation_bytes_done",
            &labels,
            operation.bytes_done as f64,
        );
    }
    named(
        text,
        "expanse_freeze_seconds",
        "How long writes of a group were held up by this sidecar.",
        "outcome",
        &FREEZES,
    );
    named(
        text,
        "expanse_operation_step_seconds",
        "How long steps of operations took that this sidecar ran.",
        "step",
        &PHASES,
    );
}

fn named(text: &mut Text, name: &str, help: &str, label: &str, named: &Named) {
    text.family(name, "histogram", help);
    for ((kind, value), snapshot) in named.snapshots() {
        text.histogram(name, &[("kind", &kind), (label, &value)], &snapshot);
    }
}

/// This process, as Prometheus names it.
fn process(text: &mut Text) {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    // The name of the program is in parentheses and may hold spaces; field 3 follows it.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return;
    };
    let fields: Vec<f64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    let (Some(user), Some(system), Some(pages)) = (fields.get(11), fields.get(12), fields.get(21))
    else {
        return;
    };
    text.family(
        "process_cpu_seconds_total",
        "counter",
        "Processor time of this daemon.",
    );
    text.sample("process_cpu_seconds_total", &[], (user + system) / 100.0);
    text.family(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of this daemon.",
    );
    text.sample("process_resident_memory_bytes", &[], pages * 4096.0);
}
