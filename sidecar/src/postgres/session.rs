//! One connection to one server.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{timeout, Instant};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls, Row};

use super::{Error, Mode, Result};

/// How long the confirmation of a cancellation may take before the connection is given up.
const CANCEL_CONFIRMATION: Duration = Duration::from_secs(1);

pub struct Session {
    node: String,
    mode: Mode,
    client: Client,
    /// A command was given up on and its end is not confirmed, or a transaction may be open.
    tainted: AtomicBool,
    opened_at: Instant,
}

impl Session {
    pub(super) fn new(node: String, mode: Mode, client: Client) -> Self {
        Self {
            node,
            mode,
            client,
            tainted: AtomicBool::new(false),
            opened_at: Instant::now(),
        }
    }

    pub fn node(&self) -> &str {
        &self.node
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// Whether somebody else may use it next.
    pub fn reusable(&self) -> bool {
        !self.client.is_closed() && !self.tainted.load(Ordering::Relaxed)
    }

    /// From here on the session holds state of its own (a transaction): it is never handed on.
    pub fn keep_to_yourself(&self) {
        self.tainted.store(true, Ordering::Relaxed);
    }

    /// Rows of one statement.
    ///
    /// # Errors
    /// The server's, [`Error::Lost`], [`Error::Timeout`].
    pub async fn query(
        &self,
        command: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        limit: Duration,
    ) -> Result<Vec<Row>> {
        self.bounded(command, limit, self.client.query(sql, parameters))
            .await
    }

    /// The first column of the one row of a statement.
    ///
    /// # Errors
    /// As [`Self::query`]; [`Error::Answer`] if there is no row or it is of another type.
    pub async fn value<T: FromSqlOwned>(
        &self,
        command: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        limit: Duration,
    ) -> Result<T> {
        let rows = self.query(command, sql, parameters, limit).await?;
        first_value(&self.node, command, &rows)
    }

    /// Statements without parameters, as one message.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn batch(&self, command: &'static str, sql: &str, limit: Duration) -> Result<()> {
        self.bounded(command, limit, self.client.batch_execute(sql))
            .await
    }

    async fn bounded<T>(
        &self,
        command: &'static str,
        limit: Duration,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let given_up = GivenUp(self);
        tokio::pin!(work);
        let outcome = match timeout(limit, &mut work).await {
            Ok(outcome) => outcome.map_err(|e| Error::from_driver(&self.node, &e)),
            Err(_) => {
                self.cancel().await;
                if timeout(CANCEL_CONFIRMATION, &mut work).await.is_err() {
                    self.keep_to_yourself();
                }
                Err(Error::Timeout {
                    node: self.node.clone(),
                    command,
                    limit,
                })
            }
        };
        std::mem::forget(given_up);
        outcome
    }

    /// Asks the server to cancel what this session runs.
    pub async fn cancel(&self) {
        let cancel = self.client.cancel_token();
        let _ = timeout(CANCEL_CONFIRMATION, cancel.cancel_query(NoTls)).await;
    }
}

pub(crate) fn first_value<T: FromSqlOwned>(
    node: &str,
    command: &'static str,
    rows: &[Row],
) -> Result<T> {
    let answer = |reason: String| Error::Answer {
        node: node.to_owned(),
        command,
        reason,
    };
    let row = rows.first().ok_or_else(|| answer("no row".into()))?;
    row.try_get(0).map_err(|error| answer(error.to_string()))
}

/// Whoever waited for a command has gone away in the middle of it: the command is cancelled on
/// the server, and the session is not used again.
struct GivenUp<'a>(&'a Session);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.keep_to_yourself();
        let cancel = self.0.client.cancel_token();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(
                async move { timeout(CANCEL_CONFIRMATION, cancel.cancel_query(NoTls)).await },
            );
        }
    }
}
