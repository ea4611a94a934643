//! One PostgreSQL server of the box.

use std::fs;
use std::net::TcpListener;

use super::owner::{run, Owner};
use super::programs::Programs;
use super::state::{BoxNode, State};
use super::BoxError;

/// Makes the data directory, unless it is there.
///
/// # Errors
/// [`BoxError::Program`], [`BoxError::Io`].
pub fn create(
    state: &State,
    node: &BoxNode,
    programs: &Programs,
    owner: &Owner,
) -> Result<(), BoxError> {
    let directory = state.node_dir(node);
    let data = directory.join("data");
    if data.join("expanse.done").exists() {
        return Ok(());
    }
    // What an interrupted attempt left is of no use.
    if data.exists() {
        fs::remove_dir_all(&data).map_err(BoxError::io(&data))?;
    }
    owner.make_dir(&directory)?;
    let mut initdb = owner.command(&programs.postgres("initdb"));
    initdb
        .args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-D",
        ])
        .arg(&data);
    run(initdb)?;
    let settings = data.join("postgresql.auto.conf");
    fs::write(&settings, configuration(state, node)).map_err(BoxError::io(&settings))?;
    owner.take(&settings)?;
    let done = data.join("expanse.done");
    fs::write(&done, "").map_err(BoxError::io(&done))?;
    owner.take(&done)
}

fn configuration(state: &State, node: &BoxNode) -> String {
    let directory = state.node_dir(node);
    let directory = directory.display();
    format!(
        "listen_addresses = '{host}'\n\
         port = {port}\n\
         unix_socket_directories = '{directory}'\n\
         shared_preload_libraries = 'expanse'\n\
         expanse.control_socket = '{directory}/expansed.sock'\n\
         wal_level = logical\n\
         max_connections = 200\n\
         max_prepared_transactions = 200\n\
         max_wal_senders = 40\n\
         max_replication_slots = 40\n\
         max_worker_processes = 48\n\
         max_logical_replication_workers = 32\n\
         max_sync_workers_per_subscription = 4\n\
         shared_buffers = 128MB\n\
         log_line_prefix = '%m [%p] %q%a '\n",
        host = node.host,
        port = node.port,
    )
}

/// Starts the server, unless it runs.
///
/// # Errors
/// [`BoxError::PortInUse`]; [`BoxError::Program`] with the end of the server's log.
pub fn start(
    state: &State,
    node: &BoxNode,
    programs: &Programs,
    owner: &Owner,
) -> Result<(), BoxError> {
    if running(state, node, programs, owner) {
        return Ok(());
    }
    if TcpListener::bind((node.host.as_str(), node.port)).is_err() {
        return Err(BoxError::PortInUse { port: node.port });
    }
    let directory = state.node_dir(node);
    let log = directory.join("server.log");
    let mut start = owner.command(&programs.postgres("pg_ctl"));
    start
        .arg("start")
        .arg("-w")
        .arg("-s")
        .arg("-D")
        .arg(directory.join("data"));
    start.arg("-l").arg(&log);
    run(start).map_err(|error| with_log(error, &log))?;
    Ok(())
}

/// Does the server run?
pub fn running(state: &State, node: &BoxNode, programs: &Programs, owner: &Owner) -> bool {
    let mut status = owner.command(&programs.postgres("pg_ctl"));
    status
        .arg("status")
        .arg("-D")
        .arg(state.node_dir(node).join("data"));
    run(status).is_ok() && !has_been_killed(&state.node_dir(node).join("data"))
}

/// A killed server's process is there until its parent has taken notice; waits for that, within bounds.
fn has_been_killed(data: &std::path::Path) -> bool {
    let pid = fs::read_to_string(data.join("postmaster.pid"));
    let Some(pid) = pid
        .ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
    else {
        return false;
    };
    let command = || fs::read(format!("/proc/{}/cmdline", pid.trim()));
    // A process that has ended has no command line any more.
    let dead = command().map_or(true, |line| line.is_empty());
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while dead && command().is_ok() && std::time::Instant::now() < patience {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    dead
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a checkpoint; it may have to wait for subscribers, and is ended at once when that takes long.
    Orderly,
    /// For data that is not needed any more.
    AtOnce,
}

/// Stops the server, if it runs.
///
/// # Errors
/// [`BoxError::Program`].
pub fn stop(
    state: &State,
    node: &BoxNode,
    programs: &Programs,
    owner: &Owner,
    ending: Ending,
) -> Result<(), BoxError> {
    if !running(state, node, programs, owner) {
        return Ok(());
    }
    let data = state.node_dir(node).join("data");
    let stop = |mode: &str| {
        let mut stop = owner.command(&programs.postgres("pg_ctl"));
        stop.args(["stop", "-s", "-w", "-t", "20", "-m", mode, "-D"]);
        stop.arg(&data);
        run(stop).map(drop)
    };
    if ending == Ending::Orderly && stop("fast").is_ok() {
        return Ok(());
    }
    stop("immediate")
}

fn with_log(error: BoxError, log: &std::path::Path) -> BoxError {
    match error {
        BoxError::Program { program, output } => {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(10)..].join("\n");
            BoxError::Program {
                program,
                output: format!("{output}\n{end}"),
            }
        }
        other => other,
    }
}
