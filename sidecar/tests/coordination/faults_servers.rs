//! ZooKeeper servers that die, hang and come back.

use std::time::Duration;

use expanse_sidecar::coordination::{
    connect, update, Coordination, Error, Op, Owner, SessionState, Timeouts, Version,
};

use crate::contract::{client, soon, wait_for_data};
use crate::counting::Counting;
use crate::faults::{quick, timely};
use crate::stores::ZooKeeper;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_survives_the_death_of_each_server() {
    let zookeeper = ZooKeeper::start(3).await;
    let url = zookeeper.place().url;
    // Longer than an election on a machine that has much else to do.
    let timeouts = Timeouts {
        session: Duration::from_secs(30),
        ..Timeouts::default()
    };
    let store = connect(&url, "holder", timeouts).await.unwrap();
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    let leadership = store.campaign("/leader", "n1").await.unwrap();
    let counting = Counting::start(url, timeouts).await;
    for index in 0..zookeeper.count() {
        zookeeper.kill(index).await;
        counting.goes_on().await;
        zookeeper.restart(index).await;
        zookeeper.wait_for_all().await;
        counting.goes_on().await;
    }
    connected_in_the_first_session(&*store).await;
    assert_eq!(
        store.get_fresh("/status/n1").await.unwrap().unwrap().owner,
        Owner::ThisClient
    );
    assert!(leadership.holds());
    counting.check(&*store).await;
}

/// A server may drop a connection at any moment, so being connected is waited for.
async fn connected_in_the_first_session(store: &dyn Coordination) {
    let mut session = store.session();
    let state = *soon(session.wait_for(|state| state.is_connected()))
        .await
        .unwrap();
    assert_eq!(state, SessionState::Connected { number: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_survives_servers_that_hang() {
    let zookeeper = ZooKeeper::start(3).await;
    let url = zookeeper.place().url;
    let timeouts = Timeouts {
        session: Duration::from_secs(10),
        ..Timeouts::default()
    };
    let store = connect(&url, "holder", timeouts).await.unwrap();
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    let counting = Counting::start(url, timeouts).await;
    for index in 0..zookeeper.count() {
        zookeeper.signal(index, "STOP");
        counting.goes_on().await;
        let outcome = timely(timeouts, store.get_fresh("/status/n1")).await;
        assert!(!matches!(outcome, Ok(None)), "the entry has gone");
        zookeeper.signal(index, "CONT");
        zookeeper.wait_for_all().await;
        counting.goes_on().await;
    }
    assert!(store.get_fresh("/status/n1").await.unwrap().is_some());
    counting.check(&*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_ends_while_the_whole_ensemble_is_gone() {
    let zookeeper = ZooKeeper::start(3).await;
    let place = zookeeper.place();
    let store = connect(&place.url, "holder", quick()).await.unwrap();
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    store.create("/config", b"0").await.unwrap();
    let leadership = store.campaign("/leader", "n1").await.unwrap();
    let mut config = store.watch("/config").await.unwrap();

    for index in 0..zookeeper.count() {
        zookeeper.kill(index).await;
    }
    let patience = store.session_timeout();
    tokio::time::timeout(patience, leadership.lost().cancelled())
        .await
        .expect("leadership outlives its lease");
    every_call_fails_in_time(&*store, quick()).await;
    let refused = connect(
        &place.url,
        "newcomer",
        Timeouts {
            connect: Duration::from_secs(1),
            ..quick()
        },
    )
    .await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));

    for index in 0..zookeeper.count() {
        zookeeper.restart(index).await;
    }
    zookeeper.wait_for_all().await;
    let mut session = store.session();
    soon(session.wait_for(|state| state.is_connected()))
        .await
        .unwrap();
    update(&*store, "/config", |_| Some(b"1".to_vec()))
        .await
        .unwrap();
    soon(wait_for_data(&mut config, b"1")).await;
    let mut status = store.watch("/status/n1").await.unwrap();
    soon(status.wait_for(|entry| {
        entry
            .as_ref()
            .is_some_and(|entry| entry.owner == Owner::ThisClient)
    }))
    .await
    .unwrap();
    let again = soon(store.campaign("/leader", "n1")).await.unwrap();
    assert!(again.epoch() > leadership.epoch());
}

async fn every_call_fails_in_time(store: &dyn Coordination, timeouts: Timeouts) {
    let ops = || {
        vec![Op::Check {
            path: "/config".to_owned(),
            expected: Version(0),
        }]
    };
    let failures = [
        timely(timeouts, store.get("/config")).await.map(drop),
        timely(timeouts, store.get_fresh("/config")).await.map(drop),
        timely(timeouts, store.children("/status")).await.map(drop),
        timely(timeouts, store.create("/new", b"")).await.map(drop),
        timely(timeouts, store.create_ephemeral("/new", b""))
            .await
            .map(drop),
        timely(timeouts, store.publish("/status/n1", b""))
            .await
            .map(drop),
        timely(timeouts, store.put("/config", b"", Version(0)))
            .await
            .map(drop),
        timely(timeouts, store.delete("/config", Version(0))).await,
        timely(timeouts, store.multi(ops())).await,
        timely(timeouts, store.watch("/config")).await.map(drop),
        timely(timeouts, store.watch_children("/status"))
            .await
            .map(drop),
    ];
    for failure in failures {
        assert!(
            failure.as_ref().is_err_and(Error::is_retryable),
            "{failure:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_keeps_what_it_held() {
    let zookeeper = ZooKeeper::start(1).await;
    let url = zookeeper.place().url;
    let store = client(&url).await;
    store.create("/config", b"kept").await.unwrap();
    store.create_ephemeral("/status/n1", b"up").await.unwrap();
    zookeeper.kill(0).await;
    zookeeper.restart(0).await;
    assert_eq!(
        soon(store.get("/config")).await.unwrap().unwrap().data,
        b"kept"
    );
    assert_eq!(
        store.get_fresh("/status/n1").await.unwrap().unwrap().owner,
        Owner::ThisClient
    );
    connected_in_the_first_session(&*store).await;
}
