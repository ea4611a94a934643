//! Properties of hash maps over generated sequences of expansions and shrinks.

use std::collections::BTreeMap;

use expanse_core::{HashMap, HashMapError, Layout, MovePlan, NodeWeight, Range, BUCKETS};
use proptest::prelude::*;

/// One change to a cluster: nodes come (with these weights), or some of those that are there go.
#[derive(Debug, Clone)]
enum Step {
    Expand(Vec<u32>, Layout),
    Shrink(Vec<prop::sample::Index>, Layout),
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Minimal), Just(Layout::Contiguous)]
}

fn steps(weight: impl Strategy<Value = u32> + Clone) -> impl Strategy<Value = Vec<Step>> {
    let expand =
        (prop::collection::vec(weight, 1..4), layout()).prop_map(|(w, l)| Step::Expand(w, l));
    let shrink = (
        prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        layout(),
    )
        .prop_map(|(i, l)| Step::Shrink(i, l));
    prop::collection::vec(prop_oneof![2 => expand, 1 => shrink], 0..10)
}

/// Applies a step; nodes are numbered as they come. Nothing changes if all nodes would go.
fn apply(map: &HashMap, nodes: &mut Vec<NodeWeight>, next: &mut i32, step: &Step) -> HashMap {
    let version = map.version() + 1;
    match step {
        Step::Expand(weights, layout) => {
            let new: Vec<NodeWeight> = weights
                .iter()
                .map(|&weight| {
                    *next += 1;
                    NodeWeight {
                        node: *next,
                        weight,
                    }
                })
                .collect();
            let map = map
                .expand(version, &new, nodes, *layout)
                .expect("a valid expansion");
            nodes.extend(new);
            map
        }
        Step::Shrink(picks, layout) => {
            let mut leaving: Vec<i32> = picks.iter().map(|p| p.get(nodes).node).collect();
            leaving.sort_unstable();
            leaving.dedup();
            if leaving.len() == nodes.len() {
                return map.clone();
            }
            let map = map
                .shrink(version, &leaving, nodes, *layout)
                .expect("a valid shrink");
            nodes.retain(|n| !leaving.contains(&n.node));
            map
        }
    }
}

fn count(map: &HashMap, node: i32) -> u32 {
    map.bucket_counts().get(&node).copied().unwrap_or(0)
}

fn check_cover(map: &HashMap) {
    let mut next = 0;
    for (i, range) in map.ranges().iter().enumerate() {
        assert_eq!(range.first, next, "no gap and no overlap");
        assert!(range.last >= range.first);
        next = range.last + 1;
        if i > 0 {
            assert_ne!(
                map.ranges()[i - 1].node,
                range.node,
                "neighbours are merged"
            );
        }
        for bucket in [range.first, range.last, range.first + range.len() / 2] {
            assert_eq!(map.owner(bucket), range.node);
        }
    }
    assert_eq!(next, BUCKETS);
}

/// Every node has the whole part of its exact share, or one bucket more.
fn check_shares(map: &HashMap, nodes: &[NodeWeight]) {
    let sum: u64 = nodes.iter().map(|n| u64::from(n.weight)).sum();
    for n in nodes {
        let whole = (u64::from(BUCKETS) * u64::from(n.weight) / sum) as u32;
        let has = count(map, n.node);
        assert!(
            has == whole || has == whole + 1,
            "node {} has {has}, share {whole}",
            n.node
        );
    }
}

/// What moved is what the counts force, and no pair moved both ways.
fn check_minimal(from: &HashMap, to: &HashMap) {
    let forced: u32 = from
        .bucket_counts()
        .iter()
        .map(|(&n, &has)| has.saturating_sub(count(to, n)))
        .sum();
    assert_eq!(MovePlan::buckets(&MovePlan::between(from, to)), forced);
}

fn start(weights: &[u32]) -> (HashMap, Vec<NodeWeight>, i32) {
    let nodes: Vec<NodeWeight> = weights
        .iter()
        .zip(1..)
        .map(|(&weight, node)| NodeWeight { node, weight })
        .collect();
    let map = HashMap::initial(1, &nodes).expect("valid weights");
    (map, nodes, weights.len() as i32)
}

