//! The daemon: starts the parts as named tasks and stops them in order.

mod logs;
mod notify;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::{listen, serve, Answers};
use crate::coordination::{self, Coordination, Timeouts};
use crate::executor::Executor;
use crate::membership::publish::View;
use crate::membership::{local, publish, recovery, status};
use crate::operations::journal::Journal;
use crate::operations::leader::Campaign;
use crate::operations::{mirror, removed};
use crate::topology::{Mirror, Sources, FILE_NAME};

pub use logs::init as init_logs;
use tasks::Tasks;

/// How long the parts may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Coordination(#[from] coordination::Error),
    #[error("could not listen on control socket \"{path}\": {source}")]
    ControlSocket {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("could not watch for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(config: Config) -> Result<(), Error> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.cancel();
    });
    let config = Arc::new(config);
    let started = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        started = start(config.clone(), stop.clone()) => started?,
    };
    notify::send("READY=1\nSTATUS=running");
    tracing::info!(control_socket = %config.control_socket.display(), "ready");
    stop.cancelled().await;
    notify::send("STOPPING=1");
    tracing::info!("stops");
    let Started { tasks, store } = started;
    tasks.stop(STOP_LIMIT).await;
    let _ = timeout(STOP_LIMIT, store.close()).await;
    let _ = std::fs::remove_file(&config.control_socket);
    Ok(())
}

struct Started {
    tasks: Tasks,
    store: Arc<dyn Coordination>,
}

async fn start(config: Arc<Config>, stop: CancellationToken) -> Result<Started, Error> {
    // Whoever may not make it says so when it writes there.
    let _ = std::fs::create_dir_all(&config.state_dir);
    let listener = listen(&config.control_socket)
        .await
        .map_err(|source| Error::ControlSocket {
            path: config.control_socket.clone(),
            source,
        })?;
    let store = connect(&config).await?;
    let executor = Executor::new(config.postgres.clone(), &config.executor);
    let journal = Journal::new(store.clone());

    let (local_shown, local_node) = watch::channel(None);
    let (nodes_shown, nodes) = watch::channel(Default::default());
    let (leader_shown, leader) = watch::channel(None);
    let (operations_shown, operations) = watch::channel(Vec::new());
    let view = View {
        local: local_node.clone(),
        nodes,
        leader,
        operations,
    };
    let answers = Arc::new(Answers {
        config: config.clone(),
        executor: executor.clone(),
        journal: journal.clone(),
        view: view.clone(),
    });
    let campaign = Campaign {
        config: config.clone(),
        store: store.clone(),
        executor: executor.clone(),
        local: local_node.clone(),
        stop: stop.clone(),
    };

    let topology = Mirror::open(&Sources {
        file: config.state_dir.join(FILE_NAME),
        mounted: (!config.topology_dir.as_os_str().is_empty()).then(|| config.topology_dir.clone()),
    });

    let tasks = Tasks::new(stop.clone());
    tasks.spawn("topology", topology.serve(store.clone(), stop.clone()));
    tasks.spawn(
        "local server",
        local::run(config.clone(), executor.clone(), local_shown, stop.clone()),
    );
    tasks.spawn(
        "status entry",
        status::register(store.clone(), local_node.clone(), stop.clone()),
    );
    tasks.spawn(
        "status directory",
        status::follow(store.clone(), nodes_shown, stop.clone()),
    );
    tasks.spawn(
        "leader entry",
        publish::follow_leader(store.clone(), leader_shown, stop.clone()),
    );
    tasks.spawn(
        "journal",
        mirror::run(journal, operations_shown, stop.clone()),
    );
    tasks.spawn(
        "publisher",
        publish::run(config.clone(), executor.clone(), view, stop.clone()),
    );
    tasks.spawn(
        "recovery",
        recovery::run(
            config.clone(),
            executor.clone(),
            local_node.clone(),
            stop.clone(),
        ),
    );
    tasks.spawn(
        "removed nodes",
        removed::watch(config, executor, store.clone(), local_node, stop.clone()),
    );
    tasks.spawn("operations", campaign.run());
    tasks.spawn("control socket", serve(listener, answers, stop.clone()));
    tasks.spawn("watchdog", notify::watchdog(stop));
    Ok(Started { tasks, store })
}

async fn connect(config: &Config) -> Result<Arc<dyn Coordination>, Error> {
    let timeouts = Timeouts {
        call: Duration::from_millis(config.coordination.call_timeout_ms),
        session: Duration::from_millis(config.coordination.session_timeout_ms),
        ..Timeouts::default()
    };
    let identity = if config.node_name.is_empty() {
        format!("{}:{}", config.postgres.host, config.postgres.port)
    } else {
        config.node_name.clone()
    };
    loop {
        match coordination::connect(&config.coordination.url, &identity, timeouts).await {
            Ok(store) => return Ok(store),
            Err(error) if error.is_retryable() => {
                notify::send("STATUS=waits for the coordination store");
                tracing::warn!(%error, "waits for the coordination store");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
