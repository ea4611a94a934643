//! What is answered to a request.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use expanse_core::wire::{Request, Response};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use crate::cluster::local_server;
use crate::config::Config;
use crate::coordination;
use crate::executor::Executor;
use crate::operations::request::Request as Wanted;
use crate::operations::submit::submit;
use crate::operations::{Desk, Error, Journal, Reason, Refusal};
use crate::overview::View;

/// In this time the local server has been looked at again.
const NEXT_LOOK: Duration = Duration::from_secs(3);

pub struct Answers {
    pub config: Arc<Config>,
    pub executor: Executor,
    /// There once the store has answered for the first time.
    pub journal: Arc<OnceLock<Journal>>,
    pub view: View,
}

impl Answers {
    /// The answer to one line.
    pub async fn to(&self, line: &str) -> Response {
        let outcome = match serde_json::from_str(line) {
            Ok(request) => self.handle(request).await,
            Err(error) => Err(Unreadable(error).into()),
        };
        outcome.unwrap_or_else(|error| Response::Failed(error.to_control()))
    }

    async fn handle(&self, request: Request) -> Result<Response, Error> {
        match request {
            Request::Submit {
                kind,
                target,
                parameters,
            } => {
                self.require_node().await?;
                let server = local_server(&self.config);
                let desk = Desk {
                    executor: &self.executor,
                    local: &server,
                };
                let submitted = submit(self.journal()?, desk, kind, &target, parameters);
                Ok(Response::Submitted {
                    operation_id: submitted.await?,
                })
            }
            Request::Operations => Ok(Response::Operations {
                operations: self.journal()?.list().await?,
            }),
            Request::Operation { operation_id } => self.operation(operation_id).await,
            Request::Cancel { operation_id } => self.request(operation_id, Wanted::Cancel).await,
            Request::Pause { operation_id } => self.request(operation_id, Wanted::Pause).await,
            Request::Resume { operation_id } => self.request(operation_id, Wanted::Resume).await,
            Request::Reverse { operation_id } => self.request(operation_id, Wanted::Reverse).await,
            Request::Finish { operation_id } => self.request(operation_id, Wanted::Finish).await,
            Request::Status => Ok(Response::Status {
                status: self.view.cluster(),
            }),
        }
    }

    async fn request(&self, operation_id: i64, wanted: Wanted) -> Result<Response, Error> {
        self.journal()?.request(operation_id, wanted).await?;
        self.operation(operation_id).await
    }

    async fn operation(&self, operation_id: i64) -> Result<Response, Error> {
        match self.journal()?.get(operation_id).await? {
            Some((entry, _)) => Ok(Response::Operation {
                operation: Box::new(entry.operation),
            }),
            None => Err(Refusal::UnknownOperation { id: operation_id }.into()),
        }
    }

    /// # Errors
    /// [`coordination::Error::Unavailable`].
    fn journal(&self) -> Result<&Journal, coordination::Error> {
        let reason = "it has not answered since expansed was started".into();
        let unavailable = coordination::Error::Unavailable { reason };
        self.journal.get().ok_or(unavailable)
    }

    /// A server that has just begun a cluster is known as its node at the next look.
    async fn require_node(&self) -> Result<(), Error> {
        let mut local = self.view.local.clone();
        let known = local.wait_for(Option::is_some);
        if matches!(timeout(NEXT_LOOK, known).await, Ok(Ok(_))) {
            return Ok(());
        }
        Err(Refusal::NotInCluster.into())
    }
}

/// What is asked is no request.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be read: {0}")]
struct Unreadable(serde_json::Error);

impl Reason for Unreadable {
    fn sqlstate(&self) -> &str {
        SqlState::PROTOCOL_VIOLATION.code()
    }
}
