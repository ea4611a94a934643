//! File, environment, flags: each over the one before, then checked as a whole.

use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::{Table, Value};

use super::fields::{Field, FIELDS};
use super::Config;
use crate::coordination::Address;

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("could not read configuration file \"{path}\": {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("configuration file \"{path}\" is not valid: {message}")]
    Syntax { path: PathBuf, message: String },
    #[error("unknown configuration field \"{0}\"")]
    UnknownField(String),
    #[error("setting \"{0}\" is not of the form name=value")]
    NotAnAssignment(String),
    #[error("invalid configuration: {0}")]
    Invalid(String),
}

/// Reads `file` (if given), then `environment`, then `settings` (`section.name=value`).
///
/// # Errors
/// A file that cannot be read or parsed, an unknown field, or a value out of its range.
pub fn load<E>(
    file: Option<&Path>,
    environment: E,
    settings: &[String],
) -> Result<Config, ConfigError>
where
    E: Fn(&str) -> Option<String>,
{
    let mut table = match file {
        Some(path) => read(path)?,
        None => Table::new(),
    };
    for field in FIELDS {
        if let Some(text) = environment(&field.environment()) {
            put(&mut table, field, &text);
        }
    }
    for setting in settings {
        let (name, text) = setting
            .split_once('=')
            .ok_or_else(|| ConfigError::NotAnAssignment(setting.clone()))?;
        let field = find(name).ok_or_else(|| ConfigError::UnknownField(name.to_owned()))?;
        put(&mut table, field, text);
    }
    let config: Config = table
        .try_into()
        .map_err(|e: toml::de::Error| ConfigError::Invalid(e.message().to_owned()))?;
    check(&config)?;
    Ok(config)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    text.parse()
        .map_err(|e: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            message: e.to_string(),
        })
}

fn find(name: &str) -> Option<&'static Field> {
    let (section, name) = name.split_once('.').unwrap_or(("", name));
    FIELDS
        .iter()
        .find(|f| f.section == section && f.name == name)
}

/// A number where the text is one and the field has a unit, else text.
fn put(table: &mut Table, field: &Field, text: &str) {
    let value = match text.parse::<i64>() {
        Ok(number) if !field.unit.is_empty() => Value::Integer(number),
        _ => Value::String(text.to_owned()),
    };
    let target = if field.section.is_empty() {
        Some(table)
    } else {
        table
            .entry(field.section)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
    };
    if let Some(target) = target {
        target.insert(field.name.to_owned(), value);
    }
}

pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let invalid = |message: String| Err(ConfigError::Invalid(message));
    if let Err(error) = Address::parse(&config.coordination.url) {
        return invalid(format!("coordination.url: {error}"));
    }
    if config.coordination.session_timeout_ms < 1_000 {
        return invalid("coordination.session_timeout_ms is below 1000".into());
    }
    if !config.control_socket.is_absolute() || !config.state_dir.is_absolute() {
        return invalid("control_socket and state_dir must be absolute paths".into());
    }
    if !config.topology_dir.as_os_str().is_empty() && !config.topology_dir.is_absolute() {
        return invalid("topology_dir must be an absolute path".into());
    }
    let e = &config.executor;
    let classes = [
        e.critical_sockets,
        e.interactive_sockets,
        e.maintenance_sockets,
        e.background_sockets,
    ];
    if classes.contains(&0) || e.sockets_per_node < 2 {
        return invalid("each class of the executor needs at least one connection a node".into());
    }
    if e.base_timeout_ms == 0 || e.max_timeout_ms < e.base_timeout_ms || e.deadline_ms == 0 {
        return invalid("executor.base_timeout_ms must be above 0 and no more than executor.max_timeout_ms, and executor.deadline_ms above 0".into());
    }
    if e.breaker_failures == 0
        || e.breaker_open_ms == 0
        || e.breaker_longest_ms < e.breaker_open_ms
        || e.retry_budget_percent > 100
    {
        return invalid("executor.breaker_failures and executor.breaker_open_ms must be above 0, executor.breaker_longest_ms at least executor.breaker_open_ms, executor.retry_budget_percent at most 100".into());
    }
    let url = &config.alarm.webhook_url;
    if !(url.is_empty() || url.starts_with("http://") || url.starts_with("https://")) {
        return invalid("alarm.webhook_url does not begin with http:// or https://".into());
    }
    if config.http.address.parse::<std::net::IpAddr>().is_err() {
        return invalid(format!(
            "http.address: \"{}\" is not an IP address",
            config.http.address
        ));
    }
    let o = &config.operations;
    if o.max_write_freeze_ms < 10 || o.lock_timeout_ms < 1 || o.poll_interval_ms < 1 {
        return invalid("times of the section operations are too short".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("expansed.toml");
        std::fs::write(
            &path,
            "node_name = \"file\"\n[postgres]\nport = 1\nuser = \"u\"\n",
        )
        .unwrap();
        let environment = |name: &str| match name {
            "EXPANSE_NODE_NAME" => Some("environment".to_owned()),
            "EXPANSE_POSTGRES_PORT" => Some("2".to_owned()),
            _ => None,
        };
        let config = load(Some(&path), environment, &["postgres.port=3".into()]).unwrap();
        assert_eq!(config.node_name, "environment");
        assert_eq!(config.postgres.port, 3);
        assert_eq!(config.postgres.user, "u");
    }

    #[test]
    fn a_numeric_name_stays_text() {
        let config = load(None, none, &["node_name=7".into()]).unwrap();
        assert_eq!(config.node_name, "7");
    }

    #[test]
    fn unknown_fields_and_bad_values_are_refused() {
        assert!(matches!(
            load(None, none, &["nonsense=1".into()]),
            Err(ConfigError::UnknownField(_))
        ));
        assert!(load(None, none, &["postgres.port=many".into()]).is_err());
        assert!(load(None, none, &["coordination.url=etcd://x".into()]).is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, "[postgres]\nprot = 1\n").unwrap();
        assert!(matches!(
            load(Some(&path), none, &[]),
            Err(ConfigError::Invalid(_))
        ));
    }
}
