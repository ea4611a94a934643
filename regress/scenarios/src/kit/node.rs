//! One node: its SQL, and what can happen to its server and its sidecar.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::failure::{Failure, Outcome};
use super::session::{Pending, Session, Target};

/// Signals that scenarios send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends a process as a crash does.
    Kill,
    /// Lets a process stand still.
    Stop,
    /// Lets it go on.
    Continue,
    Terminate,
    /// A server's fast shutdown.
    Interrupt,
    /// A sidecar reads its configuration again.
    Reload,
}

impl Signal {
    fn flag(self) -> &'static str {
        match self {
            Self::Kill => "-KILL",
            Self::Stop => "-STOP",
            Self::Continue => "-CONT",
            Self::Terminate => "-TERM",
            Self::Interrupt => "-INT",
            Self::Reload => "-HUP",
        }
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// [`Failure::Wrong`] if there is no such process.
pub fn signal(pid: u32, kind: Signal) -> Outcome {
    let sent = Command::new("kill")
        .arg(kind.flag())
        .arg(pid.to_string())
        .output()
        .map_err(Failure::io("starting kill"))?;
    if sent.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&sent.stderr).trim().to_owned();
    Err(Failure::Wrong(format!("signal to process {pid}: {why}")))
}

/// A server of the box and its sidecar.
#[derive(Debug, Clone)]
pub struct Node {
    pub name: String,
    pub port: u16,
    directory: PathBuf,
    options: String,
}

impl Node {
    pub fn new(name: impl Into<String>, port: u16, box_directory: &Path) -> Self {
        let name = name.into();
        Self {
            directory: box_directory.join(&name),
            name,
            port,
            options: String::new(),
        }
    }

    /// The same node for sessions that begin with a setting.
    pub fn with(&self, setting: &str, value: &str) -> Self {
        let mut node = self.clone();
        node.options.push_str(&format!(" -c {setting}={value}"));
        node
    }

    /// The same node for sessions that see its own fragments only.
    pub fn internal(&self) -> Self {
        self.with("expanse.internal", "on")
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its sidecar serves HTTP.
    pub fn http_port(&self) -> u16 {
        self.port + 1000
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn session(&self) -> Outcome<Session> {
        Session::open(&Target {
            name: self.name.clone(),
            port: self.port,
            options: self.options.trim_start().to_owned(),
        })
    }

    /// Runs one message of SQL in a session of its own; rows as lines, columns divided by "|".
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn ask(&self, statement: &str) -> Outcome<String> {
        self.run(&[statement])
    }

    /// Runs statements one after the other in a session of their own, until one fails.
    ///
    /// # Errors
    /// [`Failure::Sql`] of the first that fails.
    pub fn run(&self, statements: &[&str]) -> Outcome<String> {
        let session = self.session()?;
        let said = session.run_each(statements);
        session.close()?;
        said
    }

    /// Runs a query that gives one number.
    ///
    /// # Errors
    /// [`Failure::Sql`], [`Failure::Wrong`].
    pub fn number(&self, query: &str) -> Outcome<i64> {
        let said = self.ask(query)?;
        said.parse()
            .map_err(|_| Failure::Wrong(format!("\"{said}\" is not a number: {query}")))
    }

    /// Does the query give this?
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn says(&self, query: &str, wanted: &str) -> Outcome<bool> {
        Ok(self.ask(query)? == wanted)
    }

    /// Begins one message of SQL in a session of its own.
    ///
    /// # Errors
    /// [`Failure::Sql`] if there is no session.
    pub fn begin(&self, statement: &str) -> Outcome<Pending> {
        Ok(self.session()?.send(statement))
    }

    /// Process id of the server.
    ///
    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn server_pid(&self) -> Outcome<u32> {
        pid_in(&self.directory.join("data/postmaster.pid"))
    }

    /// Process id of the sidecar.
    ///
    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn sidecar_pid(&self) -> Outcome<u32> {
        pid_in(&self.directory.join("expansed.pid"))
    }

    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn signal_server(&self, kind: Signal) -> Outcome {
        signal(self.server_pid()?, kind)
    }

    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn signal_sidecar(&self, kind: Signal) -> Outcome {
        signal(self.sidecar_pid()?, kind)
    }

    /// Ends the server as a crash does.
    ///
    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn kill_server(&self) -> Outcome {
        self.signal_server(Signal::Kill)
    }

    /// Ends the sidecar as a crash does.
    ///
    /// # Errors
    /// [`Failure::Io`], [`Failure::Wrong`].
    pub fn kill_sidecar(&self) -> Outcome {
        self.signal_sidecar(Signal::Kill)
    }

    /// Lines of its sidecar's log.
    pub fn sidecar_log(&self) -> Vec<String> {
        // A sidecar that has not begun has written nothing.
        let text = fs::read(self.directory.join("expansed.log")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn pid_in(file: &Path) -> Outcome<u32> {
    let text = fs::read_to_string(file).map_err(Failure::io(file.display().to_string()))?;
    let first = text.lines().next().unwrap_or_default().trim();
    first
        .parse()
        .map_err(|_| Failure::Wrong(format!("no process id in {}", file.display())))
}
