//! Single calls on ZooKeeper: each with a deadline, repeated where that is safe.

use std::future::Future;
use std::time::Duration;

use futures_util::future::BoxFuture;
use zookeeper_client::{Client, Error as ZkError, MultiWriteError, Stat};

use super::outcome::{self, Evidence};
use super::Shared;
use crate::coordination::{path, Entry, Error, Op, Result, SessionState};

type ZkResult<T> = std::result::Result<T, ZkError>;

/// A read of what is at a path.
pub type Read<T> = for<'a> fn(&'a Client, &'a str) -> BoxFuture<'a, ZkResult<T>>;

/// Data and status of an entry.
type Found = Option<(Vec<u8>, Stat)>;

pub fn entry<'a>(client: &'a Client, path: &'a str) -> BoxFuture<'a, ZkResult<Option<Entry>>> {
    Box::pin(async move {
        let found = absent_is_none(client.get_data(path).await)?;
        Ok(found.map(|(data, stat)| super::entry(client, data, &stat)))
    })
}

pub fn fresh_entry<'a>(
    client: &'a Client,
    path: &'a str,
) -> BoxFuture<'a, ZkResult<Option<Entry>>> {
    Box::pin(async move {
        let found = fresh(client, path).await?;
        Ok(found.map(|(data, stat)| super::entry(client, data, &stat)))
    })
}

pub fn fresh<'a>(client: &'a Client, path: &'a str) -> BoxFuture<'a, ZkResult<Found>> {
    Box::pin(async move {
        // Sent together; the server handles the requests of one session in their order.
        let (synced, found) = tokio::join!(client.sync(path), client.get_data(path));
        synced?;
        absent_is_none(found)
    })
}

pub fn children<'a>(client: &'a Client, path: &'a str) -> BoxFuture<'a, ZkResult<Vec<String>>> {
    Box::pin(async move {
        let mut names = absent_is_none(client.list_children(path).await)?.unwrap_or_default();
        names.sort();
        Ok(names)
    })
}

