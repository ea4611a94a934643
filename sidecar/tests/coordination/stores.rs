//! The stores that the suite runs against, started here and gone with this process, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use expanse_sidecar::coordination::server::{self, Ports, ZooKeeperServer};
use tokio::sync::OnceCell;

/// A place in a store that no other test uses.
pub struct Store {
    pub url: String,
    _directory: Option<tempfile::TempDir>,
}

pub async fn directory() -> Store {
    let directory = tempfile::tempdir().unwrap();
    Store {
        url: format!("dir://{}/store", directory.path().display()),
        _directory: Some(directory),
    }
}

/// A place on the one server.
pub async fn zookeeper() -> Store {
    one().await.place()
}

/// One server for all tests of this process.
pub async fn one() -> &'static ZooKeeper {
    static SERVER: OnceCell<ZooKeeper> = OnceCell::const_new();
    SERVER.get_or_init(|| ZooKeeper::start(1)).await
}

/// An ensemble of three for all tests of this process.
pub async fn ensemble() -> Store {
    static SERVERS: OnceCell<ZooKeeper> = OnceCell::const_new();
    SERVERS.get_or_init(|| ZooKeeper::start(3)).await.place()
}

/// ZooKeeper servers of a test's own.
pub struct ZooKeeper {
    directory: PathBuf,
    members: Vec<Ports>,
    /// Kills the servers and removes the directory when its standard input ends.
    reaper: Child,
}

impl ZooKeeper {
    /// # Panics
    /// If they do not start: a test that cannot run fails.
    pub async fn start(count: usize) -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        let reaper = reaper(&directory);
        let members: Vec<_> = (0..count)
            .map(|_| Ports {
                client: port(),
                peer: port(),
                election: port(),
            })
            .collect();
        let servers = Self {
            directory,
            members,
            reaper,
        };
        if count == 1 {
            let own = servers.directory_of(0);
            ZooKeeperServer::start(&own, servers.members[0].client)
                .await
                .unwrap();
        } else {
            server::start_ensemble(&servers.directory, &servers.members)
                .await
                .unwrap();
        }
        servers
    }

    pub fn place(&self) -> Store {
        static PLACES: AtomicU16 = AtomicU16::new(0);
        let place = PLACES.fetch_add(1, Ordering::Relaxed);
        Store {
            url: self.url(&format!("/test/{place}")),
            _directory: None,
        }
    }

    pub fn url(&self, chroot: &str) -> String {
        let servers: Vec<_> = self
            .ports()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        format!("zookeeper://{}{chroot}", servers.join(","))
    }

    pub fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.members.iter().map(|member| member.client)
    }

    pub fn count(&self) -> usize {
        self.members.len()
    }

    fn directory_of(&self, index: usize) -> PathBuf {
        self.directory.join((index + 1).to_string())
    }

    /// Sends a signal to one of the servers.
    pub fn signal(&self, index: usize, name: &str) {
        let pid = server::running(&self.directory_of(index)).expect("the server runs");
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub async fn kill(&self, index: usize) {
        self.signal(index, "KILL");
        while server::running(&self.directory_of(index)).is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Waits until every server serves.
    pub async fn wait_for_all(&self) {
        let all = async {
            for port in self.ports() {
                while !server::serves(port).await {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), all)
            .await
            .expect("a server does not come back");
    }

    pub async fn restart(&self, index: usize) {
        if self.count() == 1 {
            ZooKeeperServer::start(&self.directory_of(0), self.members[0].client)
                .await
                .unwrap();
        } else {
            server::restart_member(&self.directory, &self.members, index)
                .await
                .unwrap();
        }
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        let _ = self.reaper.wait();
    }
}

fn reaper(directory: &Path) -> Child {
    use std::os::unix::process::CommandExt;
    let script = r#"cat >/dev/null
        for file in "$0"/*/zookeeper.pid; do [ -f "$file" ] && kill -9 "$(cat "$file")"; done
        rm -rf "$0""#;
    let mut reaper = Command::new("sh");
    reaper
        .args(["-c", script])
        .arg(directory)
        .stdin(Stdio::piped())
        .process_group(0);
    reaper
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A free port; none twice.
pub fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first: u16 = std::env::var("EXPANSE_TEST_PORT").map_or(7500, |port| port.parse().unwrap());
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < first + 100, "no free port");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
