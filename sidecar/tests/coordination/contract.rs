//! What every store promises.

use std::sync::Arc;
use std::time::Duration;

use expanse_sidecar::coordination::{
    connect, update, Coordination, Entry, Error, Op, Owner, SessionState, Timeouts, Version, Watch,
};
use tokio::task::spawn_blocking;

use crate::helper::SecondProcess;

pub async fn client(url: &str) -> Arc<dyn Coordination> {
    connect(url, "contract", Timeouts::default()).await.unwrap()
}

/// Waits for what must come, with patience for a busy machine.
pub async fn soon<T>(what: impl std::future::Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("it did not happen within 30 s")
}

pub async fn starts_at_version_zero(url: &str) {
    let store = client(url).await;
    assert_eq!(store.get("/a").await, Ok(None));
    assert_eq!(store.create("/a", b"one").await, Ok(Version::FIRST));
    let entry = store.get("/a").await.unwrap().unwrap();
    assert_eq!(
        (entry.data.as_slice(), entry.version, entry.owner),
        (&b"one"[..], Version(0), Owner::Persistent)
    );
    let again = store.create("/a", b"two").await;
    assert_eq!(
        again,
        Err(Error::AlreadyExists {
            path: "/a".to_owned()
        })
    );
    assert_eq!(
        store.put("/none", b"", Version(0)).await,
        Err(Error::NotFound {
            path: "/none".to_owned()
        })
    );
    assert_eq!(
        store.delete("/none", Version(0)).await,
        Err(Error::NotFound {
            path: "/none".to_owned()
        })
    );
}

pub async fn creates_parents(url: &str) {
    let store = client(url).await;
    store.create("/a/b/c", b"x").await.unwrap();
    assert_eq!(store.get("/a/b").await.unwrap().unwrap().data, b"");
    store.create("/a/b/d", b"x").await.unwrap();
    assert_eq!(store.children("/a/b").await.unwrap(), ["c", "d"]);
    assert_eq!(store.children("/nothing").await, Ok(Vec::new()));
    assert_eq!(
        store.delete("/a/b", Version(0)).await,
        Err(Error::NotEmpty {
            path: "/a/b".to_owned()
        })
    );
    store.create_ephemeral("/e", b"").await.unwrap();
    let below = store.create("/e/x", b"").await;
    assert_eq!(
        below,
        Err(Error::EphemeralParent {
            path: "/e/x".to_owned()
        })
    );
}

pub async fn compares_and_sets_also_at_version_zero(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    one.create("/a", b"0").await.unwrap();
    assert_eq!(one.put("/a", b"1", Version(0)).await, Ok(Version(1)));
    let stale = Err(Error::VersionMismatch {
        path: "/a".to_owned(),
        expected: 0,
    });
    assert_eq!(two.put("/a", b"x", Version(0)).await, stale);
    assert_eq!(two.delete("/a", Version(0)).await, stale.map(drop));
    assert_eq!(two.get_fresh("/a").await.unwrap().unwrap().data, b"1");
    assert_eq!(two.delete("/a", Version(1)).await, Ok(()));
    assert_eq!(one.get_fresh("/a").await, Ok(None));
}

pub async fn ephemeral_entries_end_with_their_client(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    one.create_ephemeral("/status/n1", b"up").await.unwrap();
    assert_eq!(
        one.get("/status/n1").await.unwrap().unwrap().owner,
        Owner::ThisClient
    );
    let mut watch = two.watch("/status/n1").await.unwrap();
    soon(watch.wait_for(Option::is_some)).await.unwrap();
    assert_eq!(watch.current().unwrap().owner, Owner::OtherClient);
    assert!(matches!(
        two.publish("/status/n1", b"x").await,
        Err(Error::AlreadyExists { .. })
    ));
    one.publish("/status/n1", b"busy").await.unwrap();
    soon(watch.wait_for(|entry| entry.as_ref().is_some_and(|entry| entry.data == b"busy")))
        .await
        .unwrap();
    one.close().await;
    soon(watch.wait_for(Option::is_none)).await.unwrap();
    assert_eq!(one.get("/status/n1").await, Err(Error::Closed));
    assert_eq!(two.children("/status").await.unwrap(), Vec::<String>::new());
}

pub async fn watches_see_changes(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    let mut watch = two.watch("/a/b").await.unwrap();
    assert_eq!(watch.current(), None);
    one.create("/a/b", b"0").await.unwrap();
    soon(watch.wait_for(Option::is_some)).await.unwrap();
    for version in 0..5 {
        one.put("/a/b", format!("{version}").as_bytes(), Version(version))
            .await
            .unwrap();
        soon(wait_for_data(&mut watch, format!("{version}").as_bytes())).await;
    }
    one.delete("/a/b", Version(5)).await.unwrap();
    soon(watch.wait_for(Option::is_none)).await.unwrap();
    two.close().await;
    assert_eq!(soon(watch.changed()).await, Err(Error::Closed));
}

pub async fn wait_for_data(watch: &mut Watch<Option<Entry>>, data: &[u8]) {
    watch
        .wait_for(|entry| entry.as_ref().is_some_and(|entry| entry.data == data))
        .await
        .unwrap();
}

pub async fn watches_see_children(url: &str) {
    let (one, two) = (client(url).await, client(url).await);
    let mut watch = two.watch_children("/nodes").await.unwrap();
    assert_eq!(watch.current(), Vec::<String>::new());
    for name in ["n2", "n1", "n3"] {
        one.create(&format!("/nodes/{name}"), b"").await.unwrap();
    }
    soon(watch.wait_for(|names| names == &["n1", "n2", "n3"]))
        .await
        .unwrap();
    one.delete("/nodes/n2", Version(0)).await.unwrap();
    soon(watch.wait_for(|names| names == &["n1", "n3"]))
        .await
        .unwrap();
}

