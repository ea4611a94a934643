//! The mirror of the topology, over the embedded store.

use std::future::Future;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expanse_core::wire::{Topology, TopologyNode};
use expanse_sidecar::coordination::{connect, update, Coordination, Timeouts};
use expanse_sidecar::topology::{LocalFile, Mirror, Source, Sources, State, PATH};
use tokio::sync::watch::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Machine {
    directory: tempfile::TempDir,
    store: Arc<dyn Coordination>,
}

impl Machine {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("dir://{}/store", directory.path().display());
        let store = connect(&url, "test", Timeouts::default()).await.unwrap();
        std::fs::create_dir(directory.path().join("mounted")).unwrap();
        Self { directory, store }
    }

    fn sources(&self) -> Sources {
        Sources {
            file: self.directory.path().join("topology.json"),
            mounted: Some(self.directory.path().join("mounted")),
        }
    }

    fn file(&self) -> LocalFile {
        LocalFile::new(self.sources().file)
    }

    fn start(&self) -> (Receiver<State>, DropGuard) {
        self.start_with(std::future::ready(self.store.clone()))
    }

    fn start_with(
        &self,
        store: impl Future<Output = Arc<dyn Coordination>> + Send + 'static,
    ) -> (Receiver<State>, DropGuard) {
        let mirror = Mirror::open(&self.sources());
        let state = mirror.state();
        let stop = CancellationToken::new();
        tokio::spawn(mirror.serve(store, stop.clone()));
        (state, stop.drop_guard())
    }

    async fn store(&self, data: &[u8]) {
        update(&*self.store, PATH, |_| Some(data.to_vec()))
            .await
            .unwrap();
    }

    /// As Kubernetes does it.
    fn mount(&self, generation: u32, content: &[u8]) {
        let mounted = self.directory.path().join("mounted");
        let own = mounted.join(format!("..{generation}"));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("topology.json"), content).unwrap();
        let draft = mounted.join("..data_tmp");
        symlink(format!("..{generation}"), &draft).unwrap();
        std::fs::rename(draft, mounted.join("..data")).unwrap();
        let link = mounted.join("topology.json");
        if !link.is_symlink() {
            symlink(Path::new("..data/topology.json"), link).unwrap();
        }
    }
}

fn topology(version: i64) -> Topology {
    let node = |node_id: i32| TopologyNode {
        node_id,
        node_name: format!("n{node_id}"),
        host: "127.0.0.1".to_owned(),
        port: 5500 + node_id as u16,
        weight: 1,
    };
    Topology {
        cluster_id: "c1".to_owned(),
        nodes: (1..=3).map(node).collect(),
        storages: Vec::new(),
        version,
    }
}

fn json(topology: &Topology) -> Vec<u8> {
    serde_json::to_vec(topology).unwrap()
}

/// Waits for what must come, with patience for a busy machine.
async fn noticed(state: &mut Receiver<State>, what: impl FnMut(&State) -> bool) -> State {
    let noticed = tokio::time::timeout(Duration::from_secs(30), state.wait_for(what)).await;
    noticed
        .expect("it was not noticed within 30 s")
        .unwrap()
        .clone()
}

fn version(state: &State) -> Option<i64> {
    state.topology.as_ref().map(|topology| topology.version)
}

#[tokio::test]
async fn the_stores_topology_is_kept_in_the_local_file() {
    let machine = Machine::new().await;
    let (mut state, _stop) = machine.start();
    assert_eq!(state.borrow().topology, None);
    for number in 1..=3 {
        machine.store(&json(&topology(number))).await;
        let state = noticed(&mut state, |state| version(state) == Some(number)).await;
        assert_eq!(state.source, Some(Source::Store));
    }
    wait_for_file(&machine, 3).await;
}

