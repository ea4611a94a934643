//! The task that keeps a session with ZooKeeper.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zookeeper_client::{Client, Error as ZkError, SessionState as ZkState};

use super::calls::{denied, unavailable};
use super::Shared;
use crate::coordination::{Error, Lease, SessionState};

/// How long the end of the session is waited for when the client is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Session after session, until the client is closed.
pub async fn serve(shared: Arc<Shared>) {
    let mut number = 0;
    let work = async {
        loop {
            let sent_at = Instant::now();
            match connect(&shared).await {
                Ok(client) => {
                    number += 1;
                    begin(&shared, &client, number, sent_at).await;
                    keep(&shared, client, number).await;
                    end(&shared);
                }
                Err(error) => {
                    report(&shared, error);
                    tokio::time::sleep(Duration::from_millis(rand::random_range(100..500))).await;
                }
            }
        }
    };
    tokio::select! {
        () = shared.closed.cancelled() => {}
        () = work => {}
    }
    farewell(&shared).await;
    shared.ended.cancel();
}

/// A client of a new session, below the chroot.
async fn connect(shared: &Shared) -> Result<Client, Error> {
    let mut connector = Client::connector().with_session_timeout(shared.timeouts.session);
    if let Some(credentials) = &shared.address.credentials {
        connector = connector.with_auth("digest", credentials.as_bytes());
    }
    let refuse = |error: ZkError| denied(&error).unwrap_or_else(|| unavailable(&error));
    // The library's own bound is about the session timeout; a name service may hang longer.
    let bound = shared.timeouts.session + shared.timeouts.call;
    let client = within(bound, connector.connect(&shared.address.servers))
        .await
        .map_err(refuse)?;
    let Some(chroot) = &shared.address.chroot else {
        return Ok(client);
    };
    within(
        shared.timeouts.call,
        client.mkdir(chroot, &shared.persistent()),
    )
    .await
    .map_err(refuse)?;
    client
        .chroot(chroot.as_str())
        .map_err(|_| Error::InvalidPath {
            path: chroot.clone(),
            reason: "ZooKeeper's client refuses it",
        })
}

async fn begin(shared: &Shared, client: &Client, number: u64, sent_at: Instant) {
    let granted = client.session_timeout();
    if granted != shared.timeouts.session {
        tracing::info!(
            ?granted,
            wanted = ?shared.timeouts.session,
            "ZooKeeper has granted another session timeout than was asked for"
        );
    }
    tracing::info!(identity = shared.identity, number, session = %client.session_id(), "session with ZooKeeper begins");
    *shared.granted.lock() = granted;
    *shared.lease.lock() = Lease::renewed(sent_at, granted);
    *shared.trouble.lock() = None;
    *shared.live.lock() = Some(client.clone());
    shared
        .state
        .send_replace(SessionState::Connected { number });
}

/// Follows the session until it has ended; meanwhile renews the lease and makes the kept entries.
async fn keep(shared: &Shared, client: Client, number: u64) {
    let session_id = client.session_id().0;
    let mut states = client.state_watcher();
    let granted = client.session_timeout();
    let mut heartbeat = tokio::time::interval(granted / 6);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut registering = std::pin::pin!(async {
        if number > 1 {
            register_kept(shared).await;
        }
    });
    let mut registered = false;
    let mut renewal = std::pin::pin!(renew(shared, &client, &mut heartbeat, granted));
    let mut now = client.state();
    loop {
        match now {
            ZkState::SyncConnected => shared
                .state
                .send_if_modified(|state| show(state, SessionState::Connected { number })),
            ZkState::Disconnected => shared
                .state
                .send_if_modified(|state| show(state, SessionState::Suspended { number })),
            _ => break,
        };
        tokio::select! {
            state = states.changed() => now = state,
            () = &mut registering, if !registered => registered = true,
            () = &mut renewal => {}
        }
    }
    shared.former_sessions.lock().insert(session_id);
}

fn show(shown: &mut SessionState, state: SessionState) -> bool {
    let changed = *shown != state;
    *shown = state;
    changed
}

/// Renews the lease again and again. The question goes to the leader of the ensemble (`sync`): a
/// server that is cut off from it answers plain reads for a while and proves nothing.
async fn renew(
    shared: &Shared,
    client: &Client,
    heartbeat: &mut tokio::time::Interval,
    granted: Duration,
) {
    loop {
        heartbeat.tick().await;
        let sent_at = Instant::now();
        if within(granted / 3, client.sync("/")).await.is_ok() {
            *shared.lease.lock() = Lease::renewed(sent_at, granted);
        }
    }
}

/// Makes the entries again that the session before has lost.
async fn register_kept(shared: &Shared) {
    let mut missing: Vec<_> = shared.kept.lock().keys().cloned().collect();
    while !missing.is_empty() {
        let mut failed = Vec::new();
        for path in missing {
            let Some(data) = shared.kept.lock().get(&path).cloned() else {
                continue;
            };
            match shared.register(&path, &data).await {
                Ok(()) => {}
                // Of another client, or of this client's, made by another call: theirs to keep.
                Err(Error::AlreadyExists { .. }) if shared.is_own(&path).await => {}
                Err(error) => {
                    tracing::warn!(path, %error, "an ephemeral entry could not be made again yet");
                    failed.push(path);
                }
            }
        }
        missing = failed;
        if !missing.is_empty() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn end(shared: &Shared) {
    tracing::warn!(
        identity = shared.identity,
        "session with ZooKeeper has ended, making a new one"
    );
    *shared.live.lock() = None;
    *shared.lease.lock() = Lease::Ended;
    shared.state.send_replace(SessionState::Lost);
}

fn report(shared: &Shared, error: Error) {
    let mut trouble = shared.trouble.lock();
    if trouble.as_ref() != Some(&error) {
        tracing::warn!(identity = shared.identity, %error, "no session with ZooKeeper");
    }
    *trouble = Some(error);
}

/// Ends the session so that its entries vanish now and not after the session timeout.
async fn farewell(shared: &Shared) {
    *shared.lease.lock() = Lease::Ended;
    let client = shared.live.lock().take();
    shared.state.send_replace(SessionState::Closed);
    let Some(client) = client else { return };
    let mut states = client.state_watcher();
    // The library says good-bye once the last reference is gone.
    drop(client);
    let ended = async { while !states.changed().await.is_terminated() {} };
    let _ = tokio::time::timeout(FAREWELL, ended).await;
}

async fn within<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, ZkError>>,
) -> Result<T, ZkError> {
    tokio::time::timeout(bound, call)
        .await
        .unwrap_or(Err(ZkError::Timeout))
}
