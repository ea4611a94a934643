//! The embedded store and ZooKeeper, given the same random operation lists, answer the same and
//! end with the same entries.

use std::sync::Arc;

use expanse_sidecar::coordination::{Coordination, Op, Version};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::contract::client;
use crate::stores;

const PATHS: [&str; 7] = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f", "/e/f/g"];
const LISTS: usize = 400;
/// Stands for the version that the entry has.
const CURRENT: i32 = 99;

fn op() -> impl Strategy<Value = Op> {
    let path = prop::sample::select(PATHS.to_vec()).prop_map(str::to_owned);
    let data = prop::collection::vec(any::<u8>(), 0..4);
    let version = prop_oneof![1 => 0..3, 3 => Just(CURRENT)];
    (0..7, path, data, version).prop_map(|(kind, path, data, version)| {
        let expected = Version(version);
        match kind {
            0 => Op::Check { path, expected },
            1 | 2 => Op::Create { path, data },
            3 => Op::CreateEphemeral { path, data },
            4 | 5 => Op::Put {
                path,
                data,
                expected,
            },
            _ => Op::Delete { path, expected },
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_answer_alike() {
    let (directory, zookeeper) = (stores::directory().await, stores::zookeeper().await);
    let stores = [client(&directory.url).await, client(&zookeeper.url).await];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut done = 0;
    for number in 0..LISTS {
        let lists = prop::collection::vec(op(), 1..4);
        let mut ops = lists.new_tree(&mut runner).unwrap().current();
        insert_versions(&stores[0], &mut ops).await;
        let [one, other] = &stores;
        let (one, other) = (one.multi(ops.clone()).await, other.multi(ops.clone()).await);
        assert_eq!(one, other, "list {number}: {ops:?}");
        done += usize::from(one.is_ok());
        assert_eq!(
            tree(&stores[0]).await,
            tree(&stores[1]).await,
            "after list {number}: {ops:?}"
        );
    }
    // Otherwise the comparison says little.
    assert!(
        done > LISTS / 10 && done < LISTS * 9 / 10,
        "{done} of {LISTS} were done"
    );
}

async fn insert_versions(store: &Arc<dyn Coordination>, ops: &mut [Op]) {
    for op in ops {
        let found = store.get(op.path()).await.unwrap();
        match op {
            Op::Check { expected, .. } | Op::Put { expected, .. } | Op::Delete { expected, .. }
                if expected.0 == CURRENT =>
            {
                *expected = found.map_or(Version::FIRST, |entry| entry.version);
            }
            _ => {}
        }
    }
}

async fn tree(store: &Arc<dyn Coordination>) -> Vec<String> {
    let mut tree = Vec::new();
    for path in PATHS {
        let entry = store.get(path).await.unwrap();
        tree.push(format!(
            "{path} {entry:?} {:?}",
            store.children(path).await.unwrap()
        ));
    }
    tree
}
