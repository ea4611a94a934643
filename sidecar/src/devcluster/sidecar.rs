//! One sidecar of the box.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::owner::Owner;
use super::programs::Programs;
use super::state::{BoxNode, State};
use super::BoxError;
use crate::sys::{signal, Signal};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the sidecar, unless it runs, and waits until it listens.
///
/// # Errors
/// [`BoxError::Sidecar`] with the end of its log.
pub fn start(
    state: &State,
    node: &BoxNode,
    programs: &Programs,
    owner: &Owner,
) -> Result<(), BoxError> {
    let directory = state.node_dir(node);
    if running(&directory).is_some() {
        return Ok(());
    }
    let config = directory.join("expansed.toml");
    fs::write(&config, configuration(state, node, programs)).map_err(BoxError::io(&config))?;
    owner.take(&config)?;
    let log = directory.join("expansed.log");
    let output = File::options().create(true).append(true).open(&log);
    let output = output.map_err(BoxError::io(&log))?;
    let errors = output.try_clone().map_err(BoxError::io(&log))?;
    let mut command = owner.command(&programs.expansed);
    command.arg("--config").arg(&config);
    command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn().map_err(BoxError::io(&programs.expansed))?;
    fs::write(pid_file(&directory), child.id().to_string()).map_err(BoxError::io(&directory))?;
    let patience = Instant::now() + START_TIMEOUT;
    while UnixStream::connect(directory.join("expansed.sock")).is_err() {
        // Not by `running`: the command line of a process that has just begun may still be empty.
        let ended = !matches!(child.try_wait(), Ok(None));
        if ended || Instant::now() > patience {
            return Err(BoxError::Sidecar {
                node: node.name.clone(),
                log: end_of(&log),
            });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn configuration(state: &State, node: &BoxNode, programs: &Programs) -> String {
    let directory = state.node_dir(node);
    let url = state.coordination_url.clone().unwrap_or_default();
    format!(
        "control_socket = \"{dir}/expansed.sock\"\n\
         state_dir = \"{dir}/state\"\n\
         [coordination]\n\
         url = \"{url}\"\n\
         [postgres]\n\
         host = \"{host}\"\n\
         port = {port}\n\
         bin_dir = \"{bin}\"\n\
         [http]\n\
         port = {http}\n",
        dir = directory.display(),
        host = node.host,
        port = node.port,
        http = http_port(node),
        bin = programs.bin_dir.display(),
    )
}

/// Where the sidecar of a node of the box serves HTTP: 1000 above its server, or nowhere.
fn http_port(node: &BoxNode) -> u16 {
    node.port.checked_add(1000).unwrap_or(0)
}

/// Stops the sidecar, if it runs.
pub fn stop(directory: &Path) {
    for kind in [Signal::Terminate, Signal::Kill] {
        let Some(pid) = running(directory) else { break };
        // It may be gone by now, which is what is wanted.
        let _ = signal(pid, kind);
        let patience = Instant::now() + STOP_TIMEOUT;
        while running(directory).is_some() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // The file may never have been written.
    let _ = fs::remove_file(pid_file(directory));
}

/// The process id of the sidecar of a node directory, if it runs.
pub fn running(directory: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file(directory))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // The process id may have been given to another program meanwhile; an ended child has no command line.
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let config = directory.join("expansed.toml");
    let wanted = config.as_os_str().as_encoded_bytes();
    command
        .windows(wanted.len())
        .any(|part| part == wanted)
        .then_some(pid)
}

fn pid_file(directory: &Path) -> PathBuf {
    directory.join("expansed.pid")
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
