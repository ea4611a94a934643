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

/// What the local server is called while it is not known which node it is.
pub const THIS_SERVER: &str = "local";

/// What a session sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The cluster, like any client.
    Cluster,
    /// This server alone: tables are the node's own fragments.
    Local,
}

/// A network that takes nothing for so long has gone away.
const NETWORK_LIMIT: Duration = Duration::from_secs(10);
/// Of the server: it notices within seconds that this client has gone away, also in the middle of a
/// statement, and no statement outlives its client by more than this without a limit of its own.
const SERVER_OPTIONS: &str = "-c client_connection_check_interval=2s -c tcp_keepalives_idle=10 \
    -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20s -c statement_timeout=1h";

/// Opens a session as the configured superuser, within `limit` and the configured time.
///
/// # Errors
/// [`Error::Connect`]; the server's, if it refuses.
pub async fn connect(
    settings: &PostgresConfig,
    address: &NodeAddress,
    mode: Mode,
    limit: Duration,
) -> Result<Session> {
    let refused = |reason: String| Error::Connect {
        node: address.node_name.clone(),
        reason,
    };
    let limit = limit.min(Duration::from_millis(settings.connect_timeout_ms));
    let mut config = Config::new();
    config
        .host(&address.host)
        .port(address.port)
        .user(&settings.user)
        .dbname(&settings.dbname)
        .application_name("expansed")
        .connect_timeout(limit)
        .keepalives_idle(NETWORK_LIMIT)
        .keepalives_interval(NETWORK_LIMIT / 2)
        .keepalives_retries(3)
        .tcp_user_timeout(NETWORK_LIMIT * 2);
    if !settings.password.is_empty() {
        config.password(&settings.password);
    }
    match mode {
        Mode::Local => config.options(format!("{SERVER_OPTIONS} -c expanse.internal=on")),
        Mode::Cluster => config.options(SERVER_OPTIONS),
    };
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
    // Ends with the connection; an error reaches the caller that uses the client.
    let driver = tokio::spawn(async move { connection.await.ok() });
    Ok(Session::new(
        address.clone(),
        mode,
        client,
        driver.abort_handle(),
    ))
}
