//! One client of the cluster: statements with a bound on their time, prepared once or each time
//! anew, counted as they are answered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::effect::{Effect, Step};
use super::tally::{Phase, Tally};
use crate::Error;

/// A statement that is not answered by then counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Session {
    client: Client,
    /// Statements prepared so far; `None` for a client that never keeps one.
    prepared: Option<HashMap<&'static str, Statement>>,
    pub tally: Tally,
}

impl Session {
    pub fn new(client: Client, keeps_statements: bool) -> Self {
        let prepared = keeps_statements.then(HashMap::new);
        Self {
            client,
            prepared,
            tally: Tally::default(),
        }
    }

    /// Runs the transaction; whether it was committed. A failure is counted and rolled back.
    pub async fn write(&mut self, effect: &Effect, phase: Phase) -> bool {
        match self.try_write(effect, phase).await {
            Ok(()) => {
                self.tally.transactions += 1;
                true
            }
            Err(error) => {
                self.tally.failed(phase, format!("{effect:?}: {error}"));
                // If even this fails the session is gone, and its next statement will say so.
                let _ = self.client.batch_execute("ROLLBACK").await;
                false
            }
        }
    }

    async fn try_write(&mut self, effect: &Effect, phase: Phase) -> Result<(), Error> {
        within(self.client.batch_execute("BEGIN")).await?;
        for Step { sql, parameters } in effect.steps() {
            let begun = Instant::now();
            let rows = self.query(sql, &parameters).await?;
            self.tally.write(phase, begun.elapsed());
            debug_assert!(rows.is_empty());
        }
        let begun = Instant::now();
        within(self.client.batch_execute("COMMIT")).await?;
        self.tally.write(phase, begun.elapsed());
        Ok(())
    }

    /// Runs a read; its rows, or `None` after a failure, which is counted.
    pub async fn read(
        &mut self,
        sql: &'static str,
        parameters: &[i64],
        phase: Phase,
    ) -> Option<Vec<Row>> {
        match self.query(sql, parameters).await {
            Ok(rows) => {
                self.tally.read(phase);
                Some(rows)
            }
            Err(error) => {
                self.tally
                    .failed(phase, format!("{sql} {parameters:?}: {error}"));
                None
            }
        }
    }

    async fn query(&mut self, sql: &'static str, parameters: &[i64]) -> Result<Vec<Row>, Error> {
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|p| p as &(dyn ToSql + Sync))
            .collect();
        let Some(prepared) = &mut self.prepared else {
            return within(self.client.query(sql, &parameters)).await;
        };
        if !prepared.contains_key(sql) {
            prepared.insert(sql, within(self.client.prepare(sql)).await?);
        }
        within(self.client.query(&prepared[sql], &parameters)).await
    }

    /// The session is of no use any more.
    pub fn closed(&self) -> bool {
        self.client.is_closed()
    }
}

async fn within<T>(
    statement: impl std::future::Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, statement).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Timeout {
            what: "a statement".into(),
            seconds: PATIENCE.as_secs(),
        }),
    }
}
