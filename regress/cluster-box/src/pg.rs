//! Connections to PostgreSQL servers on this machine.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::Error;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl Server {
    /// A server of the cluster in a box.
    pub fn local(name: impl Into<String>, port: u16) -> Self {
        Self {
            name: name.into(),
            host: "127.0.0.1".into(),
            port,
        }
    }

    /// Opens a session as `postgres`; it ends when the client is dropped.
    ///
    /// # Errors
    /// [`Error::Server`] if the server does not let us in within five seconds.
    pub async fn connect(&self, database: &str) -> Result<Client, Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user("postgres")
            .dbname(database)
            .application_name("expanse-demo")
            .connect_timeout(Duration::from_secs(5));
        let (client, connection) = config.connect(NoTls).await.map_err(|error| {
            Error::Server(format!(
                "{} ({}:{}): {}",
                self.name,
                self.host,
                self.port,
                Error::from(error)
            ))
        })?;
        tokio::spawn(connection);
        Ok(client)
    }
}
