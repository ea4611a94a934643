//! Where the buckets go when nodes come or go.
//!
//! The number of buckets of each node comes first (in proportion to the weights, within one
//! bucket), and is the same for both layouts up to ties. *Contiguous* then deals out one range a
//! node. *Minimal* lets every node that has too many give from the end of its ranges, to each
//! node that has too few in proportion to what that one still needs; nothing else moves, so what
//! moves is exactly what the counts force.

use std::collections::{BTreeMap, BTreeSet};

use crate::apportion::apportion;
use crate::hash_map::{HashMapError, NodeWeight, Range, BUCKETS};

pub(crate) fn check_weights(nodes: &[NodeWeight]) -> Result<(), HashMapError> {
    if nodes.is_empty() {
        return Err(HashMapError::NoNodes);
    }
    if nodes.len() > BUCKETS as usize {
        return Err(HashMapError::TooManyNodes(nodes.len()));
    }
    let mut seen = BTreeSet::new();
    for node in nodes {
        if node.weight == 0 {
            return Err(HashMapError::ZeroWeight(node.node));
        }
        if !seen.insert(node.node) {
            return Err(HashMapError::DuplicateNode(node.node));
        }
    }
    Ok(())
}

/// How many buckets each of `nodes` is to have, given how many each has now.
fn targets(nodes: &[NodeWeight], counts: &BTreeMap<i32, u32>) -> Vec<u32> {
    let weights: Vec<u64> = nodes.iter().map(|n| u64::from(n.weight)).collect();
    let holds: Vec<u32> = nodes.iter().map(|n| count(counts, n.node)).collect();
    apportion(BUCKETS, &weights, &holds)
}

fn count(counts: &BTreeMap<i32, u32>, node: i32) -> u32 {
    counts.get(&node).copied().unwrap_or(0)
}

/// One range a node, in the order of `nodes`.
pub(crate) fn contiguous(nodes: &[NodeWeight], counts: &BTreeMap<i32, u32>) -> Vec<Range> {
    let mut first = 0;
    let mut ranges = Vec::with_capacity(nodes.len());
    for (node, size) in nodes.iter().zip(targets(nodes, counts)) {
        if size > 0 {
            ranges.push(Range {
                first,
                last: first + size - 1,
                node: node.node,
            });
            first += size;
        }
    }
    ranges
}

/// `nodes` by their first bucket, those without any last: the order that keeps the most in place.
pub(crate) fn in_bucket_order(ranges: &[Range], nodes: &[NodeWeight]) -> Vec<NodeWeight> {
    let mut ordered = nodes.to_vec();
    ordered.sort_by_key(|n| {
        ranges
            .iter()
            .find(|range| range.node == n.node)
            .map_or(BUCKETS, |range| range.first)
    });
    ordered
}

/// Moves only from nodes that have too many (or leave) to nodes that have too few.
pub(crate) fn minimal(
    ranges: &[Range],
    nodes: &[NodeWeight],
    counts: &BTreeMap<i32, u32>,
) -> Vec<Range> {
    let targets = targets(nodes, counts);
    let target_of: BTreeMap<i32, u32> = nodes
        .iter()
        .zip(&targets)
        .map(|(n, &target)| (n.node, target))
        .collect();
    let mut receivers: Vec<(i32, u32)> = nodes
        .iter()
        .zip(&targets)
        .filter_map(|(n, &target)| {
            let needs = target.saturating_sub(count(counts, n.node));
            (needs > 0).then_some((n.node, needs))
        })
        .collect();

    let mut result = Vec::with_capacity(ranges.len() + nodes.len());
    for (&donor, &has) in counts {
        let keeps = has.min(count(&target_of, donor));
        let mut parts = vec![(donor, keeps)];
        parts.extend(take_shares(&mut receivers, has - keeps));
        let own: Vec<Range> = ranges.iter().filter(|r| r.node == donor).copied().collect();
        deal(&own, &parts, &mut result);
    }
    result
}

/// Shares `surplus` over the receivers in proportion to what each still needs, and notes that
/// they have got it. A share is never more than the need, because the needs of all add up to the
/// surplus of all the donors still to come.
fn take_shares(receivers: &mut [(i32, u32)], surplus: u32) -> Vec<(i32, u32)> {
    let needs: Vec<u64> = receivers
        .iter()
        .map(|&(_, needs)| u64::from(needs))
        .collect();
    let shares = apportion(surplus, &needs, &vec![0; needs.len()]);
    receivers
        .iter_mut()
        .zip(shares)
        .map(|((node, needs), share)| {
            *needs -= share;
            (*node, share)
        })
        .collect()
}

/// Deals the buckets of `ranges`, in order, to `parts` (node, number of buckets).
fn deal(ranges: &[Range], parts: &[(i32, u32)], result: &mut Vec<Range>) {
    let mut ranges = ranges.iter();
    let mut rest: Option<Range> = ranges.next().copied();
    for &(node, mut wanted) in parts {
        while wanted > 0 {
            let Some(range) = rest else { return };
            let size = range.len().min(wanted);
            result.push(Range {
                first: range.first,
                last: range.first + size - 1,
                node,
            });
            wanted -= size;
            rest = if size < range.len() {
                Some(Range {
                    first: range.first + size,
                    ..range
                })
            } else {
                ranges.next().copied()
            };
        }
    }
}
