//! Sessions: statements in order, and what they said.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::failure::{Failure, Outcome, SqlError};

/// How long a server may take to let a session in.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement may take; a scenario that waits for longer has failed.
const STATEMENT: Duration = Duration::from_secs(600);

/// What drives all sessions of this process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads can be started")
    })
}

/// Runs a future to its end, from a thread of a scenario.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// Where a session goes, and what it begins with.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: String,
    pub port: u16,
    /// Settings of the session, as in `-c name=value`.
    pub options: String,
}

type Said = Result<String, SqlError>;
type Request = (String, oneshot::Sender<Said>);

/// A session whose statements run one after the other.
#[derive(Debug)]
pub struct Session {
    node: String,
    requests: mpsc::UnboundedSender<Request>,
    worker: JoinHandle<()>,
}

impl Session {
    /// # Errors
    /// [`Failure::Sql`].
    pub fn open(target: &Target) -> Outcome<Self> {
        let client = block_on(connect(target)).map_err(|error| Failure::Sql {
            node: target.name.clone(),
            error,
        })?;
        let (requests, queue) = mpsc::unbounded_channel();
        Ok(Self {
            node: target.name.clone(),
            requests,
            worker: runtime().spawn(work(client, queue)),
        })
    }

    /// Sends statements (one message, as in `psql -c`) that run once the ones before them have ended.
    pub fn send(&self, statements: &str) -> Pending {
        let (reply, said) = oneshot::channel();
        // Where the worker has ended, the reply is dropped, which a session that waits for it finds.
        let _ = self.requests.send((statements.to_owned(), reply));
        Pending {
            node: self.node.clone(),
            said,
            known: None,
        }
    }

    /// Runs statements to their end; rows as lines, columns divided by "|".
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn run(&self, statements: &str) -> Outcome<String> {
        self.send(statements).wait()
    }

    /// Runs statements one after the other, each in a message of its own; what all of them said.
    ///
    /// # Errors
    /// [`Failure::Sql`] of the first that fails.
    pub fn run_each(&self, statements: &[&str]) -> Outcome<String> {
        let mut said = Vec::new();
        for statement in statements {
            said.push(self.run(statement)?);
        }
        said.retain(|text| !text.is_empty());
        Ok(said.join("\n"))
    }

    /// Ends the session once all that was sent has ended.
    ///
    /// # Errors
    /// [`Failure::Late`].
    pub fn close(self) -> Outcome {
        drop(self.requests);
        let worker = self.worker;
        block_on(async { timeout(STATEMENT, worker).await })
            .map(drop)
            .map_err(|_| late("the session ends"))
    }
}

/// What was sent and has not been waited for.
#[derive(Debug)]
pub struct Pending {
    node: String,
    said: oneshot::Receiver<Said>,
    known: Option<Said>,
}

impl Pending {
    /// Waits for the end; rows as lines, columns divided by "|".
    ///
    /// # Errors
    /// [`Failure::Sql`], [`Failure::Late`].
    pub fn wait(self) -> Outcome<String> {
        let Self { node, said, known } = self;
        let answer = match known {
            Some(answer) => answer,
            None => block_on(async { timeout(STATEMENT, said).await })
                .map_err(|_| late("the statement ends"))?
                .unwrap_or_else(|_| Err(lost())),
        };
        answer.map_err(|error| Failure::Sql { node, error })
    }

    /// Has it ended?
    pub fn ended(&mut self) -> bool {
        if self.known.is_none() {
            self.known = match self.said.try_recv() {
                Ok(answer) => Some(answer),
                Err(oneshot::error::TryRecvError::Closed) => Some(Err(lost())),
                Err(oneshot::error::TryRecvError::Empty) => None,
            };
        }
        self.known.is_some()
    }
}

fn lost() -> SqlError {
    SqlError {
        sqlstate: None,
        text: "the session is over".into(),
    }
}

fn late(what: &str) -> Failure {
    Failure::Late {
        what: what.into(),
        seconds: STATEMENT.as_secs(),
    }
}

async fn connect(target: &Target) -> Result<Client, SqlError> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(target.port)
        .user("postgres")
        .dbname("postgres")
        .application_name("expanse-check")
        .options(&target.options)
        .connect_timeout(CONNECT);
    let connected = timeout(CONNECT, config.connect(NoTls)).await;
    let (client, connection) = connected.map_err(|_| SqlError {
        sqlstate: None,
        text: format!("no session after {} s", CONNECT.as_secs()),
    })??;
    tokio::spawn(connection);
    Ok(client)
}

async fn work(client: Client, mut queue: mpsc::UnboundedReceiver<Request>) {
    while let Some((statements, reply)) = queue.recv().await {
        let said = client
            .simple_query(&statements)
            .await
            .map(text_of)
            .map_err(SqlError::from);
        // The scenario may not wait for it any more.
        let _ = reply.send(said);
    }
}

fn text_of(messages: Vec<SimpleQueryMessage>) -> String {
    let lines: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or_default())
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            _ => None,
        })
        .collect();
    lines.join("\n")
}
