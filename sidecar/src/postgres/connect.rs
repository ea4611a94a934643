//! Connecting.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

use super::{Error, Result, Session};
use crate::config::PostgresConfig;

/// Where a node's server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress {
    pub node_name: String,
    /// A host name, an address, or the directory of a Unix socket.
    pub host: String,
    pub port: u16,
}

/// What a session sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The cluster, like any client.
    Cluster,
    /// This server alone: tables are the node's own fragments.
    Local,
}

/// Opens a session as the configured superuser.
///
/// # Errors
/// [`Error::Connect`], at the latest after the configured time.
pub async fn connect(
    settings: &PostgresConfig,
    address: &NodeAddress,
    mode: Mode,
) -> Result<Session> {
    let refused = |reason: String| Error::Connect {
        node: address.node_name.clone(),
        reason,
    };
    let limit = Duration::from_millis(settings.connect_timeout_ms);
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .user(&settings.user)
        .dbname(&settings.dbname)
        .application_name("expansed")
        .connect_timeout(limit)
        .keepalives_idle(Duration::from_secs(10));
    if !settings.password.is_empty() {
        config.password(&settings.password);
    }
    if mode == Mode::Local {
        config.options("-c expanse.internal=on");
    }
    let (client, connection) = timeout(limit, config.connect(NoTls))
        .await
        .map_err(|_| {
            refused(format!(
                "no answer from {}:{} within {} ms",
                address.host,
                address.port,
                limit.as_millis()
            ))
        })?
        .map_err(
            |error| match Error::from_driver(&address.node_name, &error) {
                Error::Lost { reason, .. } => {
                    refused(format!("{}:{}: {reason}", address.host, address.port))
                }
                other => other,
            },
        )?;
    // Ends with the connection; an error reaches whoever uses the client.
    tokio::spawn(async move { connection.await.ok() });
    Ok(Session::new(address.node_name.clone(), mode, client))
}
