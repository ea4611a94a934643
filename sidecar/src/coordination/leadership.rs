//! Leadership with a fencing epoch, over any store.
//!
//! # How it works
//! Next to the leader's entry at `path` there is a persistent counter at `path` + `_epoch`. A candidate that
//! finds no leader does both in one [`Op`] list: raise the counter from the version that was read,
//! make the ephemeral entry. So each leader has an epoch greater than all before, and the version of the
//! counter is what a leader's writes can be fenced with: [`Leadership::fence`] fails from the moment
//! the next leader is elected.
//!
//! # Invariants
//! * At most one entry at `path`: the store sees to that.
//! * A leader knows that it is deposed no later than others can be elected: `lost` fires when
//!   the [`Lease`](super::Lease) runs out on the leader's own clock, before the store gives up the session.
//!
//! # What is not guaranteed
//! A process that is stopped and continued runs for a moment before its timers do. Writes to the
//! store are therefore fenced, and [`Leadership::holds`] looks at the clock itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Coordination, Entry, Error, Lease, Op, Owner, Result, SessionState, Version, Watch};

/// What stands in the leader's entry.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    node_name: String,
    epoch: i64,
    /// Tells this candidacy from any other, also of the same process.
    claim: String,
}

/// Leadership while it lasts. Dropping it gives it up in the background.
#[derive(Debug)]
pub struct Leadership {
    term: Term,
    store: Arc<dyn Coordination>,
    lost: CancellationToken,
}

#[derive(Debug, Clone)]
struct Term {
    path: String,
    claim: String,
    epoch: i64,
    epoch_version: Version,
    session: u64,
}

impl Leadership {
    /// Greater than the epoch of every leader before.
    pub fn epoch(&self) -> i64 {
        self.term.epoch
    }

    /// To be put in front of everything the leader writes: the whole list is refused with
    /// [`Error::VersionMismatch`] once another leader has been elected.
    pub fn fence(&self) -> Op {
        Op::Check {
            path: epoch_path(&self.term.path),
            expected: self.term.epoch_version,
        }
    }

    /// Fires when leadership has been lost, or may have been.
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Whether leadership is certain at this moment.
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled() && self.store.lease().holds_at(Instant::now())
    }

    /// Gives leadership up, so that another client can lead at once.
    pub async fn resign(self) {
        self.lost.cancel();
        release(&*self.store, &self.term).await;
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if self.lost.is_cancelled() {
            return;
        }
        self.lost.cancel();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, term) = (self.store.clone(), self.term.clone());
            runtime.spawn(async move { release(&*store, &term).await });
        }
    }
}

/// [`Coordination::campaign`] for every store. The work is done by a task of its own, so that a caller that
/// gives up in the middle of an election does not leave an entry behind that no client answers for.
pub(super) async fn campaign(
    store: Arc<dyn Coordination>,
    path: &str,
    candidate: &str,
) -> Result<Leadership> {
    super::path::check(path)?;
    let (caller, elected) = oneshot::channel();
    let candidacy = Candidacy {
        store,
        path: path.to_owned(),
        candidate: candidate.to_owned(),
        claim: format!("{:016x}", rand::random::<u64>()),
    };
    tokio::spawn(candidacy.serve(caller));
    elected.await.unwrap_or(Err(Error::Closed))
}

struct Candidacy {
    store: Arc<dyn Coordination>,
    path: String,
    candidate: String,
    claim: String,
}

type Caller = oneshot::Sender<Result<Leadership>>;

