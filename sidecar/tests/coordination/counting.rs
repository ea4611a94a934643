//! A client that counts while servers break: nothing acknowledged may be missing.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use expanse_sidecar::coordination::{connect, update, Coordination, Timeouts};

/// Counts as fast as it can; what is acknowledged must be there in the end.
pub struct Counting {
    acknowledged: Arc<AtomicI64>,
    ambiguous: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Counting {
    pub async fn start(url: String, timeouts: Timeouts) -> Self {
        let store = connect(&url, "counter", timeouts).await.unwrap();
        let (acknowledged, ambiguous, stop) = (
            Arc::new(AtomicI64::new(0)),
            Arc::new(AtomicI64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let counts = (acknowledged.clone(), ambiguous.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let (acknowledged, ambiguous, stop) = counts;
            while !stop.load(Ordering::SeqCst) {
                // A read and a write, and they may be repeated once.
                let bound = timeouts.call * 3;
                match tokio::time::timeout(bound, update(&*store, "/counter", increment))
                    .await
                    .expect("a call hangs")
                {
                    Ok(_) => acknowledged.fetch_add(1, Ordering::SeqCst),
                    Err(error) if error.is_ambiguous() => ambiguous.fetch_add(1, Ordering::SeqCst),
                    Err(error) if error.is_retryable() => 0,
                    Err(error) => panic!("{error}"),
                };
            }
        });
        Self {
            acknowledged,
            ambiguous,
            stop,
            task,
        }
    }

    fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub async fn goes_on(&self) {
        let goal = self.acknowledged() + 20;
        let reached = async {
            while self.acknowledged() < goal && !self.task.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .expect("the store has not come back");
    }

    pub async fn check(self, store: &dyn Coordination) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        let entry = store.get_fresh("/counter").await.unwrap().unwrap();
        let counted: i64 = String::from_utf8(entry.data).unwrap().parse().unwrap();
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let ambiguous = self.ambiguous.load(Ordering::SeqCst);
        println!("{counted} counted, {acknowledged} acknowledged, {ambiguous} ambiguous");
        assert!((acknowledged..=acknowledged + ambiguous).contains(&counted));
    }
}

fn increment(entry: Option<&expanse_sidecar::coordination::Entry>) -> Option<Vec<u8>> {
    let count = entry.map_or(0, |entry| {
        String::from_utf8_lossy(&entry.data).parse().unwrap()
    });
    Some(format!("{}", count + 1i64).into_bytes())
}