proptest! {
    #[test]
    fn equal_weights_differ_by_at_most_one(first in 1usize..9, steps in steps(Just(1u32))) {
        let (mut map, mut nodes, mut next) = start(&vec![1; first]);
        for step in &steps {
            map = apply(&map, &mut nodes, &mut next, step);
            check_cover(&map);
            let counts: Vec<u32> = nodes.iter().map(|n| count(&map, n.node)).collect();
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            prop_assert!(spread <= 1, "{counts:?}");
        }
    }

    #[test]
    fn weights_are_kept(first in prop::collection::vec(1u32..50, 1..6), steps in steps(1u32..50)) {
        let (mut map, mut nodes, mut next) = start(&first);
        check_shares(&map, &nodes);
        for step in &steps {
            map = apply(&map, &mut nodes, &mut next, step);
            check_cover(&map);
            check_shares(&map, &nodes);
        }
    }

    #[test]
    fn minimal_moves_what_the_counts_force(
        first in prop::collection::vec(1u32..50, 1..6), steps in steps(1u32..50),
    ) {
        let (mut map, mut nodes, mut next) = start(&first);
        for step in &steps {
            let step = match step.clone() {
                Step::Expand(weights, _) => Step::Expand(weights, Layout::Minimal),
                Step::Shrink(picks, _) => Step::Shrink(picks, Layout::Minimal),
            };
            let after = apply(&map, &mut nodes, &mut next, &step);
            check_minimal(&map, &after);
            map = after;
        }
    }

    #[test]
    fn contiguous_keeps_one_range_a_node(first in 1usize..9, steps in steps(1u32..5)) {
        let (mut map, mut nodes, mut next) = start(&vec![1; first]);
        for step in &steps {
            map = apply(&map, &mut nodes, &mut next, step);
        }
        let new = [NodeWeight { node: next + 1, weight: 1 }];
        let map = map.expand(99, &new, &nodes, Layout::Contiguous).unwrap();
        for n in nodes.iter().chain(&new) {
            prop_assert!(map.ranges_of(n.node).len() <= 1);
        }
    }

    /// The same history gives the same map, and a map read back is the map written.
    #[test]
    fn deterministic_and_round_trips(first in 1usize..9, steps in steps(1u32..9)) {
        let run = || {
            let (mut map, mut nodes, mut next) = start(&vec![1; first]);
            for step in &steps {
                map = apply(&map, &mut nodes, &mut next, step);
            }
            map
        };
        let map = run();
        prop_assert_eq!(&map, &run());
        let json = serde_json::to_string(&map).unwrap();
        prop_assert_eq!(&serde_json::from_str::<HashMap>(&json).unwrap(), &map);
        prop_assert_eq!(&HashMap::from_ranges(map.version(), map.ranges().to_vec()).unwrap(), &map);
    }

    /// Applying a move plan to the old map gives the new map.
    #[test]
    fn plans_lead_from_one_map_to_the_other(first in 1usize..9, steps in steps(1u32..9)) {
        let (before, mut nodes, mut next) = start(&vec![1; first]);
        let mut after = before.clone();
        for step in &steps {
            after = apply(&after, &mut nodes, &mut next, step);
        }
        let plan = MovePlan::between(&before, &after);
        prop_assert!(plan.windows(2).all(|w| w[0] < w[1]), "ordered");
        prop_assert_eq!(MovePlan::by_pair(&plan).values().flatten().count(), plan.len());
        let mut moved = BTreeMap::new();
        for step in &plan {
            for bucket in step.first..=step.last {
                prop_assert_eq!(before.owner(bucket), step.source);
                prop_assert!(moved.insert(bucket, step.target).is_none(), "moved twice");
            }
        }
        for bucket in 0..BUCKETS {
            let owner = moved.get(&bucket).copied().unwrap_or_else(|| before.owner(bucket));
            prop_assert_eq!(owner, after.owner(bucket));
        }
    }

    /// Ranges that are no map are refused, whatever is wrong with them, and never panic.
    #[test]
    fn damaged_ranges_are_refused(pick in any::<prop::sample::Index>(), damage in 0..5, by in 1u32..9) {
        let (map, _, _) = start(&[1, 2, 3, 4]);
        let mut ranges = map.ranges().to_vec();
        let i = pick.index(ranges.len());
        match damage {
            0 => { ranges.remove(i); }
            1 => ranges.push(ranges[i]),
            2 => ranges[i].last += by,
            3 => ranges[i].first += by,
            _ => ranges[i] = Range { first: ranges[i].last, last: ranges[i].first, node: 1 },
        }
        prop_assert!(HashMap::from_ranges(1, ranges).is_err());
    }
}

#[test]
fn three_nodes_become_four() {
    let (map, nodes, _) = start(&[1, 1, 1]);
    assert_eq!(
        map.bucket_counts().into_values().collect::<Vec<_>>(),
        [21846, 21845, 21845]
    );
    let new = [NodeWeight { node: 4, weight: 1 }];
    let grown = map.expand(2, &new, &nodes, Layout::Minimal).unwrap();
    assert_eq!(
        grown.bucket_counts().into_values().collect::<Vec<_>>(),
        [16384; 4]
    );
    assert_eq!(
        grown.ranges_of(4).len(),
        3,
        "a slice from the end of every old node"
    );
    let plan = MovePlan::between(&map, &grown);
    assert_eq!(plan.len(), 3);
    assert_eq!(plan[0].first, 16384);
    assert_eq!(plan[0].last, 21845);
    assert_eq!(MovePlan::buckets(&plan), BUCKETS / 4);
}

#[test]
fn bad_input_is_refused() {
    let (map, nodes, _) = start(&[1, 1]);
    let node = |node, weight| NodeWeight { node, weight };
    assert_eq!(HashMap::initial(1, &[]), Err(HashMapError::NoNodes));
    assert_eq!(
        HashMap::initial(1, &[node(1, 0)]),
        Err(HashMapError::ZeroWeight(1))
    );
    assert_eq!(
        HashMap::initial(1, &[node(1, 1), node(1, 2)]),
        Err(HashMapError::DuplicateNode(1))
    );
    let expand = |new: &[NodeWeight], existing: &[NodeWeight]| {
        map.expand(2, new, existing, Layout::Minimal).unwrap_err()
    };
    assert_eq!(
        expand(&[node(2, 1)], &nodes),
        HashMapError::DuplicateNode(2)
    );
    assert_eq!(
        expand(&[node(3, 1)], &nodes[..1]),
        HashMapError::MissingWeight(2)
    );
    let shrink = |leaving: &[i32]| map.shrink(2, leaving, &nodes, Layout::Minimal).unwrap_err();
    assert_eq!(shrink(&[3]), HashMapError::UnknownNode(3));
    assert_eq!(shrink(&[1, 2]), HashMapError::NoNodes);
    let many: Vec<NodeWeight> = (0..=BUCKETS as i32).map(|id| node(id, 1)).collect();
    assert!(matches!(
        HashMap::initial(1, &many),
        Err(HashMapError::TooManyNodes(65_537))
    ));
    assert!("widest".parse::<Layout>().is_err());
    assert!(serde_json::from_str::<HashMap>(r#"{"version":1,"ranges":[]}"#).is_err());
}