impl Candidacy {
    async fn serve(self, mut caller: Caller) {
        let outcome = self.run(&mut caller).await;
        let term = outcome.as_ref().ok().and_then(Option::as_ref).cloned();
        let outcome = match outcome {
            Ok(Some(term)) => Ok(self.lead(term)),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if caller.send(outcome).is_err() {
            if let Some(term) = term {
                // The `Leadership` was dropped on the way and releases it too; twice does no harm.
                release(&*self.store, &term).await;
            }
        }
    }

    /// Tries until elected; `None` if the caller has gone.
    async fn run(&self, caller: &mut Caller) -> Result<Option<Term>> {
        let mut watch = None;
        loop {
            let attempt = self.attempt(&mut watch).await;
            match attempt {
                Ok(Some(term)) => return Ok(Some(term)),
                Ok(None) => {}
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = caller.closed() => {
                    self.withdraw().await;
                    return Ok(None);
                }
                () = pause(watch.as_mut()) => {}
            }
        }
    }

    /// One look at the store, and an election if no client leads.
    async fn attempt(&self, watch: &mut Option<Watch<Option<Entry>>>) -> Result<Option<Term>> {
        let counter = epoch_path(&self.path);
        if watch.is_none() {
            match self.store.create(&counter, b"0").await {
                Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error),
            }
            *watch = Some(self.store.watch(&self.path).await?);
        }
        let state = *self.store.session().borrow();
        let SessionState::Connected { number: session } = state else {
            return Err(if state == SessionState::Closed {
                Error::Closed
            } else {
                Error::SessionLost
            });
        };
        let leader = self.store.get_fresh(&self.path).await?;
        let found = self.store.get_fresh(&counter).await?;
        let found = found.ok_or_else(|| Error::NotFound {
            path: counter.clone(),
        })?;
        let last_epoch = parse_epoch(&counter, &found.data)?;
        let term = |epoch, epoch_version| Term {
            path: self.path.clone(),
            claim: self.claim.clone(),
            epoch,
            epoch_version,
            session,
        };
        match leader {
            // An election whose outcome was unknown and that was won.
            Some(entry) if is_claim(&entry, &self.claim) => {
                Ok(self.same_session(term(last_epoch, found.version)))
            }
            Some(_) => Ok(None),
            None => {
                let term = term(last_epoch + 1, found.version.next());
                match self.store.multi(self.election(&term, found.version)?).await {
                    Ok(()) => Ok(self.same_session(term)),
                    Err(Error::AlreadyExists { .. } | Error::VersionMismatch { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn election(&self, term: &Term, counter_at: Version) -> Result<Vec<Op>> {
        let claim = Claim {
            node_name: self.candidate.clone(),
            epoch: term.epoch,
            claim: self.claim.clone(),
        };
        let data = serde_json::to_vec(&claim).map_err(|error| Error::Damaged {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(vec![
            Op::Put {
                path: epoch_path(&self.path),
                data: term.epoch.to_string().into_bytes(),
                expected: counter_at,
            },
            Op::CreateEphemeral {
                path: self.path.clone(),
                data,
            },
        ])
    }

    /// The term, if the session in which it was sought is still the current one. If it is not,
    /// the next attempt finds out which of the two the entry belongs to.
    fn same_session(&self, term: Term) -> Option<Term> {
        (self.store.session().borrow().number() == Some(term.session)).then_some(term)
    }

    /// Removes the entry of an election whose outcome is unknown.
    async fn withdraw(&self) {
        for _ in 0..5 {
            match self.store.get_fresh(&self.path).await {
                Ok(Some(entry)) if is_claim(&entry, &self.claim) => {
                    if !matches!(self.store.delete(&self.path, entry.version).await, Err(error) if error.is_retryable())
                    {
                        return;
                    }
                }
                Err(error) if error.is_retryable() => {}
                _ => return,
            }
            pause(None).await;
        }
    }

    fn lead(&self, term: Term) -> Leadership {
        let lost = CancellationToken::new();
        tokio::spawn(guard(self.store.clone(), term.clone(), lost.clone()));
        Leadership {
            term,
            store: self.store.clone(),
            lost,
        }
    }
}

/// Cancels `lost` as soon as leadership is not certain any more.
async fn guard(store: Arc<dyn Coordination>, term: Term, lost: CancellationToken) {
    let _lost = lost.clone().drop_guard();
    let mut session = store.session();
    let mut entry: Option<Watch<Option<Entry>>> = None;
    loop {
        if entry.is_none() {
            entry = store.watch(&term.path).await.ok();
        }
        let stands = entry.as_mut().is_none_or(|watch| {
            watch
                .current()
                .is_some_and(|entry| is_claim(&entry, &term.claim))
        });
        let lease = store.lease();
        if session.borrow_and_update().number() != Some(term.session)
            || !stands
            || !lease.holds_at(Instant::now())
        {
            return;
        }
        let lease_end = match lease {
            Lease::Until(end) => end,
            // Only a bound; the lease of a process does not end by the clock.
            Lease::Process | Lease::Ended => Instant::now() + Duration::from_secs(60),
        };
        tokio::select! {
            () = lost.cancelled() => return,
            changed = session.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(lease_end.into()) => {}
            () = changed(entry.as_mut()) => {}
        }
    }
}

/// Waits for a change; where there is no watch yet, for the time of another attempt to get one.
async fn changed(watch: Option<&mut Watch<Option<Entry>>>) {
    match watch {
        Some(watch) => {
            if watch.changed().await.is_err() {
                std::future::pending().await
            }
        }
        None => tokio::time::sleep(Duration::from_millis(200)).await,
    }
}

/// Waits until there may be no leader: the watch says so, or some time has passed. A short random
/// time in any case, so that candidates do not run in step.
async fn pause(watch: Option<&mut Watch<Option<Entry>>>) {
    let jitter = Duration::from_millis(rand::random_range(5..60));
    tokio::time::sleep(jitter).await;
    if let Some(watch) = watch {
        let vacant = watch.wait_for(Option::is_none);
        // A watch that is behind must not cost an election.
        let _ = tokio::time::timeout(Duration::from_secs(2), vacant).await;
    }
}

/// Deletes the leader's entry if it is still this term's. Best effort: the session's end does it as well.
async fn release(store: &dyn Coordination, term: &Term) {
    for _ in 0..3 {
        let ops = vec![
            Op::Check {
                path: epoch_path(&term.path),
                expected: term.epoch_version,
            },
            Op::Delete {
                path: term.path.clone(),
                expected: Version::FIRST,
            },
        ];
        match store.multi(ops).await {
            Err(error) if error.is_retryable() => pause(None).await,
            _ => return,
        }
    }
}

fn is_claim(entry: &Entry, claim: &str) -> bool {
    entry.owner == Owner::ThisClient
        && entry
            .json::<Claim>("")
            .is_ok_and(|found| found.claim == claim)
}

fn epoch_path(path: &str) -> String {
    format!("{path}_epoch")
}

fn parse_epoch(path: &str, data: &[u8]) -> Result<i64> {
    let parsed = std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.trim().parse::<i64>().ok());
    parsed
        .filter(|epoch| (0..i64::MAX).contains(epoch))
        .ok_or_else(|| Error::Damaged {
            path: path.to_owned(),
            reason: "it is not an epoch".to_owned(),
        })
}
