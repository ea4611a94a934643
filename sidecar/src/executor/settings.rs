//! What all targets of a pool share: settings that can change at run time, loads, histograms, alarms.

use std::collections::HashMap;
use std::time::Duration;

use expanse_core::live::NodeLoad;
use parking_lot::RwLock;

use super::admission::Limits;
use super::breaker::BreakerSettings;
use super::budget::BudgetSettings;
use super::timing::load_factor;
use super::Timing;
use crate::alarms::Alarms;
use crate::config::{ExecutorConfig, PostgresConfig};
use crate::metrics::Histogram;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub limits: Limits,
    pub timing: Timing,
    pub breaker: BreakerSettings,
    pub budget: BudgetSettings,
    /// A command without a deadline of its own ends within this.
    pub deadline: Duration,
}

impl From<&ExecutorConfig> for Settings {
    fn from(config: &ExecutorConfig) -> Self {
        Self {
            limits: config.into(),
            timing: config.into(),
            breaker: BreakerSettings {
                failures: config.breaker_failures,
                open: Duration::from_millis(config.breaker_open_ms),
                longest: Duration::from_millis(config.breaker_longest_ms),
            },
            budget: BudgetSettings {
                percent: config.retry_budget_percent,
                reserve: config.retry_reserve,
            },
            deadline: Duration::from_millis(config.deadline_ms),
        }
    }
}

pub(super) struct Shared {
    pub postgres: PostgresConfig,
    settings: RwLock<Settings>,
    loads: RwLock<HashMap<String, NodeLoad>>,
    pub alarms: Alarms,
    /// How long commands of a class waited for a socket.
    pub waited: [Histogram; 4],
    /// How long tries of a class took.
    pub ran: [Histogram; 4],
}

impl Shared {
    pub fn new(postgres: PostgresConfig, config: &ExecutorConfig, alarms: Alarms) -> Self {
        Self {
            postgres,
            settings: RwLock::new(config.into()),
            loads: RwLock::default(),
            alarms,
            waited: Default::default(),
            ran: Default::default(),
        }
    }

    pub fn settings(&self) -> Settings {
        *self.settings.read()
    }

    pub fn change(&self, settings: Settings) {
        *self.settings.write() = settings;
    }

    pub fn set_loads(&self, loads: HashMap<String, NodeLoad>) {
        *self.loads.write() = loads;
    }

    /// Of a node that says nothing of its load: 0.
    pub fn load(&self, node_name: &str) -> f64 {
        let loads = self.loads.read();
        loads.get(node_name).map_or(0.0, NodeLoad::busiest)
    }

    /// Of a node that says nothing of its load: 1.
    pub fn load_factor(&self, node_name: &str) -> f64 {
        self.loads.read().get(node_name).map_or(1.0, load_factor)
    }
}
