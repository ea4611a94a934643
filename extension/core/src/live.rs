//! What the sidecars say of themselves and of each other beside membership: load, the executor
//! pool, and why something that should happen does not.

use serde::{Deserialize, Serialize};

/// How busy a node is, each from 0 (idle) to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeLoad {
    /// Share of the last 10 s in which something waited for a processor.
    #[serde(default)]
    pub cpu: f64,
    /// Share of the last 10 s in which something waited for memory.
    #[serde(default)]
    pub memory: f64,
    /// Share of the last 10 s in which something waited for a disk.
    #[serde(default)]
    pub io: f64,
    /// Sessions at work for each processor, where one each counts as 0 and five each as 1.
    #[serde(default)]
    pub activity: f64,
}

impl NodeLoad {
    /// The scarcest of the four, from 0 to 1.
    pub fn busiest(&self) -> f64 {
        [self.cpu, self.memory, self.io, self.activity]
            .into_iter()
            .filter(|share| share.is_finite())
            .fold(0.0, f64::max)
            .min(1.0)
    }

    /// The load in steps of a tenth, so that a status entry changes only when it matters.
    pub fn rounded(&self) -> Self {
        let round = |share: f64| (share.clamp(0.0, 1.0) * 10.0).round() / 10.0;
        Self {
            cpu: round(self.cpu),
            memory: round(self.memory),
            io: round(self.io),
            activity: round(self.activity),
        }
    }
}

/// Something that should happen and does not: a row of `cluster_blocked`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Blocked {
    /// Whose sidecar says so.
    pub reported_by: String,
    /// The node that it is about.
    pub node_name: String,
    pub what: String,
    pub why: String,
    /// Seconds since 1970, UTC.
    pub since: f64,
    pub hint: String,
    /// `critical`, `interactive`, `maintenance` or `background`.
    pub weight: String,
    /// How often it has been given up.
    #[serde(default)]
    pub times: u64,
}

/// One weight class of commands to one node: a row of `cluster_executor`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ExecutorClass {
    pub node_name: String,
    /// Where the commands go: a host or the directory of a socket, and a port.
    pub address: String,
    pub class: String,
    /// Most sockets of this class.
    pub limit: u64,
    pub in_use: u64,
    pub waiting: u64,
    pub tries: u64,
    pub retries: u64,
    pub timeouts: u64,
    /// Commands that were given up.
    pub failures: u64,
    /// Retries that the budget allows now.
    pub retry_budget: f64,
    /// `closed`, `open` or `half_open`.
    pub breaker: String,
    /// Why commands wait or are refused, or what the last failure was.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the time of a try is multiplied by because the node is busy.
    pub load_factor: f64,
}
