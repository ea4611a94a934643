//! What the sidecar answers over HTTP, and what it costs while nothing happens.

use std::collections::HashSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::until;
use crate::kit::{let_pass, request, Failure, Node, Outcome, Scenario};

const IDLE: Duration = Duration::from_secs(30);
const MEMORY_KB: u64 = 30 * 1024;
/// Hundredths of a per cent of a processor.
const COST: u64 = 50;

const FAMILIES: [&str; 7] = [
    "expanse_freeze_seconds",
    "expanse_operation_step_seconds_bucket",
    "expanse_executor_wait_seconds_bucket",
    "expanse_executor_run_seconds_sum",
    "expanse_executor_tries_total",
    "expanse_node_load",
    "process_resident_memory_bytes",
];

pub fn run(scenario: &Scenario) {
    let n1 = scenario.cluster.node(1);
    for (name, path, status) in [
        ("health", "/healthz", 200),
        ("ready", "/readyz", 200),
        ("primary", "/primary", 200),
        ("no replica", "/replica", 503),
        ("page", "/", 200),
        ("nothing else", "/nothing", 404),
    ] {
        scenario.check(name, status_is(&n1, path, status));
    }
    let posted = request(n1.http_port(), "POST /cluster").map(|answer| answer.status == 405);
    scenario.check("read-only", posted);
    scenario.check("metrics", metrics_are_well_formed(&n1));
    let cluster = until("/cluster is as it should be", || cluster_is_json(&n1));
    scenario.check("cluster as JSON", cluster);
    scenario.check("idle cost", idle_cost(scenario));
}

/// The sidecar of the node answers so.
pub fn status_is(node: &Node, path: &str, status: u16) -> Outcome {
    let answer = request(node.http_port(), &format!("GET {path}"))?;
    if answer.status == status {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "{path} of {}: {}",
        node.name, answer.status
    )))
}

/// What a sample says and of what: `name{label="value"} 1.5`.
fn metrics_are_well_formed(node: &Node) -> Outcome {
    let text = request(node.http_port(), "GET /metrics")?.body;
    let mut seen = HashSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            if !is_comment(comment) {
                return Err(Failure::Wrong(format!(
                    "a line that Prometheus cannot read: {line}"
                )));
            }
            continue;
        }
        let sample = line
            .rsplit_once(' ')
            .filter(|(name, value)| is_name(name) && is_value(value));
        let Some((name, _)) = sample else {
            return Err(Failure::Wrong(format!(
                "a line that Prometheus cannot read: {line}"
            )));
        };
        if !seen.insert(name) {
            return Err(Failure::Wrong(format!("a sample is there twice: {name}")));
        }
    }
    match FAMILIES.iter().find(|family| !text.contains(**family)) {
        Some(family) => Err(Failure::Wrong(format!("no {family}"))),
        None => Ok(()),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `HELP name text` or `TYPE name kind`.
fn is_comment(comment: &str) -> bool {
    let mut parts = comment.splitn(3, ' ');
    matches!(parts.next(), Some("HELP" | "TYPE"))
        && parts.next().is_some_and(is_word)
        && parts.next().is_some_and(|text| !text.is_empty())
}

/// A name, and labels in braces whose values are quoted.
fn is_name(text: &str) -> bool {
    let Some((name, labels)) = text.split_once('{') else {
        return is_word(text);
    };
    labels.strip_suffix('}').is_some_and(are_labels) && is_word(name)
}

fn are_labels(mut labels: &str) -> bool {
    while !labels.is_empty() {
        let Some((label, rest)) = labels.split_once("=\"") else {
            return false;
        };
        let Some(end) = end_of_value(rest) else {
            return false;
        };
        if !is_word(label) {
            return false;
        }
        labels = &rest[end + 1..];
        labels = labels.strip_prefix(',').unwrap_or(labels);
    }
    true
}

/// Where the quote is that ends a value: not one after a backslash.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn is_value(text: &str) -> bool {
    matches!(text, "+Inf" | "-Inf" | "Inf") || text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// PostgreSQL reads it.
fn cluster_is_json(node: &Node) -> Outcome<bool> {
    let json = request(node.http_port(), "GET /cluster")?.body;
    node.says(
        &format!(
            "SELECT format('%s %s %s', jsonb_array_length(j -> 'nodes'),
                (SELECT count(*) FROM jsonb_array_elements(j -> 'hash_maps') m WHERE (m ->> 'current')::bool),
                (SELECT array_agg(n ->> 'node_name' ORDER BY 1) FROM jsonb_array_elements(j -> 'nodes') n))
             FROM (SELECT $json${json}$json$::jsonb AS j) s"
        ),
        "3 1 {n1,n2,n3}",
    )
}

/// Memory under 30 MiB, processor under 0.5 %.
fn idle_cost(scenario: &Scenario) -> Outcome {
    let nodes = scenario.cluster.first_nodes();
    let ticks_a_second = ticks_a_second()?;
    let before: Vec<u64> = nodes.iter().map(ticks).collect::<Outcome<_>>()?;
    let_pass(IDLE);
    for (node, before) in nodes.iter().zip(before) {
        let used = ticks(node)? - before;
        let cost = used * 10_000 / (IDLE.as_secs() * ticks_a_second);
        let memory = memory_kb(node)?;
        let figures = format!(
            "{}: {memory} kB, {}.{:02} % of a processor",
            node.name,
            cost / 100,
            cost % 100
        );
        if memory >= MEMORY_KB || cost > COST {
            return Err(Failure::Wrong(figures));
        }
        scenario.note(figures);
    }
    Ok(())
}

fn process_file(node: &Node, file: &str) -> Outcome<String> {
    let path = format!("/proc/{}/{file}", node.sidecar_pid()?);
    fs::read_to_string(&path).map_err(Failure::io(path))
}

/// User and system time that the sidecar has used.
fn ticks(node: &Node) -> Outcome<u64> {
    let text = process_file(node, "stat")?;
    let times = text.split(' ').skip(13).take(2);
    let times: Result<Vec<u64>, _> = times.map(str::parse).collect();
    times
        .map(|times| times.iter().sum())
        .map_err(|_| Failure::Wrong(format!("no times in: {text}")))
}

fn memory_kb(node: &Node) -> Outcome<u64> {
    let text = process_file(node, "status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.ok_or_else(|| Failure::wrong("no VmRSS"))
}

fn ticks_a_second() -> Outcome<u64> {
    let said = Command::new("getconf").arg("CLK_TCK").output();
    let said = said.map_err(Failure::io("starting getconf"))?;
    let text = String::from_utf8_lossy(&said.stdout);
    text.trim()
        .parse()
        .map_err(|_| Failure::Wrong(format!("clock ticks a second: {text}")))
}

#[cfg(test)]
mod tests {
    use super::{is_comment, is_name, is_value};

    #[test]
    fn what_prometheus_reads() {
        assert!(is_comment("TYPE expanse_node_load gauge"));
        assert!(!is_comment("NOTE expanse_node_load gauge"));
        assert!(!is_comment("HELP expanse_node_load"));
        assert!(is_name("up"));
        assert!(is_name(r#"runs{class="a \" b",node="n1"}"#));
        assert!(!is_name(r#"runs{class=a}"#));
        assert!(!is_name(r#"runs{class="a"#));
        assert!(is_value("1.5e-3") && is_value("+Inf"));
        assert!(!is_value("NaN") && !is_value("one"));
    }
}
