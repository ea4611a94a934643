//! ZooKeeper with something broken on the way to it: connections, sessions, answers, credentials.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expanse_sidecar::coordination::{
    connect, update, Coordination, Error, Op, Owner, Result, SessionState, Timeouts, Version,
};

use crate::contract::{client, soon, wait_for_data};
use crate::proxy::{Network, Proxy};
use crate::stores::{self, ZooKeeper};

/// Short times, so that faults have their effects soon.
pub fn quick() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(10),
        call: Duration::from_secs(2),
        session: Duration::from_secs(3),
    }
}

/// A client behind a proxy, one that is not, and the proxy.
async fn behind_proxy(
    zookeeper: &ZooKeeper,
    timeouts: Timeouts,
) -> (Arc<dyn Coordination>, Arc<dyn Coordination>, Proxy) {
    let place = zookeeper.place().url;
    let port = zookeeper.ports().next().unwrap();
    let proxy = Proxy::start(port).await;
    let through = place.replace(&format!(":{port}"), &format!(":{}", proxy.port));
    let observer = client(&place).await;
    (
        connect(&through, "behind proxy", timeouts).await.unwrap(),
        observer,
        proxy,
    )
}

/// The result of a call that must end within its deadline, and how long it took.
pub async fn timely<T>(timeouts: Timeouts, call: impl Future<Output = Result<T>>) -> Result<T> {
    let bound = timeouts.call + Duration::from_millis(1_500);
    tokio::time::timeout(bound, call)
        .await
        .expect("a call outlived its deadline")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_the_connection_is_not_losing_the_session() {
    let zookeeper = stores::one().await;
    let timeouts = Timeouts {
        session: Duration::from_secs(6),
        ..quick()
    };
    let (store, observer, proxy) = behind_proxy(zookeeper, timeouts).await;
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    let leadership = store.campaign("/leader", "n1").await.unwrap();
    let mut watch = store.watch("/config").await.unwrap();
    let mut session = store.session();
    for round in 0..3 {
        proxy.set(Network::Broken);
        soon(session.wait_for(|state| matches!(state, SessionState::Suspended { number: 1 })))
            .await
            .unwrap();
        let path = format!("/missed/{round}");
        observer.create(&path, b"x").await.unwrap();
        update(&*observer, "/config", |_| Some(path.clone().into_bytes()))
            .await
            .unwrap();
        proxy.set(Network::Whole);
        soon(session.wait_for(|state| matches!(state, SessionState::Connected { number: 1 })))
            .await
            .unwrap();
        soon(wait_for_data(&mut watch, path.as_bytes())).await;
        assert_eq!(store.children("/missed").await.unwrap().len(), round + 1);
    }
    assert!(leadership.holds());
    assert_eq!(
        store.get("/status/n1").await.unwrap().unwrap().owner,
        Owner::ThisClient
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_session_is_replaced_without_two_leaders() {
    let zookeeper = stores::one().await;
    let (store, observer, proxy) = behind_proxy(zookeeper, quick()).await;
    store
        .create_ephemeral("/status/n1", b"first")
        .await
        .unwrap();
    store.publish("/status/n1", b"last").await.unwrap();
    store.create("/config", b"0").await.unwrap();
    let leadership = store.campaign("/leader", "n1").await.unwrap();
    let mut config = store.watch("/config").await.unwrap();
    let mut status = observer.watch("/status/n1").await.unwrap();
    let next = tokio::spawn({
        let observer = observer.clone();
        async move {
            let leadership = observer.campaign("/leader", "n2").await.unwrap();
            (leadership, Instant::now())
        }
    });

    proxy.set(Network::Silent);
    soon(leadership.lost().cancelled()).await;
    let lost_at = Instant::now();
    assert!(!leadership.holds());
    let (successor, elected_at) = soon(next).await.unwrap();
    assert!(
        lost_at < elected_at,
        "two leaders for {:?}",
        lost_at - elected_at
    );
    assert!(successor.epoch() > leadership.epoch());
    soon(status.wait_for(Option::is_none)).await.unwrap();
    observer.put("/config", b"1", Version(0)).await.unwrap();
    let outcome = timely(quick(), store.get("/config")).await;
    assert!(outcome.is_err_and(|error| error.is_retryable()));

    proxy.set(Network::Whole);
    let mut session = store.session();
    soon(session.wait_for(|state| matches!(state, SessionState::Connected { number: 2.. })))
        .await
        .unwrap();
    soon(wait_for_data(&mut status, b"last")).await;
    soon(wait_for_data(&mut config, b"1")).await;
    let put = Op::Put {
        path: "/config".to_owned(),
        data: b"deposed".to_vec(),
        expected: Version(1),
    };
    let fenced = store.multi(vec![leadership.fence(), put]).await;
    assert!(
        matches!(fenced, Err(Error::VersionMismatch { .. })),
        "{fenced:?}"
    );
    let mut own = store.watch("/status/n1").await.unwrap();
    soon(own.wait_for(|entry| {
        entry
            .as_ref()
            .is_some_and(|entry| entry.owner == Owner::ThisClient)
    }))
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_is_published_while_a_new_session_takes_it_over() {
    let zookeeper = stores::one().await;
    let (store, observer, proxy) = behind_proxy(zookeeper, quick()).await;
    store.publish("/status/n1", b"first").await.unwrap();
    let mut session = store.session();
    // The server hears of the client for longer than the client of the server: the old session's
    // entry is still there when the new session begins.
    proxy.set(Network::Mute);
    soon(session.wait_for(|state| *state == SessionState::Lost))
        .await
        .unwrap();
    let publishers: Vec<_> = (0..2)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut published = 0;
                while published < 200 {
                    let data = format!("{number} {published}");
                    match timely(quick(), store.publish("/status/n1", data.as_bytes())).await {
                        Ok(_) => published += 1,
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                }
            })
        })
        .collect();
    proxy.set(Network::Whole);
    for publisher in publishers {
        soon(publisher).await.unwrap();
    }
    let entry = store.get_fresh("/status/n1").await.unwrap().unwrap();
    assert_eq!(entry.owner, Owner::ThisClient);
    let data = String::from_utf8(entry.data).unwrap();
    assert!(data.ends_with(" 199"), "{data}");
    let seen = observer.get_fresh("/status/n1").await.unwrap().unwrap();
    assert_eq!(seen.owner, Owner::OtherClient);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_are_resolved() {
    let zookeeper = stores::one().await;
    let timeouts = Timeouts {
        session: Duration::from_secs(10),
        call: Duration::from_secs(8),
        ..quick()
    };
    let (store, observer, proxy) = behind_proxy(zookeeper, timeouts).await;
    let proxy = &proxy;
    // The request arrives, the answer does not, and then the connection breaks.
    let lose_the_answer = || async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.set(Network::Broken);
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.set(Network::Whole);
    };
    let path = || "/a".to_owned();
    proxy.set(Network::Mute);
    let (made, ()) = tokio::join!(store.create("/a", b"0"), lose_the_answer());
    assert_eq!(made, Ok(Version(0)));
    proxy.set(Network::Mute);
    let (put, ()) = tokio::join!(store.put("/a", b"1", Version(0)), lose_the_answer());
    assert_eq!(put, Ok(Version(1)));
    proxy.set(Network::Mute);
    let ops = vec![
        Op::Check {
            path: path(),
            expected: Version(1),
        },
        Op::CreateEphemeral {
            path: "/e".to_owned(),
            data: b"mine".to_vec(),
        },
        Op::Put {
            path: path(),
            data: b"2".to_vec(),
            expected: Version(1),
        },
    ];
    let (multi, ()) = tokio::join!(store.multi(ops), lose_the_answer());
    assert_eq!(multi, Ok(()));
    let entry = observer.get_fresh("/a").await.unwrap().unwrap();
    assert_eq!(
        (entry.data.as_slice(), entry.version),
        (&b"2"[..], Version(2))
    );
    // Another client changes what was written before the writer can look.
    proxy.set(Network::Mute);
    let overtake = async {
        let written = observer.watch("/a").await.unwrap();
        soon(wait_for_data(&mut { written }, b"3")).await;
        observer.put("/a", b"other", Version(3)).await.unwrap();
        lose_the_answer().await;
    };
    let (put, ()) = tokio::join!(store.put("/a", b"3", Version(2)), overtake);
    assert_eq!(put, Err(Error::UnknownOutcome { path: path() }));
    proxy.set(Network::Mute);
    let (deleted, ()) = tokio::join!(store.delete("/a", Version(4)), lose_the_answer());
    assert_eq!(deleted, Ok(()));
    assert_eq!(observer.get_fresh("/a").await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_given_up_never_overwrites_newer_data() {
    let zookeeper = stores::one().await;
    let timeouts = Timeouts {
        session: Duration::from_secs(10),
        call: Duration::from_millis(500),
        ..quick()
    };
    let (store, observer, proxy) = behind_proxy(zookeeper, timeouts).await;
    for version in 0..3 {
        let path = format!("/late/{version}");
        observer.create(&path, b"0").await.unwrap();
        for earlier in 0..version {
            observer.put(&path, b"x", Version(earlier)).await.unwrap();
        }
        proxy.set(Network::Silent);
        let given_up = timely(timeouts, store.put(&path, b"late", Version(version))).await;
        assert!(
            matches!(given_up, Err(Error::DeadlineExceeded { .. })),
            "{given_up:?}"
        );
        observer
            .put(&path, b"newer", Version(version))
            .await
            .unwrap();
        // The request that was on its way arrives now.
        proxy.set(Network::Whole);
        let mut session = store.session();
        soon(session.wait_for(|state| state.is_connected()))
            .await
            .unwrap();
        soon(async { while store.get_fresh(&path).await.is_err() {} }).await;
        assert_eq!(
            observer.get_fresh(&path).await.unwrap().unwrap().data,
            b"newer"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_and_watches_survive_a_broken_connection() {
    let zookeeper = stores::one().await;
    let timeouts = Timeouts {
        session: Duration::from_secs(10),
        call: Duration::from_secs(8),
        ..quick()
    };
    let (store, observer, proxy) = behind_proxy(zookeeper, timeouts).await;
    store.create("/many", b"").await.unwrap();
    let mut watches = Vec::new();
    for number in 0..100 {
        watches.push(store.watch(&format!("/many/{number}")).await.unwrap());
    }
    let calls = (0..200).map(|number| {
        let store = store.clone();
        async move {
            let path = format!("/many/{}", number % 100);
            match number {
                0..100 => store.create(&path, b"x").await.map(drop),
                _ => store.get_fresh(&path).await.map(drop),
            }
        }
    });
    let breaking = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        for _ in 0..3 {
            proxy.set(Network::Broken);
            tokio::time::sleep(Duration::from_millis(20)).await;
            proxy.set(Network::Whole);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let (results, ()) = tokio::join!(futures_util::future::join_all(calls), breaking);
    for result in results {
        result.unwrap();
    }
    assert_eq!(observer.children("/many").await.unwrap().len(), 100);
    for mut watch in watches {
        soon(wait_for_data(&mut watch, b"x")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_and_hung_servers_in_the_list_are_passed_over() {
    let zookeeper = stores::one().await;
    let port = zookeeper.ports().next().unwrap();
    let hung = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let servers = format!(
        "127.0.0.1:1,127.0.0.1:{},127.0.0.1:{port}",
        hung.local_addr().unwrap().port()
    );
    for _ in 0..3 {
        let store = connect(&format!("zookeeper://{servers}/list"), "any", quick())
            .await
            .unwrap();
        assert_eq!(store.get("/none").await, Ok(None));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_an_authenticated_client_are_its_own() {
    let zookeeper = stores::one().await;
    let url = zookeeper.place().url;
    let as_user = |user: &str| url.replace("://", &format!("://{user}@"));
    let owner = client(&as_user("expanse:s3cret/@:")).await;
    owner.create("/a/b", b"private").await.unwrap();
    owner.create_ephemeral("/status/n1", b"up").await.unwrap();
    assert!(owner.campaign("/leader", "n1").await.unwrap().holds());
    for url in [url.clone(), as_user("expanse:other")] {
        let stranger = client(&url).await;
        assert!(matches!(
            stranger.get("/a/b").await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            stranger.children("/a").await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            stranger.put("/a/b", b"", Version(0)).await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            stranger.delete("/a/b", Version(0)).await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            stranger.create("/a/c", b"").await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            stranger.watch("/a/b").await,
            Err(Error::AccessDenied { .. })
        ));
        assert!(matches!(
            soon(stranger.campaign("/leader", "n2")).await,
            Err(Error::AccessDenied { .. })
        ));
    }
    let colleague = client(&as_user("expanse:s3cret/@:")).await;
    assert_eq!(
        colleague.get("/a/b").await.unwrap().unwrap().data,
        b"private"
    );
    assert!(!format!("{owner:?}").contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chroot_hides_everything_else() {
    let zookeeper = stores::one().await;
    let (one, two) = (
        client(&zookeeper.place().url).await,
        client(&zookeeper.place().url).await,
    );
    one.create("/a", b"one").await.unwrap();
    assert_eq!(two.get_fresh("/a").await, Ok(None));
    assert_eq!(two.children("/zookeeper").await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_timeout_is_what_the_server_grants() {
    let zookeeper = stores::one().await;
    let url = zookeeper.place().url;
    for (wanted, granted) in [(10, 1_000), (2_000, 2_000), (3_600_000, 40_000)] {
        let timeouts = Timeouts {
            session: Duration::from_millis(wanted),
            ..Timeouts::default()
        };
        let store = connect(&url, "any", timeouts).await.unwrap();
        assert_eq!(store.session_timeout(), Duration::from_millis(granted));
    }
}
