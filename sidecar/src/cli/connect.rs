//! Which node the command line talks to.

use clap::Args;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::CliError;

/// Any node of the cluster.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Host name, or directory of the server's Unix socket
    #[arg(
        long,
        short = 'H',
        env = "PGHOST",
        default_value = "127.0.0.1",
        global = true
    )]
    pub host: String,
    /// Port
    #[arg(long, short, env = "PGPORT", default_value_t = 5432, global = true)]
    pub port: u16,
    /// User
    #[arg(
        long,
        short = 'U',
        env = "PGUSER",
        default_value = "postgres",
        global = true
    )]
    pub user: String,
    /// Database that is distributed over the cluster
    #[arg(
        long,
        short,
        env = "PGDATABASE",
        default_value = "postgres",
        global = true
    )]
    pub dbname: String,
}

impl Target {
    /// Connects; the password comes from PGPASSWORD.
    ///
    /// # Errors
    /// [`CliError::Connect`].
    pub async fn connect(&self) -> Result<Client, CliError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.dbname)
            .application_name("expansectl")
            .connect_timeout(std::time::Duration::from_secs(10));
        if let Ok(password) = std::env::var("PGPASSWORD") {
            config.password(password);
        }
        let connecting = config.connect(NoTls).await;
        let (client, mut connection) = connecting.map_err(|source| CliError::Connect {
            target: format!("{}:{}", self.host, self.port),
            source,
        })?;
        tokio::spawn(async move {
            // Notices are for psql; the progress bar shows the same.
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notification(_) = message {}
            }
        });
        Ok(client)
    }
}
