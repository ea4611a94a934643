//! A second process: this test program again, as a client that holds things until it is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use expanse_sidecar::coordination::{connect, Timeouts};

const URL: &str = "EXPANSE_TEST_HELPER_URL";

/// What the second process does; nothing in the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn second_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = connect(&url, "second process", short()).await.unwrap();
    store
        .create_ephemeral("/status/second", b"up")
        .await
        .unwrap();
    let _leadership = store.campaign("/leader", "second").await.unwrap();
    println!("holding");
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Timeouts with a session that ends soon after its process.
pub fn short() -> Timeouts {
    Timeouts {
        session: Duration::from_millis(2_000),
        ..Timeouts::default()
    }
}

pub struct SecondProcess(Child);

impl SecondProcess {
    /// Returns when the process holds `/status/second` and leads at `/leader`.
    pub fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "helper::second_process", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
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
