//! What the daemon consists of, and the tasks that need no coordination store.

use std::sync::{Arc, OnceLock};

use expanse_core::live::NodeLoad;
use parking_lot::{Mutex, RwLock};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::coordinated::Shown as CoordinatedShown;
use super::notify;
use super::tasks::Tasks;
use crate::alarms::{self, Alarms, Notice};
use crate::cluster::local_server;
use crate::config::{AlarmConfig, Config};
use crate::control::{serve, Answers};
use crate::coordination::{self, Coordination, SessionState};
use crate::executor::Executor;
use crate::membership::{local, recovery, LocalNode};
use crate::metrics::Heartbeat;
use crate::operations::Journal;
use crate::overview::{publish, View};
use crate::topology::{Mirror, Sources, FILE_NAME};
use crate::{http, resources};

/// What the tasks share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub executor: Executor,
    pub alarms: Alarms,
    /// As it was configured last.
    pub alarm: Arc<RwLock<AlarmConfig>>,
    pub view: View,
    pub load: watch::Receiver<NodeLoad>,
    pub heartbeat: Heartbeat,
    /// There once the store has answered for the first time.
    pub store: Arc<OnceLock<Arc<dyn Coordination>>>,
    pub journal: Arc<OnceLock<Journal>>,
    /// Why the store will never answer.
    pub refused: Arc<Mutex<Option<coordination::Error>>>,
    pub tasks: Tasks,
    pub stop: CancellationToken,
}

/// Where the tasks show what they know; each is used once.
pub(super) struct Shown {
    local: watch::Sender<Option<LocalNode>>,
    load: watch::Sender<NodeLoad>,
    told: mpsc::Receiver<Notice>,
    mirror: Mirror,
    store: oneshot::Receiver<Arc<dyn Coordination>>,
    coordinated: CoordinatedShown,
}

/// All parts; nothing runs yet.
pub(super) fn make(config: Arc<Config>, stop: CancellationToken) -> (Parts, Shown) {
    let (notices, told) = alarms::channel();
    let alarms = Alarms::new(notices);
    let executor = Executor::new(config.postgres.clone(), &config.executor, alarms.clone());
    let mounted = &config.topology_dir;
    let mirror = Mirror::open(&Sources {
        file: config.state_dir.join(FILE_NAME),
        mounted: (!mounted.as_os_str().is_empty()).then(|| mounted.clone()),
    });
    let (local, local_node) = watch::channel(None);
    let (nodes, nodes_seen) = watch::channel(Default::default());
    let (leader, leader_seen) = watch::channel(None);
    let (operations, operations_seen) = watch::channel(Vec::new());
    let (load, load_seen) = watch::channel(NodeLoad::default());
    let (found, store) = oneshot::channel();
    let (session, session_seen) = watch::channel(SessionState::Lost);
    let view = View {
        local: local_node,
        nodes: nodes_seen,
        leader: leader_seen,
        operations: operations_seen,
        topology: mirror.state(),
        session: session_seen,
        executor: executor.clone(),
        since: Arc::default(),
    };
    let parts = Parts {
        alarm: Arc::new(RwLock::new(config.alarm.clone())),
        config,
        executor,
        alarms,
        view,
        load: load_seen,
        heartbeat: Heartbeat::default(),
        store: Arc::default(),
        journal: Arc::default(),
        refused: Arc::default(),
        tasks: Tasks::new(stop.clone()),
        stop,
    };
    let coordinated = CoordinatedShown {
        nodes,
        leader,
        operations,
        session,
        found,
    };
    let shown = Shown {
        local,
        load,
        told,
        mirror,
        store,
        coordinated,
    };
    (parts, shown)
}

impl Parts {
    /// Starts what needs no coordination store; gives back what the rest needs.
    pub fn start(&self, listener: UnixListener, shown: Shown) -> CoordinatedShown {
        let (config, executor) = (&self.config, &self.executor);
        let (tasks, stop) = (&self.tasks, &self.stop);
        let answers = Arc::new(Answers {
            config: config.clone(),
            executor: executor.clone(),
            journal: self.journal.clone(),
            view: self.view.clone(),
        });
        let site = http::Site {
            view: self.view.clone(),
            executor: executor.clone(),
            server: local_server(config),
            heartbeat: self.heartbeat.clone(),
            maps: Default::default(),
        };
        let local_node = || self.view.local.clone();
        let looking = local::run(
            config.clone(),
            executor.clone(),
            shown.local,
            self.heartbeat.clone(),
            stop.clone(),
        );
        tasks.spawn("local server", looking);
        let sampling = resources::run(
            config.clone(),
            executor.clone(),
            local_node(),
            shown.load,
            stop.clone(),
        );
        tasks.spawn("resources", sampling);
        let nodes = self.view.nodes.clone();
        let loads = publish::share_loads(executor.clone(), nodes, self.load.clone(), stop.clone());
        tasks.spawn("loads", loads);
        let view = self.view.clone();
        let publisher = publish::run(config.clone(), executor.clone(), view, stop.clone());
        tasks.spawn("publisher", publisher);
        let recovery = recovery::run(config.clone(), executor.clone(), local_node(), stop.clone());
        tasks.spawn("recovery", recovery);
        let store = shown.store;
        let store = async {
            match store.await {
                Ok(store) => store,
                Err(_) => std::future::pending().await,
            }
        };
        let topology = shown.mirror.serve(store, stop.clone());
        tasks.spawn("topology", topology);
        tasks.spawn("control socket", serve(listener, answers, stop.clone()));
        tasks.spawn("http", http::run(config.http.clone(), site, stop.clone()));
        let webhook = alarms::deliver(self.alarm.clone(), shown.told, stop.clone());
        tasks.spawn("webhook", webhook);
        let watchdog = notify::watchdog(self.heartbeat.clone(), stop.clone());
        tasks.spawn("watchdog", watchdog);
        shown.coordinated
    }
}
