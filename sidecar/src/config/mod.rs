//! Configuration of the daemon: one TOML file, environment variables over it, flags over those.
//!
//! [`fields::FIELDS`] lists every field once, with unit, default and meaning. The sample file
//! (`packaging/expansed.toml`) is generated from it by [`sample`], and a test keeps the two equal.

pub mod fields;
mod load;
mod reload;
mod sample;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::coordination::without_password;

pub use load::{load, ConfigError};
pub use reload::{changes, Change};
pub use sample::sample;

/// Everything an `expansed` needs to know before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub node_name: String,
    pub control_socket: PathBuf,
    pub state_dir: PathBuf,
    pub topology_dir: PathBuf,
    pub coordination: CoordinationConfig,
    pub postgres: PostgresConfig,
    pub executor: ExecutorConfig,
    pub operations: OperationsConfig,
    pub alarm: AlarmConfig,
    pub http: HttpConfig,
    pub log: LogConfig,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoordinationConfig {
    pub url: String,
    pub session_timeout_ms: u64,
    pub call_timeout_ms: u64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub dbname: String,
    pub bin_dir: PathBuf,
    pub connect_timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecutorConfig {
    pub sockets_per_node: usize,
    pub critical_sockets: usize,
    pub interactive_sockets: usize,
    pub maintenance_sockets: usize,
    pub background_sockets: usize,
    pub base_timeout_ms: u64,
    pub max_timeout_ms: u64,
    pub retries: u32,
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    pub deadline_ms: u64,
    pub retry_budget_percent: u32,
    pub retry_reserve: u32,
    pub breaker_failures: u32,
    pub breaker_open_ms: u64,
    pub breaker_longest_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperationsConfig {
    pub max_write_freeze_ms: u64,
    pub lock_timeout_ms: u64,
    pub poll_interval_ms: u64,
    pub give_up_after_ms: u64,
    pub switch_attempts: u32,
    pub copy_rate_under_load: u64,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmConfig {
    pub webhook_url: String,
    pub webhook_timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    pub address: String,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The password in the address never reaches a log.
impl std::fmt::Debug for CoordinationConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoordinationConfig")
            .field("url", &without_password(&self.url))
            .field("session_timeout_ms", &self.session_timeout_ms)
            .field("call_timeout_ms", &self.call_timeout_ms)
            .finish()
    }
}

/// The address may hold a secret; it never reaches a log.
impl std::fmt::Debug for AlarmConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlarmConfig")
            .field("webhook", &!self.webhook_url.is_empty())
            .finish_non_exhaustive()
    }
}

/// The password never reaches a log.
impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("dbname", &self.dbname)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            control_socket: "/run/expanse/expansed.sock".into(),
            state_dir: "/var/lib/expanse".into(),
            topology_dir: PathBuf::new(),
            coordination: CoordinationConfig::default(),
            postgres: PostgresConfig::default(),
            executor: ExecutorConfig::default(),
            operations: OperationsConfig::default(),
            alarm: AlarmConfig::default(),
            http: HttpConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for CoordinationConfig {
    fn default() -> Self {
        Self {
            url: "dir:///var/lib/expanse/coordination".into(),
            session_timeout_ms: 5_000,
            call_timeout_ms: 3_000,
        }
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            host: "/var/run/postgresql".into(),
            port: 5432,
            user: "postgres".into(),
            password: String::new(),
            dbname: "postgres".into(),
            bin_dir: PathBuf::new(),
            connect_timeout_ms: 2_000,
        }
    }
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            sockets_per_node: 16,
            critical_sockets: 8,
            interactive_sockets: 8,
            maintenance_sockets: 8,
            background_sockets: 2,
            base_timeout_ms: 10_000,
            max_timeout_ms: 120_000,
            retries: 5,
            backoff_base_ms: 50,
            backoff_cap_ms: 2_000,
            deadline_ms: 300_000,
            retry_budget_percent: 10,
            retry_reserve: 10,
            breaker_failures: 5,
            breaker_open_ms: 500,
            breaker_longest_ms: 10_000,
        }
    }
}

impl Default for OperationsConfig {
    fn default() -> Self {
        Self {
            max_write_freeze_ms: 500,
            lock_timeout_ms: 100,
            poll_interval_ms: 100,
            give_up_after_ms: 60_000,
            switch_attempts: 100,
            copy_rate_under_load: 16_000_000,
        }
    }
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self {
            webhook_url: String::new(),
            webhook_timeout_ms: 5_000,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: "127.0.0.1".into(),
            port: 5480,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info,zookeeper_client=error,tokio_postgres=warn".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let mut config = Config::default();
        config.postgres.password = "s3cret".into();
        config.coordination.url = "zookeeper://me:s3cret@a:1/x".into();
        config.alarm.webhook_url = "https://a/s3cret".into();
        assert!(!format!("{config:?}").contains("s3cret"));
        config.coordination.url = "zookeeper://me:s3cret@a:0/x".into();
        let error = load::check(&config).unwrap_err().to_string();
        assert!(
            error.contains("not a port") && !error.contains("s3cret"),
            "{error}"
        );
    }
}
