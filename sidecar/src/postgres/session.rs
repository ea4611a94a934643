//! One connection to one server.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{timeout, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Row};

use super::cancel::cancel;
use super::{Error, Mode, NodeAddress, Result};

/// How long a cancellation and its confirmation may take before the connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);
/// The server's own limit of a statement is the next multiple of this above the client's: it is the
/// backstop for a client that is gone, and need not be set anew for every few milliseconds.
const SERVER_LIMIT_STEP: u64 = 100;

pub struct Session {
    address: NodeAddress,
    mode: Mode,
    client: Client,
    /// The task that moves the bytes.
    driver: AbortHandle,
    /// It holds state of its own, such as a transaction.
    private: AtomicBool,
    /// A command was given up on, and it is not known yet whether it has ended.
    doubtful: AtomicBool,
    /// The cancellation of that command; whether the server has acted on the request.
    cancelling: Mutex<Option<JoinHandle<bool>>>,
    /// `statement_timeout` as it is set, in milliseconds.
    server_limit: AtomicU64,
    opened_at: Instant,
}

impl Session {
    pub(super) fn new(
        address: NodeAddress,
        mode: Mode,
        client: Client,
        driver: AbortHandle,
    ) -> Self {
        Self {
            address,
            mode,
            client,
            driver,
            private: AtomicBool::new(false),
            doubtful: AtomicBool::new(false),
            cancelling: Mutex::new(None),
            server_limit: AtomicU64::new(0),
            opened_at: Instant::now(),
        }
    }

    pub fn node(&self) -> &str {
        &self.address.node_name
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn age(&self) -> Duration {
        self.opened_at.elapsed()
    }

    /// Whether another caller may use it next.
    pub fn reusable(&self) -> bool {
        !self.client.is_closed() && !self.is_private() && !self.is_doubtful()
    }

    /// From here on the session holds state of its own (a transaction): it is never handed on.
    pub fn keep_to_yourself(&self) {
        self.private.store(true, Ordering::Relaxed);
    }

    pub fn is_private(&self) -> bool {
        self.private.load(Ordering::Relaxed)
    }

    /// Whether a command was given up on and its end is not confirmed.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Relaxed)
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
        if parameters.is_empty() {
            // Nothing to find out about parameters: one message there and one back.
            let work = self.client.query_typed(sql, &[]);
            return self.bounded(command, limit, work).await;
        }
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
        first_value(self.node(), command, &rows)
    }

    /// Statements without parameters, as one message.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn batch(&self, command: &'static str, sql: &str, limit: Duration) -> Result<()> {
        self.bounded(command, limit, self.client.batch_execute(sql))
            .await
    }

    /// Ends when `work` does or `limit` has passed. Then the command is being cancelled, and the
    /// caller need not wait for that.
    async fn bounded<T>(
        &self,
        command: &'static str,
        limit: Duration,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        let given_up = GivenUp(self);
        let began = Instant::now();
        let over = || Error::Timeout {
            node: self.node().to_owned(),
            command,
            limit,
        };
        let both = async {
            // Sent ahead in the same stream; if it fails, so does what follows.
            let (_, outcome) = tokio::join!(self.tell_limit(limit), work);
            outcome
        };
        match timeout(limit, both).await {
            Ok(outcome) => {
                std::mem::forget(given_up);
                match outcome.map_err(|error| Error::from_driver(self.node(), &error)) {
                    // The server was the first to notice.
                    Err(error)
                        if error.has_code(SqlState::QUERY_CANCELED.code())
                            && began.elapsed() >= limit =>
                    {
                        Err(over())
                    }
                    known => known,
                }
            }
            Err(_) => Err(over()),
        }
    }

    /// Lets the server itself end what takes longer. A session with a transaction of its own is
    /// left alone: a setting would end with the transaction.
    async fn tell_limit(&self, limit: Duration) {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let rounded = (millis / SERVER_LIMIT_STEP + 1)
            .saturating_mul(SERVER_LIMIT_STEP)
            .min(i32::MAX as u64);
        if self.is_private() || self.server_limit.swap(rounded, Ordering::Relaxed) == rounded {
            return;
        }
        let set = format!("SET statement_timeout = {rounded}");
        if self.client.batch_execute(&set).await.is_err() {
            self.server_limit.store(0, Ordering::Relaxed);
        }
    }

    /// After a command was given up on: waits until the server has confirmed its end. Whether it
    /// has; if not, the session is of no use any more.
    pub async fn settle(&self) -> bool {
        let cancelling = self.cancelling.lock().take();
        let Some(cancelling) = cancelling else {
            return !self.is_doubtful();
        };
        let confirmed = async {
            if !cancelling.await.unwrap_or(false) {
                return false;
            }
            // The server answers in order, so an answer to this one means that the other has
            // ended. The cancellation may have come too late for the other and hit this one.
            match self.client.batch_execute("").await {
                Ok(()) => true,
                Err(error) => error.as_db_error().is_some(),
            }
        };
        let confirmed = timeout(CANCEL_LIMIT, confirmed).await.unwrap_or(false);
        if confirmed {
            self.server_limit.store(0, Ordering::Relaxed);
            self.doubtful.store(false, Ordering::Relaxed);
        }
        confirmed
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // An orderly end would wait for an answer that may never come.
        if self.is_doubtful() {
            self.driver.abort();
        }
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

/// A command that is not waited for any more, because its time is over or its caller has gone
/// away: it is cancelled on the server, and the session is in doubt until that is confirmed.
struct GivenUp<'a>(&'a Session);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.doubtful.store(true, Ordering::Relaxed);
        let token = self.0.client.cancel_token();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            *self.0.cancelling.lock() =
                Some(runtime.spawn(cancel(token, self.0.address.clone(), CANCEL_LIMIT)));
        }
    }
}
