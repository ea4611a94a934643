//! Follows the sources of the topology and keeps the local file.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use expanse_core::wire::Topology;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::decide::{decide, Decision, Refusal};
use super::file::LocalFile;
use super::mounted::{Mounted, Snapshot};
use super::{FILE_NAME, PATH};
use crate::coordination::{Coordination, Entry, Watch};

/// How often the mounted directory is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long it takes until the store is asked again after it has not answered.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where topologies come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The local configuration file; its directory must exist.
    pub file: PathBuf,
    /// A directory mounted from outside that has a `topology.json`.
    pub mounted: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    LocalFile,
    Store,
    MountedDirectory,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LocalFile => "the local file",
            Self::Store => "the coordination store",
            Self::MountedDirectory => "the mounted directory",
        })
    }
}

/// What this node knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub topology: Option<Topology>,
    /// Where the topology came from.
    pub source: Option<Source>,
    /// The last offer of each source, where it was refused.
    pub refused: Vec<Refused>,
    /// Why the local file could not be written, if it could not.
    pub file_error: Option<String>,
}

/// A topology that is not used, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub source: Source,
    pub reason: Refusal,
    pub at: SystemTime,
}

/// The follower. See the module.
#[derive(Debug)]
pub struct Mirror {
    file: LocalFile,
    mounted: Option<Mounted>,
    state: watch::Sender<State>,
}

impl Mirror {
    /// Begins with what the local file says. Reads it, so it blocks for a moment.
    pub fn open(sources: &Sources) -> Self {
        let mut mirror = Self {
            file: LocalFile::new(&sources.file),
            mounted: sources.mounted.as_ref().map(Mounted::new),
            state: watch::Sender::new(State::default()),
        };
        match mirror.file.read() {
            Ok(None) => {}
            Ok(Some(topology)) => mirror.offer(Source::LocalFile, Ok(topology)),
            Err(error) => {
                let reason = Refusal::Unreadable(error.to_string());
                mirror.offer(Source::LocalFile, Err(reason));
            }
        }
        mirror
    }

    /// What this node knows, from now on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Follows the sources until `stop`. The store may be away for as long as it wants, also to begin with.
    pub async fn serve(
        mut self,
        store: impl Future<Output = Arc<dyn Coordination>>,
        stop: CancellationToken,
    ) {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut entries = std::pin::pin!(stream::once(store).flat_map(entries));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
                Some(found) = entries.next() => match found {
                    Some(found) => self.offer(Source::Store, parse(&found.data)),
                    None => self.withdraw(Source::Store),
                },
            }
            if let Some(mounted) = self.mounted.take() {
                self.look_at(mounted).await;
            }
            if self.state.borrow().file_error.is_some() {
                self.keep();
            }
        }
    }

    async fn look_at(&mut self, mut mounted: Mounted) {
        // A file system that hangs must not hang the runtime.
        let looked = tokio::task::spawn_blocking(move || {
            let found = mounted.changed();
            (mounted, found)
        });
        let Ok((mounted, found)) = looked.await else {
            return;
        };
        self.mounted = Some(mounted);
        match found {
            Ok(None) => {}
            Ok(Some(files)) => match files.get(FILE_NAME) {
                Some(file) => self.offer(Source::MountedDirectory, parse(file)),
                None => self.withdraw_or_miss(&files),
            },
            Err(error) => {
                let reason = Refusal::Unreadable(error.to_string());
                self.offer(Source::MountedDirectory, Err(reason));
            }
        }
    }

    fn withdraw_or_miss(&mut self, files: &Snapshot) {
        if files.is_empty() {
            return self.withdraw(Source::MountedDirectory);
        }
        let reason = Refusal::Unreadable(format!("there is no file {FILE_NAME}"));
        self.offer(Source::MountedDirectory, Err(reason));
    }

    /// A source has nothing to say; what is in use stays in use.
    fn withdraw(&mut self, source: Source) {
        self.change(|state| state.refused.retain(|refused| refused.source != source));
    }

    fn offer(&mut self, source: Source, offered: Result<Topology, Refusal>) {
        let current = self.state.borrow().topology.clone();
        let decision = match &offered {
            Ok(topology) => decide(current.as_ref(), topology),
            Err(reason) => Decision::Refuse(reason.clone()),
        };
        self.withdraw(source);
        match (decision, offered) {
            (Decision::Take, Ok(topology)) => {
                tracing::info!(%source, version = topology.version, nodes = topology.nodes.len(), "new topology");
                self.change(|state| {
                    state.topology = Some(topology);
                    state.source = Some(source);
                });
                if source != Source::LocalFile {
                    self.keep();
                }
            }
            (Decision::Refuse(reason), _) => {
                tracing::warn!(%source, %reason, "topology refused, the old one stays");
                let refused = Refused {
                    source,
                    reason,
                    at: SystemTime::now(),
                };
                self.change(|state| state.refused.push(refused));
            }
            (Decision::Take | Decision::Keep, _) => {}
        }
    }

    /// Writes the topology in use to the local file; one that cannot be written is tried again.
    fn keep(&mut self) {
        let Some(topology) = self.state.borrow().topology.clone() else {
            return;
        };
        let error = self
            .file
            .write(&topology)
            .err()
            .map(|error| error.to_string());
        if let (Some(error), None) = (&error, &self.state.borrow().file_error) {
            tracing::error!(error, "the local copy of the topology cannot be written");
        }
        self.change(|state| state.file_error = error);
    }

    /// Wakes those who watch only if there is something new to see.
    fn change(&mut self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }
}

fn parse(bytes: &[u8]) -> Result<Topology, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::Unreadable(error.to_string()))
}

/// What the store's entry is, and becomes. A store that is away is waited for; a stream, so that
/// waiting goes on where it was while the mirror looks elsewhere.
fn entries(store: Arc<dyn Coordination>) -> impl Stream<Item = Option<Entry>> {
    stream::unfold((store, None), |(store, mut watching)| async move {
        let found = next(&*store, &mut watching).await;
        Some((found, (store, watching)))
    })
}

async fn next(
    store: &dyn Coordination,
    watching: &mut Option<Watch<Option<Entry>>>,
) -> Option<Entry> {
    loop {
        if let Some(watch) = watching {
            if let Ok(found) = watch.changed().await {
                return found;
            }
            *watching = None;
        }
        match store.watch(PATH).await {
            Ok(mut watch) => {
                let found = watch.current();
                *watching = Some(watch);
                return found;
            }
            Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
}