pub async fn many_operations_are_done_as_one(url: &str) {
    let store = client(url).await;
    let path = str::to_owned;
    store.create("/m/a", b"0").await.unwrap();
    let ops = vec![
        Op::Check {
            path: path("/m/a"),
            expected: Version(0),
        },
        Op::Create {
            path: path("/m/b"),
            data: b"b".to_vec(),
        },
        Op::Put {
            path: path("/m/a"),
            data: b"1".to_vec(),
            expected: Version(0),
        },
        Op::CreateEphemeral {
            path: path("/m/c"),
            data: b"c".to_vec(),
        },
    ];
    store.multi(ops.clone()).await.unwrap();
    assert_eq!(store.children("/m").await.unwrap(), ["a", "b", "c"]);
    let refused = store.multi(ops).await;
    assert_eq!(
        refused,
        Err(Error::VersionMismatch {
            path: path("/m/a"),
            expected: 0
        })
    );
    let ops = vec![
        Op::Delete {
            path: path("/m/b"),
            expected: Version(0),
        },
        Op::Create {
            path: path("/m/a"),
            data: Vec::new(),
        },
    ];
    assert_eq!(
        store.multi(ops).await,
        Err(Error::AlreadyExists { path: path("/m/a") })
    );
    assert_eq!(store.children("/m").await.unwrap(), ["a", "b", "c"]);
    assert_eq!(store.get("/m/a").await.unwrap().unwrap().data, b"1");
    assert_eq!(store.multi(Vec::new()).await, Ok(()));
}

pub async fn one_of_many_writers_wins(url: &str) {
    let first = client(url).await;
    first.create("/counter", b"0").await.unwrap();
    let mut writers = Vec::new();
    for _ in 0..4 {
        let store = client(url).await;
        writers.push(tokio::spawn(async move {
            for _ in 0..10 {
                update(&*store, "/counter", |entry| {
                    let text = String::from_utf8(entry.unwrap().data.clone()).unwrap();
                    Some((text.parse::<i32>().unwrap() + 1).to_string().into_bytes())
                })
                .await
                .unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let entry = first.get_fresh("/counter").await.unwrap().unwrap();
    assert_eq!(
        (entry.data.as_slice(), entry.version),
        (&b"40"[..], Version(40))
    );
}

pub async fn ephemeral_entries_end_with_their_process(url: &str) {
    let store = client(url).await;
    let second = spawn_blocking({
        let url = url.to_owned();
        move || SecondProcess::start(&url)
    })
    .await
    .unwrap();
    let mut watch = store.watch("/status/second").await.unwrap();
    soon(watch.wait_for(Option::is_some)).await.unwrap();
    second.kill();
    soon(watch.wait_for(Option::is_none)).await.unwrap();
    assert_eq!(store.get_fresh("/status/second").await, Ok(None));
    // Its place is free again.
    store
        .create_ephemeral("/status/second", b"next")
        .await
        .unwrap();
}

pub async fn watches_end_when_dropped(url: &str) {
    let store = client(url).await;
    store.create("/w", b"").await.unwrap();
    for _ in 0..50 {
        drop(store.watch("/w").await.unwrap());
    }
    let mut last = store.watch("/w").await.unwrap();
    store.put("/w", b"x", Version(0)).await.unwrap();
    soon(wait_for_data(&mut last, b"x")).await;
}

pub async fn operations_of_a_list_see_each_other(url: &str) {
    let store = client(url).await;
    let path = || "/l".to_owned();
    store.create("/l", b"old").await.unwrap();
    let ops = vec![
        Op::Put {
            path: path(),
            data: b"x".to_vec(),
            expected: Version(0),
        },
        Op::Delete {
            path: path(),
            expected: Version(1),
        },
        Op::Create {
            path: path(),
            data: b"new".to_vec(),
        },
        Op::Create {
            path: "/l/below".to_owned(),
            data: Vec::new(),
        },
    ];
    store.multi(ops).await.unwrap();
    let entry = store.get("/l").await.unwrap().unwrap();
    assert_eq!(
        (entry.data.as_slice(), entry.version),
        (&b"new"[..], Version(0))
    );
    let orphan = vec![Op::Create {
        path: "/none/below".to_owned(),
        data: Vec::new(),
    }];
    assert_eq!(
        store.multi(orphan).await,
        Err(Error::NotFound {
            path: "/none".to_owned()
        })
    );
    let ops = vec![Op::Delete {
        path: path(),
        expected: Version(0),
    }];
    assert_eq!(
        store.multi(ops).await,
        Err(Error::NotEmpty { path: path() })
    );
    let ops = vec![
        Op::Delete {
            path: "/l/below".to_owned(),
            expected: Version(0),
        },
        Op::Delete {
            path: path(),
            expected: Version(0),
        },
    ];
    store.multi(ops).await.unwrap();
    assert_eq!(store.get("/l").await, Ok(None));
}

pub async fn a_closed_client_refuses(url: &str) {
    let store = client(url).await;
    let mut session = store.session();
    assert!(session.borrow().is_connected());
    store.close().await;
    soon(session.wait_for(|state| *state == SessionState::Closed))
        .await
        .unwrap();
    assert_eq!(store.get("/a").await, Err(Error::Closed));
    assert_eq!(store.create("/a", b"").await, Err(Error::Closed));
    assert!(matches!(store.watch("/a").await, Err(Error::Closed)));
    assert!(matches!(
        store.campaign("/a", "n1").await,
        Err(Error::Closed)
    ));
    store.close().await;
}