async fn wait_for_file(machine: &Machine, version: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while machine.file().read().unwrap() != Some(topology(version)) {
        assert!(Instant::now() < deadline, "the local file is not written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_local_file_serves_while_the_store_is_gone() {
    let machine = Machine::new().await;
    machine.file().write(&topology(4)).unwrap();
    machine.store.close().await;
    let (state, _stop) = machine.start();
    assert_eq!(version(&state.borrow()), Some(4));
    assert_eq!(state.borrow().source, Some(Source::LocalFile));
}

#[tokio::test]
async fn a_damaged_local_file_is_reported_and_replaced() {
    let machine = Machine::new().await;
    machine.file().write(&topology(4)).unwrap();
    let path = machine.sources().file;
    let edited = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"n2\"", "\"n9\"");
    std::fs::write(&path, edited).unwrap();
    let (mut state, _stop) = machine.start();
    assert_eq!(state.borrow().topology, None);
    let reason = state.borrow().refused[0].reason.to_string();
    assert!(reason.contains("checksum"), "{reason}");
    machine.store(&json(&topology(4))).await;
    noticed(&mut state, |state| version(state) == Some(4)).await;
    wait_for_file(&machine, 4).await;
}

#[tokio::test]
async fn a_bad_topology_is_refused_and_the_old_one_stays() {
    let machine = Machine::new().await;
    machine.store(&json(&topology(4))).await;
    let (mut state, _stop) = machine.start();
    noticed(&mut state, |state| version(state) == Some(4)).await;
    let mut other_cluster = topology(9);
    other_cluster.cluster_id = "c2".to_owned();
    let mut two_alike = topology(9);
    two_alike.nodes[1].node_name = "n1".to_owned();
    let mut ambiguous = topology(4);
    ambiguous.nodes.pop();
    let cases = [
        (b"".to_vec(), "cannot be read"),
        (b"\xff\xfe{".to_vec(), "cannot be read"),
        (vec![b'['; 100_000], "cannot be read"),
        (b"{\"version\":9}".to_vec(), "cannot be read"),
        (json(&other_cluster), "cluster \"c2\""),
        (json(&two_alike), "two nodes have the name"),
        (json(&ambiguous), "same version 4"),
    ];
    for (bad, expected) in cases {
        machine.store(&bad).await;
        let seen = noticed(&mut state, |state| {
            state
                .refused
                .iter()
                .any(|refused| refused.reason.to_string().contains(expected))
        })
        .await;
        assert_eq!(version(&seen), Some(4));
        assert_eq!(machine.file().read().unwrap(), Some(topology(4)));
    }
    machine.store(&json(&topology(5))).await;
    let seen = noticed(&mut state, |state| version(state) == Some(5)).await;
    assert!(seen.refused.is_empty());
}

#[tokio::test]
async fn a_mounted_directory_is_noticed_within_two_seconds() {
    let machine = Machine::new().await;
    let (mut state, _stop) = machine.start();
    let mut times = Vec::new();
    for generation in 1..=3 {
        machine.mount(generation, &json(&topology(i64::from(generation))));
        let mounted_at = Instant::now();
        let wanted = Some(i64::from(generation));
        let seen = noticed(&mut state, |state| version(state) == wanted).await;
        times.push(mounted_at.elapsed());
        assert_eq!(seen.source, Some(Source::MountedDirectory));
    }
    times.sort();
    assert!(times[1] < Duration::from_secs(2), "{times:?}");
    machine.mount(4, b"{\"cluster_id\": \"c1\", \"nodes\": [");
    let seen = noticed(&mut state, |state| !state.refused.is_empty()).await;
    assert_eq!(version(&seen), Some(3));
    assert_eq!(seen.refused[0].source, Source::MountedDirectory);
    // One that is behind is no fault.
    machine.mount(5, &json(&topology(2)));
    let seen = noticed(&mut state, |state| state.refused.is_empty()).await;
    assert_eq!(version(&seen), Some(3));
    machine.mount(6, &json(&topology(6)));
    noticed(&mut state, |state| version(state) == Some(6)).await;
    wait_for_file(&machine, 6).await;
}

#[tokio::test]
async fn a_mounted_directory_is_followed_before_the_store_answers() {
    let machine = Machine::new().await;
    let (answer, store) = tokio::sync::oneshot::channel();
    let (mut state, _stop) = machine.start_with(async { store.await.unwrap() });
    machine.mount(1, &json(&topology(1)));
    noticed(&mut state, |state| version(state) == Some(1)).await;
    machine.mount(2, &json(&topology(2)));
    noticed(&mut state, |state| version(state) == Some(2)).await;
    machine.store(&json(&topology(3))).await;
    assert!(answer.send(machine.store.clone()).is_ok());
    let seen = noticed(&mut state, |state| version(state) == Some(3)).await;
    assert_eq!(seen.source, Some(Source::Store));
}

#[tokio::test]
async fn a_local_file_that_cannot_be_written_is_reported_and_tried_again() {
    let machine = Machine::new().await;
    // Something that no rename can replace is in its place.
    std::fs::create_dir_all(machine.sources().file.join("x")).unwrap();
    let (mut state, _stop) = machine.start();
    machine.store(&json(&topology(1))).await;
    let seen = noticed(&mut state, |state| state.file_error.is_some()).await;
    assert_eq!(version(&seen), Some(1));
    std::fs::remove_dir_all(machine.sources().file).unwrap();
    noticed(&mut state, |state| state.file_error.is_none()).await;
    wait_for_file(&machine, 1).await;
}
