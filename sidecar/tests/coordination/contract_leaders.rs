//! What every store promises about leadership.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use expanse_sidecar::coordination::{Error, Op, Version};
use tokio::task::spawn_blocking;

use crate::contract::{client, soon};
use crate::helper::SecondProcess;

pub async fn one_leader_at_a_time(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    let first = soon(one.campaign("/leader", "n1")).await.unwrap();
    assert!(first.holds());
    let early =
        tokio::time::timeout(Duration::from_millis(300), two.campaign("/leader", "n2")).await;
    assert!(early.is_err(), "two leaders");
    one.create("/journal", b"0").await.unwrap();
    let put = |version: i32| Op::Put {
        path: "/journal".to_owned(),
        data: b"x".to_vec(),
        expected: Version(version),
    };
    one.multi(vec![first.fence(), put(0)]).await.unwrap();
    let (fence, lost) = (first.fence(), first.lost());
    let (second, ()) = tokio::join!(soon(two.campaign("/leader", "n2")), first.resign());
    let second = second.unwrap();
    assert!(lost.is_cancelled());
    assert!(second.epoch() > 1);
    assert!(matches!(
        one.multi(vec![fence, put(1)]).await,
        Err(Error::VersionMismatch { .. })
    ));
    two.multi(vec![second.fence(), put(1)]).await.unwrap();
    drop(second);
    let third = soon(one.campaign("/leader", "n1")).await.unwrap();
    assert_eq!(third.epoch(), 3);
}

pub async fn leadership_passes_when_the_process_dies(url: &str) {
    let store = client(url).await;
    let second = spawn_blocking({
        let url = url.to_owned();
        move || SecondProcess::start(&url)
    })
    .await
    .unwrap();
    let mut campaign = store.campaign("/leader", "n1");
    let early = tokio::time::timeout(Duration::from_millis(500), &mut campaign).await;
    assert!(early.is_err(), "two leaders");
    second.kill();
    let leadership = soon(campaign).await.unwrap();
    assert_eq!(leadership.epoch(), 2);
}

pub async fn never_two_leaders(url: &str) {
    let inside = Arc::new(AtomicBool::new(false));
    let last_epoch = Arc::new(AtomicI64::new(0));
    let mut candidates = Vec::new();
    for candidate in 0..4 {
        let (inside, last_epoch, url) = (inside.clone(), last_epoch.clone(), url.to_owned());
        candidates.push(tokio::spawn(async move {
            for round in 0..5 {
                let store = client(&url).await;
                let leadership = soon_but_fair(store.campaign("/leader", &format!("n{candidate}")))
                    .await
                    .unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst), "two leaders");
                let before = last_epoch.swap(leadership.epoch(), Ordering::SeqCst);
                assert!(
                    before < leadership.epoch(),
                    "epochs {before} and {}",
                    leadership.epoch()
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(leadership.holds());
                inside.store(false, Ordering::SeqCst);
                // Each way of leaving.
                match round % 3 {
                    0 => leadership.resign().await,
                    1 => drop(leadership),
                    _ => store.close().await,
                }
            }
        }));
    }
    for candidate in candidates {
        candidate.await.unwrap();
    }
    assert_eq!(last_epoch.load(Ordering::SeqCst), 20);
}

async fn soon_but_fair<T>(what: impl std::future::Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what)
        .await
        .expect("no client was elected for 60 s")
}

pub async fn a_candidate_that_gives_up_leaves_nothing(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    for wait in [0, 1, 2, 3, 5, 8, 13, 21, 34] {
        let _ =
            tokio::time::timeout(Duration::from_millis(wait), one.campaign("/leader", "n1")).await;
    }
    // `one` lives on: only what it leaves behind could be in the way.
    let leadership = soon(two.campaign("/leader", "n2")).await.unwrap();
    assert!(leadership.holds());
}

pub async fn a_damaged_epoch_stops_elections(url: &str) {
    let store = client(url).await;
    for damage in [&b"one"[..], b"", b"-1", b"9223372036854775807", b"\xff\xfe"] {
        store.create("/damaged_epoch", damage).await.unwrap();
        let outcome = soon(store.campaign("/damaged", "n1")).await;
        assert!(matches!(outcome, Err(Error::Damaged { .. })), "{damage:?}");
        store.delete("/damaged_epoch", Version(0)).await.unwrap();
    }
    // A stranger's entry in the leader's place is respected, whatever is in it.
    store.create("/taken", b"\0not json").await.unwrap();
    let outcome =
        tokio::time::timeout(Duration::from_millis(300), store.campaign("/taken", "n1")).await;
    assert!(outcome.is_err());
    store.delete("/taken", Version(0)).await.unwrap();
}

pub async fn leadership_ends_when_the_entry_is_removed(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    let leadership = soon(one.campaign("/leader", "n1")).await.unwrap();
    two.delete("/leader", Version(0)).await.unwrap();
    soon(leadership.lost().cancelled()).await;
    assert!(!leadership.holds());
}
