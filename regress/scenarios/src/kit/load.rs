//! Work that goes on in the background while a scenario does something else.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::cluster::Cluster;
use super::failure::{Failure, Outcome};
use super::node::{signal, Node, Signal};

/// A running pgbench; ended when it is dropped.
pub struct Pgbench {
    child: Child,
    output: PathBuf,
}

impl Pgbench {
    /// Starts pgbench with a script, on a node; what it says goes to the file `NAME.out` of the scenario.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn start(
        cluster: &Cluster,
        node: &Node,
        name: &str,
        script: &Path,
        arguments: &[&str],
    ) -> Outcome<Self> {
        let output = cluster.file(&format!("{name}.out"));
        let file = File::create(&output).map_err(Failure::io(name))?;
        let errors = file.try_clone().map_err(Failure::io(name))?;
        let child = Command::new(cluster.program("pgbench"))
            .args(["-n", "-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(node.port.to_string())
            .arg("-f")
            .arg(script)
            .args(arguments)
            .arg("postgres")
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(Failure::io("starting pgbench"))?;
        Ok(Self { child, output })
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Has it not ended yet?
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; what it has said.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn wait(mut self) -> Outcome<String> {
        self.child
            .wait()
            .map_err(Failure::io("waiting for pgbench"))?;
        Ok(self.said())
    }

    /// Nothing failed, by what one or several have said.
    ///
    /// # Errors
    /// [`Failure::Wrong`] with the lines that tell of failures.
    pub fn unharmed(said: &str) -> Outcome {
        let tells = |line: &&str| {
            ["ERROR", "FATAL", "aborted"]
                .iter()
                .any(|word| line.contains(word))
        };
        let failures: Vec<&str> = said.lines().filter(tells).collect();
        if failures.is_empty() {
            return Ok(());
        }
        Err(Failure::Wrong(failures.join("\n")))
    }

    /// Ends it; what it has said.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn stop(mut self) -> Outcome<String> {
        if self.runs() {
            signal(self.child.id(), Signal::Terminate)?;
        }
        self.wait()
    }
}

impl Drop for Pgbench {
    fn drop(&mut self) {
        // It has ended already where the scenario has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a writer has done.
#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: u64,
    /// Errors, and how often each came.
    pub failures: BTreeMap<String, u64>,
}

/// A thread that repeats a round of statements; ended when it is dropped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Tally>>,
}

impl Writer {
    /// Repeats the round, which is given its number, until the writer is stopped.
    pub fn start(mut round: impl FnMut(u64) -> Outcome + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut tally = Tally::default();
            while !stopped.load(Ordering::Relaxed) {
                match round(tally.rounds) {
                    Ok(()) => tally.rounds += 1,
                    Err(error) => *tally.failures.entry(error.to_string()).or_default() += 1,
                }
            }
            tally
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Stops it; what it has done.
    ///
    /// # Errors
    /// [`Failure::Wrong`] if its thread has panicked.
    pub fn stop(mut self) -> Outcome<Tally> {
        self.end()
            .unwrap_or_else(|| Err(Failure::wrong("the writer was stopped before")))
    }

    /// Stops it, which is well if it has done something and nothing failed.
    ///
    /// # Errors
    /// [`Failure::Wrong`] with the most frequent failures.
    pub fn stop_unharmed(self) -> Outcome {
        let tally = self.stop()?;
        if tally.failures.is_empty() && tally.rounds > 0 {
            return Ok(());
        }
        let shown: Vec<String> = tally
            .failures
            .iter()
            .take(10)
            .map(|(error, times)| format!("{times} times {error}"))
            .collect();
        Err(Failure::Wrong(format!(
            "{} rounds; {}",
            tally.rounds,
            shown.join("; ")
        )))
    }

    fn end(&mut self) -> Option<Outcome<Tally>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take()?;
        Some(
            thread
                .join()
                .map_err(|_| Failure::wrong("the writer panicked")),
        )
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What it has done is of no interest to a scenario that does not stop it.
        let _ = self.end();
    }
}
