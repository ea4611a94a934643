//! Runs a statement on both, under some planner settings, and says whether they agree.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use expanse_cluster_box::pg::Server;
use expanse_cluster_box::Error;

use crate::generate::Statement;
use crate::tables::{self, TABLES};

/// Nothing here takes long; what does, hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Planner settings that statements meet in turn; plain tables always have the defaults.
const SETTINGS: [&str; 6] = [
    "RESET ALL",
    "SET enable_hashjoin = off; SET enable_hashagg = off",
    "SET enable_nestloop = off; SET enable_mergejoin = off",
    "SET enable_mergejoin = off; SET enable_hashjoin = off",
    "SET enable_sort = off; SET enable_material = off; SET enable_memoize = off",
    "SET join_collapse_limit = 1; SET from_collapse_limit = 1",
];

pub enum Verdict {
    Equal,
    /// Both complain alike.
    SameError(String),
    /// The cluster says that it does not do this (SQLSTATE XP020), the plain tables do.
    Refused(String),
    Different(String),
}

/// What a statement gave: rows as text with a command's row count, or SQLSTATE and message.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Rows(Vec<Vec<Option<String>>>),
    Error(String, String),
}

/// A session, and the tables in both schemas.
pub struct Comparison {
    node: Server,
    client: Client,
}

impl Comparison {
    /// # Errors
    /// [`Error::Server`] if the tables cannot be made.
    pub async fn begin(node: &Server) -> Result<Self, Error> {
        let client = node.connect("postgres").await?;
        tables::create(&client).await?;
        Ok(Self {
            node: node.clone(),
            client,
        })
    }

    /// Runs the statement on both. After a difference in a write the tables begin anew.
    ///
    /// # Errors
    /// [`Error::Server`] if even simple statements fail afterwards.
    pub async fn check(&mut self, statement: &Statement, seed: u64) -> Result<Verdict, Error> {
        let settings = SETTINGS[seed as usize % SETTINGS.len()];
        let plain = self.answer("plain", SETTINGS[0], statement).await?;
        let spread = self.answer("spread", settings, statement).await?;
        let mut verdict = judge(&plain, &spread, settings);
        if statement.writes {
            if matches!(verdict, Verdict::Equal | Verdict::SameError(_)) {
                let contents = self.contents().await?;
                if !matches!(contents, Verdict::Equal) {
                    verdict = contents;
                }
            }
            if matches!(verdict, Verdict::Refused(_) | Verdict::Different(_)) {
                self.client.batch_execute("RESET ALL").await?;
                tables::create(&self.client).await?;
            }
        }
        Ok(verdict)
    }

    async fn answer(
        &mut self,
        schema: &str,
        settings: &str,
        statement: &Statement,
    ) -> Result<Answer, Error> {
        let path = format!("{settings}; SET search_path = {schema}");
        self.client.batch_execute(&path).await?;
        let running = self.client.simple_query(&statement.sql);
        let Ok(answered) = tokio::time::timeout(PATIENCE, running).await else {
            self.client = self.node.connect("postgres").await?;
            return Ok(Answer::Error(
                "hang".into(),
                format!("no answer in {PATIENCE:?}"),
            ));
        };
        match answered {
            Ok(messages) => Ok(Answer::Rows(rows(messages, statement.ordered))),
            Err(error) => {
                if self.client.is_closed() {
                    self.client = self.reconnect().await?;
                } else {
                    // It may have failed inside BEGIN.
                    self.client.batch_execute("ROLLBACK").await?;
                }
                let state = error.code().map_or("lost", |code| code.code()).to_owned();
                Ok(Answer::Error(state, Error::from(error).to_string()))
            }
        }
    }

    /// A session after a crash of the server, which needs a moment to recover.
    async fn reconnect(&self) -> Result<Client, Error> {
        for _ in 0..100 {
            if let Ok(client) = self.node.connect("postgres").await {
                return Ok(client);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.node.connect("postgres").await
    }

    /// Whether all tables hold the same in both schemas.
    async fn contents(&mut self) -> Result<Verdict, Error> {
        for table in &TABLES {
            let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
            let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
            let read = Statement {
                sql,
                ordered: false,
                writes: false,
            };
            let plain = self.answer("plain", SETTINGS[0], &read).await?;
            let spread = self.answer("spread", SETTINGS[0], &read).await?;
            if plain != spread {
                let difference = describe(&plain, &spread);
                return Ok(Verdict::Different(format!(
                    "then {} holds {difference}",
                    table.name
                )));
            }
        }
        Ok(Verdict::Equal)
    }
}

/// A number without zeros at its end: `2.50` and `2.5` are one value, and a grouping may show either.
fn one_scale(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = digits.split_once('.').is_some_and(|(whole, part)| {
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        !whole.is_empty() && all_digits(whole) && all_digits(part)
    });
    if number {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

fn rows(messages: Vec<SimpleQueryMessage>, ordered: bool) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    let mut count = 0;
    for message in &messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|i| row.get(i).map(one_scale)).collect());
            }
            SimpleQueryMessage::CommandComplete(done) => count = *done,
            _ => {}
        }
    }
    if !ordered {
        rows.sort_unstable();
    }
    rows.push(vec![Some(format!("{count} rows"))]);
    rows
}

fn judge(plain: &Answer, spread: &Answer, settings: &str) -> Verdict {
    match (plain, spread) {
        (Answer::Rows(a), Answer::Rows(b)) if a == b => Verdict::Equal,
        (Answer::Error(a, message), Answer::Error(b, _)) if a == b => {
            Verdict::SameError(message.clone())
        }
        (_, Answer::Error(state, message)) if state == "XP020" => Verdict::Refused(message.clone()),
        _ => Verdict::Different(format!("{} [{settings}]", describe(plain, spread))),
    }
}

/// What one has and the other has not.
fn describe(plain: &Answer, spread: &Answer) -> String {
    match (plain, spread) {
        (Answer::Rows(a), Answer::Rows(b)) => {
            let only = |these: &[Vec<Option<String>>], those: &[Vec<Option<String>>]| {
                let rows = these.iter().filter(|row| !those.contains(row)).take(3);
                rows.map(|row| format!("{row:?}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let (missing, surplus) = (only(a, b), only(b, a));
            format!(
                "{} rows instead of {}; missing: {missing}; surplus: {surplus}",
                b.len() - 1,
                a.len() - 1
            )
        }
        (_, Answer::Error(_, message)) => format!("error: {message}"),
        (Answer::Error(_, message), Answer::Rows(_)) => {
            format!("no error, but plain tables: {message}")
        }
    }
}
