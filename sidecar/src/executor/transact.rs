//! A statement whose COMMIT is never left in doubt.
//!
//! When the answer to a COMMIT is lost, repeating the statement could do it twice. The transaction's
//! number was asked for before, so the server can be asked what became of it (`pg_xact_status`).
//! A server that never got the COMMIT ends the transaction by itself, because it sits idle.

use std::time::Duration;

use tokio::time::{sleep, Instant};
use tokio_postgres::types::ToSql;
use tokio_postgres::Row;

use super::{Command, Executor, Weight};
use crate::postgres::{Error, NodeAddress, Result};

/// How long the server is asked for the outcome.
const RESOLUTION_LIMIT: Duration = Duration::from_secs(20);
const RESOLUTION_PAUSE: Duration = Duration::from_millis(100);
const RESOLVE: Command = Command::new("look for a commit", Weight::Critical)
    .safe()
    .limit(Duration::from_secs(2));

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    Undecided,
    /// So long ago that the server does not remember.
    Forgotten,
}

/// What `pg_xact_status` says.
fn fate(status: Option<&str>) -> Fate {
    match status {
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Aborted,
        Some(_) => Fate::Undecided,
        None => Fate::Forgotten,
    }
}

impl Executor {
    /// The rows of one statement in a transaction of its own, done by `limit`, tried once. An error
    /// other than [`Error::UnknownOutcome`] means that it has had no effect.
    ///
    /// # Errors
    /// The server's; those of [`Executor::lease`]; [`Error::UnknownOutcome`].
    pub async fn transact(
        &self,
        node: &NodeAddress,
        command: Command,
        limit: Duration,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let end = Instant::now() + limit;
        let left = || end.saturating_duration_since(Instant::now());
        let session = self.lease(node, command.until(end)).await?;
        session.keep_to_yourself();
        let millis = left().as_millis().max(1);
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {millis}; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        );
        session.batch(command.name, &begin, left()).await?;
        let rows = session.query(command.name, sql, parameters, left()).await?;
        let number = "SELECT pg_current_xact_id_if_assigned()::text";
        let number: Option<String> = session.value(command.name, number, &[], left()).await?;
        match (session.batch(command.name, "COMMIT", left()).await, number) {
            (Ok(()), _) => Ok(rows),
            // It has changed nothing, so it does not matter.
            (Err(error), None) if error.is_ambiguous() => Ok(rows),
            (Err(error), Some(number)) if error.is_ambiguous() => {
                drop(session);
                match self.resolve(node, command.name, &number, &error).await? {
                    true => Ok(rows),
                    false => Err(error),
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Whether the transaction has been committed.
    ///
    /// # Errors
    /// [`Error::UnknownOutcome`].
    async fn resolve(
        &self,
        node: &NodeAddress,
        command: &'static str,
        number: &str,
        lost: &Error,
    ) -> Result<bool> {
        const SQL: &str = "SELECT pg_xact_status($1::text::xid8)";
        let end = Instant::now() + RESOLUTION_LIMIT;
        let mut reason = lost.to_string();
        while Instant::now() < end {
            let asked = self
                .value::<Option<String>>(node, RESOLVE.until(end), SQL, &[&number])
                .await;
            match asked.as_ref().map(|status| fate(status.as_deref())) {
                Ok(Fate::Committed) => {
                    tracing::info!(command, number, "the lost commit has been done");
                    return Ok(true);
                }
                Ok(Fate::Aborted) => {
                    tracing::info!(command, number, "the lost commit has not been done");
                    return Ok(false);
                }
                Ok(Fate::Forgotten) => break,
                Ok(Fate::Undecided) => reason = "its transaction has not ended".into(),
                Err(error) => reason = error.to_string(),
            }
            sleep(RESOLUTION_PAUSE).await;
        }
        Err(Error::UnknownOutcome {
            node: node.node_name.clone(),
            command,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_word_decides() {
        assert_eq!(fate(Some("committed")), Fate::Committed);
        assert_eq!(fate(Some("aborted")), Fate::Aborted);
        assert_eq!(fate(Some("in progress")), Fate::Undecided);
        assert_eq!(fate(None), Fate::Forgotten);
    }
}
