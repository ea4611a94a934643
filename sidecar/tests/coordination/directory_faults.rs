//! The embedded store with something broken.

use std::io::Read;
use std::time::Duration;

use expanse_sidecar::coordination::{update, Error, Op, Owner, SessionState, Version};

use crate::contract::{client, soon, wait_for_data};
use crate::helper::SecondProcess;
use crate::stores;

fn root(url: &str) -> std::path::PathBuf {
    url.strip_prefix("dir://").unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_session_is_replaced() {
    let place = stores::directory().await;
    let (store, observer) = (client(&place.url).await, client(&place.url).await);
    store
        .create_ephemeral("/status/n1", b"first")
        .await
        .unwrap();
    store.publish("/status/n1", b"last").await.unwrap();
    let leadership = store.campaign("/leader", "n1").await.unwrap();
    for file in std::fs::read_dir(root(&place.url).join(".sessions")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let mut session = store.session();
    soon(session.wait_for(|state| matches!(state, SessionState::Connected { number: 2 })))
        .await
        .unwrap();
    soon(leadership.lost().cancelled()).await;
    let mut status = observer.watch("/status/n1").await.unwrap();
    soon(wait_for_data(&mut status, b"last")).await;
    assert_eq!(
        store.get("/status/n1").await.unwrap().unwrap().owner,
        Owner::ThisClient
    );
    let again = soon(store.campaign("/leader", "n1")).await.unwrap();
    assert!(again.epoch() > leadership.epoch());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_the_middle_leaves_all_or_nothing() {
    let place = stores::directory().await;
    let store = client(&place.url).await;
    for path in ["/pair/left", "/pair/right"] {
        store.create(path, b"0").await.unwrap();
    }
    let mut last = 0;
    for round in 0..15 {
        let writer = SecondProcess::write_pairs(&place.url);
        tokio::time::sleep(Duration::from_millis(5 + round * 3)).await;
        writer.kill();
        let left = store.get("/pair/left").await.unwrap().unwrap();
        let right = store.get("/pair/right").await.unwrap().unwrap();
        assert_eq!(left, right, "half a change");
        assert!(left.version.0 > last);
        last = left.version.0;
        assert_eq!(store.children("/pair").await.unwrap(), ["left", "right"]);
    }
    assert!(!root(&place.url).join(".journal").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_errors_and_harm_nothing_else() {
    let place = stores::directory().await;
    let store = client(&place.url).await;
    store.create("/a/b", b"x").await.unwrap();
    store.create("/a/c", b"y").await.unwrap();
    let file = root(&place.url).join("a/b/.entry");
    let whole = std::fs::read(&file).unwrap();
    for damage in [
        &b""[..],
        b"{}",
        b"{\n",
        &whole[..whole.len() - 1],
        b"\xff\xff\n",
    ] {
        std::fs::write(&file, damage).unwrap();
        assert!(
            matches!(store.get("/a/b").await, Err(Error::Damaged { .. })),
            "{damage:?}"
        );
        assert!(matches!(
            store.put("/a/b", b"", Version(0)).await,
            Err(Error::Damaged { .. })
        ));
        assert_eq!(store.children("/a").await.unwrap(), ["b", "c"]);
        assert_eq!(store.get("/a/c").await.unwrap().unwrap().data, b"y");
    }
    std::fs::create_dir(root(&place.url).join("a/%zz")).unwrap();
    std::fs::create_dir(root(&place.url).join("a/stranger")).unwrap();
    std::fs::write(root(&place.url).join("a/file"), b"").unwrap();
    assert_eq!(store.children("/a").await.unwrap(), ["b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_store_is_not_made_again() {
    let place = stores::directory().await;
    let store = client(&place.url).await;
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    // The client may be writing in it at this very moment.
    while std::fs::remove_dir_all(root(&place.url)).is_err() {}
    let mut session = store.session();
    soon(session.wait_for(|state| *state == SessionState::Lost))
        .await
        .unwrap();
    let outcome = update(&*store, "/a", |_| Some(Vec::new())).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    assert!(!root(&place.url).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_does_not_outlast_the_deadline() {
    let place = stores::directory().await;
    let timeouts = expanse_sidecar::coordination::Timeouts {
        call: Duration::from_millis(400),
        ..Default::default()
    };
    let store = expanse_sidecar::coordination::connect(&place.url, "any", timeouts)
        .await
        .unwrap();
    store.create("/a", b"0").await.unwrap();
    // Holds the lock until its standard input ends.
    let mut holder = std::process::Command::new("flock")
        .arg(root(&place.url).join(".lock"))
        .args(["sh", "-c", "echo held; cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    holder
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut held)
        .unwrap();
    let started = std::time::Instant::now();
    let ops = vec![Op::Put {
        path: "/a".to_owned(),
        data: Vec::new(),
        expected: Version(0),
    }];
    assert!(matches!(
        soon(store.multi(ops)).await,
        Err(Error::DeadlineExceeded { .. })
    ));
    assert!(started.elapsed() < Duration::from_millis(900));
    // Readers do not wait for writers.
    assert_eq!(store.get("/a").await.unwrap().unwrap().data, b"0");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    store.put("/a", b"1", Version(0)).await.unwrap();
}
