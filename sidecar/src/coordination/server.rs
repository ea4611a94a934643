//! A real ZooKeeper server on this machine, for the cluster in a box and for tests.
//!
//! [`ZooKeeperServer::start`] runs one server in a directory of its own and returns when it
//! serves; [`start_ensemble`] runs several that belong together. The server is a process group of
//! its own and survives the program that started it; [`stop`] finds it again by the directory:
//!
//! ```no_run
//! # async fn example() -> Result<(), expanse_sidecar::coordination::server::ServerError> {
//! use expanse_sidecar::coordination::server::{stop, ZooKeeperServer};
//! let directory = std::path::Path::new("/tmp/box/zookeeper");
//! let server = ZooKeeperServer::start(directory, 2181).await?;
//! println!("process {} serves {}", server.pid, server.url());
//! stop(directory).await?;
//! # Ok(())
//! # }
//! ```
//!
//! It needs the jars of Debian's packages `zookeeper` and `libslf4j-java`, and Java. It
//! listens on 127.0.0.1 only, and keeps configuration, data, log and process id in the directory.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::sys::{signal, Signal};

const JARS: [&str; 2] = [
    "/usr/share/java/zookeeper.jar",
    "/usr/share/java/slf4j-simple.jar",
];
const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a server could not be started or stopped.
#[derive(Debug, Error)]
pub enum ServerError {
    #[error("ZooKeeper is not installed: {missing} is missing (apt-get install zookeeper libslf4j-java)")]
    NotInstalled { missing: String },
    #[error("ZooKeeper in \"{}\" did not start: {reason}", directory.display())]
    NotStarted { directory: PathBuf, reason: String },
    #[error("ZooKeeper in \"{}\" does not stop", directory.display())]
    NotStopped { directory: PathBuf },
    #[error("\"{}\": {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

type Result<T> = std::result::Result<T, ServerError>;

/// A server that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperServer {
    pub pid: u32,
    pub port: u16,
}

/// The ports of one server of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub client: u16,
    pub peer: u16,
    pub election: u16,
}

impl ZooKeeperServer {
    /// Starts a server that keeps everything in `directory`, or finds the one that runs there.
    ///
    /// # Errors
    /// [`ServerError::NotInstalled`]; [`ServerError::NotStarted`] with the end of its log, if it
    /// does not serve within 30 s. What was started is stopped then.
    pub async fn start(directory: &Path, port: u16) -> Result<Self> {
        let directory = &absolute(directory)?;
        let launched = Launched::launch(directory, port, &config(directory, port, &[])).await?;
        launched.ready().await
    }

    /// The address for [`connect`](super::connect), without a path.
    pub fn url(&self) -> String {
        format!("zookeeper://127.0.0.1:{}", self.port)
    }
}

/// Starts an ensemble of as many servers as there are `members`, in directories `1`, `2`, ... below
/// `directory`.
///
/// # Errors
/// Those of [`ZooKeeperServer::start`].
pub async fn start_ensemble(directory: &Path, members: &[Ports]) -> Result<Vec<ZooKeeperServer>> {
    let mut launched = Vec::new();
    for index in 0..members.len() {
        launched.push(launch_member(directory, members, index).await?);
    }
    let mut servers = Vec::new();
    for server in launched {
        servers.push(server.ready().await?);
    }
    Ok(servers)
}

/// Starts one server of an ensemble again, without waiting until it serves.
///
/// # Errors
/// Those of [`ZooKeeperServer::start`].
pub async fn restart_member(directory: &Path, members: &[Ports], index: usize) -> Result<()> {
    launch_member(directory, members, index).await.map(drop)
}

/// Stops the server that runs in `directory`; nothing to do if none does.
///
/// # Errors
/// [`ServerError::NotStopped`] if it is still there 5 s after it was killed.
pub async fn stop(directory: &Path) -> Result<()> {
    for kind in [Signal::Terminate, Signal::Kill] {
        let Some(pid) = running(directory) else { break };
        // It may be gone by now, which is what is wanted.
        let _ = signal(pid, kind);
        let patience = Instant::now() + STOP_TIMEOUT;
        while running(directory).is_some() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    if running(directory).is_some() {
        return Err(ServerError::NotStopped {
            directory: directory.to_owned(),
        });
    }
    match std::fs::remove_file(pid_file(directory)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ServerError::Io {
            path: pid_file(directory),
            source,
        }),
        _ => Ok(()),
    }
}

/// The process id of the server that runs in `directory`, if one does.
pub fn running(directory: &Path) -> Option<u32> {
    let pid: u32 = std::fs::read_to_string(pid_file(directory))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // The process id may have been given to another program meanwhile.
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let config = config_file(&absolute(directory).ok()?);
    let ours = command
        .split(|byte| *byte == 0)
        .any(|word| word == config.as_os_str().as_encoded_bytes());
    ours.then_some(pid)
}