pub fn absent_is_none<T>(result: ZkResult<T>) -> ZkResult<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(ZkError::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Shared {
    /// Reads what is at `path`, again until it works or the deadline has come.
    pub async fn read<T>(&self, call: &'static str, path: &str, read: Read<T>) -> Result<T> {
        path::check(path)?;
        let tries = async {
            loop {
                let client = self.live().await?;
                match read(&client, path).await {
                    Err(error) if is_passing(&error) => pause().await,
                    result => return result.map_err(|error| translate(&error, path, None)),
                }
            }
        };
        let deadline = tokio::time::timeout(self.timeouts.call, tries).await;
        deadline.unwrap_or_else(|_| Err(self.out_of_time(call)))
    }

    /// Does all of `ops` or none. A try whose outcome is unknown is repeated, which is safe because each
    /// operation says what it expects; if the repetition is refused, the entries tell whether
    /// that is because the first try was carried out.
    pub async fn write(&self, call: &'static str, ops: Vec<Op>) -> Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        let mut sent = false;
        let tries = async {
            let mut uncertain = false;
            loop {
                let client = self.live().await?;
                sent = true;
                match self.commit(&client, &ops).await {
                    Ok(()) => return Ok(()),
                    Err(MultiWriteError::RequestFailed { source }) if is_passing(&source) => {
                        uncertain |= source != ZkError::Throttled;
                        pause().await;
                    }
                    Err(refused) => {
                        let refused = refusal(refused, &ops);
                        return if uncertain {
                            self.resolve(&ops, refused).await
                        } else {
                            Err(refused)
                        };
                    }
                }
            }
        };
        let deadline = tokio::time::timeout(self.timeouts.call, tries).await;
        deadline.unwrap_or_else(|_| {
            Err(if sent {
                Error::DeadlineExceeded {
                    call: call.to_owned(),
                }
            } else {
                self.out_of_time(call)
            })
        })
    }

    /// As [`write`](Self::write); where the parent of the first entry is missing, makes it.
    pub async fn write_with_parents(&self, call: &'static str, ops: Vec<Op>) -> Result<()> {
        let parent = ops
            .first()
            .and_then(|op| path::parent(op.path()))
            .map(str::to_owned);
        match (self.write(call, ops.clone()).await, parent) {
            (Err(Error::NotFound { .. }), Some(parent)) => {
                let made = Box::pin(self.write_with_parents(
                    call,
                    vec![Op::Create {
                        path: parent,
                        data: Vec::new(),
                    }],
                ));
                match made.await {
                    Ok(()) | Err(Error::AlreadyExists { .. }) => self.write(call, ops).await,
                    Err(error) => Err(error),
                }
            }
            (result, _) => result,
        }
    }

    async fn commit(
        &self,
        client: &Client,
        ops: &[Op],
    ) -> std::result::Result<(), MultiWriteError> {
        let mut writer = client.new_multi_writer();
        for op in ops {
            match op {
                Op::Check { path, expected } => writer.add_check_version(path, expected.0)?,
                Op::Create { path, data } => writer.add_create(path, data, &self.persistent())?,
                Op::CreateEphemeral { path, data } => {
                    writer.add_create(path, data, &self.ephemeral())?
                }
                Op::Put {
                    path,
                    data,
                    expected,
                } => writer.add_set_data(path, data, Some(expected.0))?,
                Op::Delete { path, expected } => writer.add_delete(path, Some(expected.0))?,
            }
        }
        writer.commit().await.map(drop)
    }

    /// Whether `ops` have been carried out by an earlier try although the last one was refused.
    async fn resolve(&self, ops: &[Op], refused: Error) -> Result<()> {
        let mut evidence = Vec::new();
        for op in ops {
            let found = self.read("get_fresh", op.path(), fresh_entry).await?;
            evidence.push(outcome::evidence(op, found.as_ref()));
        }
        match outcome::verdict(&evidence) {
            Evidence::Done => Ok(()),
            Evidence::NotDone => Err(refused),
            Evidence::Nothing => Err(Error::UnknownOutcome {
                path: ops
                    .first()
                    .map(|op| op.path().to_owned())
                    .unwrap_or_default(),
            }),
        }
    }

    /// The client of the current session, once it is connected.
    pub async fn live(&self) -> Result<Client> {
        let mut state = self.state.subscribe();
        loop {
            let ready =
                state.wait_for(|state| state.is_connected() || *state == SessionState::Closed);
            if ready
                .await
                .is_ok_and(|state| *state == SessionState::Closed)
                || self.closed.is_cancelled()
            {
                return Err(Error::Closed);
            }
            if let Some(client) = self.live.lock().clone() {
                return Ok(client);
            }
            // The session has just ended; its state follows.
            pause().await;
        }
    }

    fn out_of_time(&self, call: &'static str) -> Error {
        if self.state.borrow().is_connected() {
            Error::DeadlineExceeded {
                call: call.to_owned(),
            }
        } else {
            self.unavailable()
        }
    }
}

/// Whether the request may succeed when it is sent again, by this session or the next.
pub fn is_passing(error: &ZkError) -> bool {
    matches!(
        error,
        ZkError::ConnectionLoss
            | ZkError::Custom(_)
            | ZkError::Timeout
            | ZkError::NoHosts
            | ZkError::SessionExpired
            | ZkError::SessionMoved
            | ZkError::ClientClosed
            | ZkError::Throttled
            | ZkError::UnexpectedError(_)
            | ZkError::UnmarshalError { .. }
    )
}

pub fn denied(error: &ZkError) -> Option<Error> {
    matches!(
        error,
        ZkError::AuthFailed | ZkError::NoAuth | ZkError::InvalidAcl
    )
    .then(|| Error::AccessDenied {
        reason: error.to_string(),
    })
}

pub fn unavailable(error: &ZkError) -> Error {
    Error::Unavailable {
        reason: error.to_string(),
    }
}

fn refusal(refused: MultiWriteError, ops: &[Op]) -> Error {
    match refused {
        MultiWriteError::OperationFailed { index, source } => match ops.get(index) {
            Some(op) => translate(&source, op.path(), Some(op)),
            None => unavailable(&source),
        },
        MultiWriteError::RequestFailed { source } => {
            translate(&source, ops.first().map_or("", Op::path), None)
        }
    }
}

/// ZooKeeper's refusal in the words of the trait.
fn translate(error: &ZkError, at: &str, op: Option<&Op>) -> Error {
    let path = at.to_owned();
    match error {
        // A creation that finds no node misses its parent.
        ZkError::NoNode => match op {
            Some(Op::Create { .. } | Op::CreateEphemeral { .. }) => Error::NotFound {
                path: path::parent(at).unwrap_or("/").to_owned(),
            },
            _ => Error::NotFound { path },
        },
        ZkError::NodeExists => Error::AlreadyExists { path },
        ZkError::BadVersion => Error::VersionMismatch {
            path,
            expected: match op {
                Some(
                    Op::Check { expected, .. }
                    | Op::Put { expected, .. }
                    | Op::Delete { expected, .. },
                ) => expected.0,
                _ => 0,
            },
        },
        ZkError::NotEmpty => Error::NotEmpty { path },
        ZkError::NoChildrenForEphemerals => Error::EphemeralParent { path },
        error => denied(error).unwrap_or_else(|| unavailable(error)),
    }
}

/// A short random time, so that clients do not come back in step.
pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(20..100))).await;
}

/// The first of the two to end, `None` if it is the signal.
pub async fn unless<T>(
    signal: impl Future<Output = ()>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        () = signal => None,
        value = work => Some(value),
    }
}
