//! A second process: this test program again, as a client that holds things until it is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use expanse_sidecar::coordination::{connect, Coordination, Op, Timeouts, Version};

const URL: &str = "EXPANSE_TEST_HELPER_URL";
const PAIRS: &str = "EXPANSE_TEST_HELPER_PAIRS";

/// What the second process does; nothing in the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn second_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = connect(&url, "second process", short()).await.unwrap();
    if std::env::var_os(PAIRS).is_some() {
        write_pairs(&*store).await;
    }
    store
        .create_ephemeral("/status/second", b"up")
        .await
        .unwrap();
    let _leadership = store.campaign("/leader", "second").await.unwrap();
    println!("holding");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Raises two entries together, forever.
async fn write_pairs(store: &dyn Coordination) {
    let entry = store.get("/pair/left").await.unwrap().unwrap();
    for version in entry.version.0.. {
        let put = |path: &str| Op::Put {
            path: path.to_owned(),
            data: version.to_string().into_bytes(),
            expected: Version(version),
        };
        let below = |path: &str| Op::Create {
            path: format!("{path}/below"),
            data: Vec::new(),
        };
        let gone = |path: &str| Op::Delete {
            path: format!("{path}/below"),
            expected: Version(0),
        };
        let both = |op: &dyn Fn(&str) -> Op| [op("/pair/left"), op("/pair/right")];
        let ops = [both(&put), both(&below), both(&gone)]
            .into_iter()
            .flatten()
            .collect();
        store.multi(ops).await.unwrap();
        if version == entry.version.0 {
            println!("holding");
        }
    }
}

/// Timeouts with a session that ends soon after its process.
pub fn short() -> Timeouts {
    Timeouts {
        session: Duration::from_secs(4),
        ..Timeouts::default()
    }
}

pub struct SecondProcess(Child);

impl SecondProcess {
    /// Returns when the process holds `/status/second` and leads at `/leader`.
    pub fn start(url: &str) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()).env(URL, url))
    }

    /// Returns when the process has raised `/pair/left` and `/pair/right` once; it goes on.
    pub fn write_pairs(url: &str) -> Self {
        Self::spawn(
            Command::new(std::env::current_exe().unwrap())
                .env(URL, url)
                .env(PAIRS, "yes"),
        )
    }

    fn spawn(command: &mut Command) -> Self {
        command.args(["--exact", "helper::second_process", "--nocapture"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let holding = lines
            .map_while(Result::ok)
            .any(|line| line.contains("holding"));
        assert!(holding, "the second process has failed");
        Self(child)
    }

    /// kill -9
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for SecondProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