/// A server that has been started and may not serve yet.
struct Launched {
    server: ZooKeeperServer,
    directory: PathBuf,
    /// `None` if it was running before.
    child: Option<Child>,
}

impl Launched {
    async fn launch(directory: &Path, port: u16, config: &str) -> Result<Self> {
        let launched = |pid, child| Self {
            server: ZooKeeperServer { pid, port },
            directory: directory.to_owned(),
            child,
        };
        if let Some(pid) = running(directory) {
            return Ok(launched(pid, None));
        }
        if let Some(missing) = JARS.iter().find(|jar| !Path::new(jar).exists()) {
            return Err(ServerError::NotInstalled {
                missing: (*missing).to_owned(),
            });
        }
        let child = spawn(directory, config)?;
        let pid = child.id().ok_or_else(|| ServerError::NotStarted {
            directory: directory.to_owned(),
            reason: "it ended at once".to_owned(),
        })?;
        write(&pid_file(directory), &format!("{pid}\n"))?;
        Ok(launched(pid, Some(child)))
    }

    /// Waits until the server serves, which in an ensemble means that it has a leader.
    async fn ready(mut self) -> Result<ZooKeeperServer> {
        let patience = Instant::now() + START_TIMEOUT;
        let reason = loop {
            if serves(self.server.port).await {
                return Ok(self.server);
            }
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                break format!("it ended with {status}");
            }
            if Instant::now() > patience {
                break format!("it does not serve after {} s", START_TIMEOUT.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        stop(&self.directory).await?;
        let reason = format!("{reason}; {}", end_of_log(&self.directory));
        Err(ServerError::NotStarted {
            directory: self.directory,
            reason,
        })
    }
}

async fn launch_member(directory: &Path, members: &[Ports], index: usize) -> Result<Launched> {
    let own = absolute(directory)?.join((index + 1).to_string());
    let data = own.join("data");
    std::fs::create_dir_all(&data).map_err(|source| ServerError::Io {
        path: data.clone(),
        source,
    })?;
    write(&data.join("myid"), &format!("{}\n", index + 1))?;
    let port = members[index].client;
    Launched::launch(&own, port, &config(&own, port, members)).await
}

fn spawn(directory: &Path, config: &str) -> Result<Child> {
    let at = |path: PathBuf| move |source| ServerError::Io { path, source };
    let data = directory.join("data");
    std::fs::create_dir_all(&data).map_err(at(data))?;
    write(&config_file(directory), config)?;
    let log = directory.join("zookeeper.log");
    let out = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(at(log.clone()))?;
    let err = out.try_clone().map_err(at(log))?;
    let java = match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    Command::new(&java)
        .args([
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
        ])
        .arg(JARS.join(":"))
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
        .arg(config_file(directory))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ServerError::NotInstalled {
                missing: java.display().to_string(),
            },
            _ => ServerError::Io { path: java, source },
        })
}

fn config(directory: &Path, port: u16, members: &[Ports]) -> String {
    let mut config = format!(
        "tickTime=500\nminSessionTimeout=1000\nmaxSessionTimeout=40000\ndataDir={}\nclientPort={port}\n\
         clientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n\
         4lw.commands.whitelist=srvr,ruok\nautopurge.purgeInterval=1\n",
        directory.join("data").display(),
    );
    if !members.is_empty() {
        config.push_str("initLimit=20\nsyncLimit=4\n");
    }
    for (index, ports) in members.iter().enumerate() {
        config.push_str(&format!(
            "server.{}=127.0.0.1:{}:{}\n",
            index + 1,
            ports.peer,
            ports.election
        ));
    }
    config
}

/// Whether the server at this port of 127.0.0.1 serves; in an ensemble it does once it has a leader.
pub async fn serves(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"srvr").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    match tokio::time::timeout(Duration::from_secs(1), ask).await {
        Ok(Ok(answer)) => answer.contains("Mode:"),
        _ => false,
    }
}

fn end_of_log(directory: &Path) -> String {
    let log = std::fs::read(directory.join("zookeeper.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

fn absolute(directory: &Path) -> Result<PathBuf> {
    std::path::absolute(directory).map_err(|source| ServerError::Io {
        path: directory.to_owned(),
        source,
    })
}

fn config_file(directory: &Path) -> PathBuf {
    directory.join("zoo.cfg")
}

fn pid_file(directory: &Path) -> PathBuf {
    directory.join("zookeeper.pid")
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| ServerError::Io {
        path: path.to_owned(),
        source,
    })
}
