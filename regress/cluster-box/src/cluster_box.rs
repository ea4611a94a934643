//! The cluster in a box: `expansectl dev up / add / down` on a directory of our own.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::Mutex;

use crate::pg::Server;
use crate::Error;

/// What the box is made of.
#[derive(Debug, Clone)]
pub struct BoxOptions {
    pub expansectl: PathBuf,
    pub dir: PathBuf,
    pub nodes: u16,
    pub base_port: u16,
    /// `dir` or `zookeeper`.
    pub coordination: String,
}

/// A cluster of servers on this machine that exists until [`ClusterBox::down`].
pub struct ClusterBox {
    options: BoxOptions,
    environment: Vec<(String, OsString)>,
    /// Held while `expansectl` runs, so that cleaning up waits for what an interrupt left running. True: closed.
    running: Arc<Mutex<bool>>,
}

impl ClusterBox {
    pub fn new(options: BoxOptions) -> Self {
        Self {
            options,
            environment: Vec::new(),
            running: Arc::default(),
        }
    }

    /// Sets an environment variable for all servers and sidecars.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn options(&self) -> &BoxOptions {
        &self.options
    }

    /// Starts the servers, after removing what an earlier run may have left; returns the nodes.
    ///
    /// # Errors
    /// [`Error::Program`] with what `expansectl` wrote.
    pub async fn up(&self) -> Result<Vec<Server>, Error> {
        self.down().await?;
        let BoxOptions {
            nodes,
            base_port,
            coordination,
            ..
        } = &self.options;
        let (nodes_text, port_text) = (nodes.to_string(), base_port.to_string());
        self.dev(&[
            "up",
            "--nodes",
            &nodes_text,
            "--base-port",
            &port_text,
            "--coordination",
            coordination,
        ])
        .await?;
        Ok((0..*nodes)
            .map(|i| Server::local(format!("n{}", i + 1), base_port + i))
            .collect())
    }

    /// Starts what does not run, of the nodes that the box began with and of those added since.
    ///
    /// # Errors
    /// [`Error::Program`] with what `expansectl` wrote.
    pub async fn restart(&self) -> Result<(), Error> {
        let nodes = self.options.nodes.to_string();
        self.dev(&["up", "--nodes", &nodes]).await.map(drop)
    }

    /// Starts one more server, with its sidecar, that is not in the cluster yet.
    ///
    /// # Errors
    /// [`Error::Program`]; [`Error::Wrong`] if its address is not among what was printed.
    pub async fn add(&self) -> Result<Server, Error> {
        let printed = self.dev(&["add"]).await?;
        parse_server(&printed).ok_or_else(|| {
            Error::Wrong(format!(
                "\"expansectl dev add\" printed no name, host and port: {printed}"
            ))
        })
    }

    /// Stops everything and deletes the directory.
    ///
    /// # Errors
    /// [`Error::Program`] with what `expansectl` wrote.
    pub async fn down(&self) -> Result<(), Error> {
        self.dev(&["down", "--purge"]).await.map(drop)
    }

    /// Stops everything, deletes the directory, and starts nothing any more, whatever else still uses the box.
    ///
    /// # Errors
    /// [`Error::Program`] with what `expansectl` wrote.
    pub async fn close(&self) -> Result<(), Error> {
        let command = self.command(&["down", "--purge"]);
        let mut closed = self.running.lock().await;
        *closed = true;
        run(command).await.map(drop)
    }

    /// Runs `expansectl dev ...` to its end even if the caller is dropped meanwhile.
    async fn dev(&self, arguments: &[&str]) -> Result<String, Error> {
        let command = self.command(arguments);
        let running = Arc::clone(&self.running);
        let task = tokio::spawn(async move {
            let closed = running.lock().await;
            if *closed {
                return Err(Error::Interrupted);
            }
            run(command).await
        });
        task.await
            .unwrap_or_else(|error| Err(Error::Wrong(error.to_string())))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.options.expansectl);
        command
            .arg("dev")
            .args(arguments)
            .arg("--dir")
            .arg(&self.options.dir)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Runs a program of its own process group (Ctrl-C is for us, not for it); what it wrote to
/// standard output.
///
/// # Errors
/// [`Error::Io`] if it cannot be started, [`Error::Program`] if it fails.
pub async fn run(mut command: Command) -> Result<String, Error> {
    let program = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let arguments: Vec<_> = command
        .as_std()
        .get_args()
        .map(OsStr::to_string_lossy)
        .collect();
    let shown = format!("{program} {}", arguments.join(" "));
    let output = command
        .stdin(Stdio::null())
        .process_group(0)
        .output()
        .await
        .map_err(Error::io(format!("starting \"{program}\"")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let mut said = text;
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Program {
        program: shown,
        status: output.status.to_string(),
        output: said.trim().into(),
    })
}

/// Finds name, host and port, one after the other, in what `expansectl dev add` printed
/// (`n4 127.0.0.1 5503`, with or without words, colons or JSON around them).
fn parse_server(printed: &str) -> Option<Server> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = printed
        .split(|c| !is_part(c))
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.iter().find(|w| {
        w.strip_prefix('n')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })?;
    let host_at = words
        .iter()
        .position(|w| *w == "127.0.0.1" || *w == "localhost")?;
    let port = words[host_at..]
        .iter()
        .find_map(|w| w.parse::<u16>().ok().filter(|&p| p > 1023))?;
    Some(Server {
        name: (*name).into(),
        host: words[host_at].into(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::parse_server;
    use crate::pg::Server;

    #[test]
    fn finds_the_new_server_in_words_and_in_json() {
        let expected = Some(Server::local("n4", 5503));
        assert_eq!(parse_server("n4 127.0.0.1 5503\n"), expected);
        assert_eq!(parse_server("started n4 at 127.0.0.1:5503\n"), expected);
        let json = r#"{"node_name":"n4","host":"127.0.0.1","port":5503}"#;
        assert_eq!(parse_server(json), expected);
        assert_eq!(parse_server("nothing"), None);
    }
}
