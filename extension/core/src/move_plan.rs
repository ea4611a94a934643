//! What has to move so that one hash map becomes another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hash_map::HashMap;

/// Buckets `first..=last` go from node `source` to node `target` (node ids).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    pub source: i32,
    pub target: i32,
    pub first: u32,
    pub last: u32,
}

impl Move {
    /// Number of buckets that move.
    pub fn buckets(&self) -> u32 {
        self.last - self.first + 1
    }
}

/// Makes move plans; a plan is a list of [`Move`]s.
pub struct MovePlan;

impl MovePlan {
    /// The moves from `from` to `to`, ordered by pair (source, target) and then by bucket, ranges
    /// as long as they can be. Empty if both assign alike.
    pub fn between(from: &HashMap, to: &HashMap) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        let (mut old, mut new) = (from.ranges().iter(), to.ranges().iter());
        let (mut left, mut right) = (old.next(), new.next());
        let mut first = 0;
        while let (Some(a), Some(b)) = (left, right) {
            let last = a.last.min(b.last);
            if a.node != b.node {
                moves.push(Move {
                    source: a.node,
                    target: b.node,
                    first,
                    last,
                });
            }
            first = last + 1;
            if a.last == last {
                left = old.next();
            }
            if b.last == last {
                right = new.next();
            }
        }
        // Neighbours of one pair cannot occur: both maps have their neighbours merged.
        moves.sort_unstable();
        moves
    }

    /// The moves by (source, target), each pair's by bucket: one publication and one subscription
    /// each.
    pub fn by_pair(moves: &[Move]) -> BTreeMap<(i32, i32), Vec<Move>> {
        let mut pairs: BTreeMap<(i32, i32), Vec<Move>> = BTreeMap::new();
        for step in moves {
            pairs
                .entry((step.source, step.target))
                .or_default()
                .push(*step);
        }
        pairs
    }

    /// Number of buckets that move.
    pub fn buckets(moves: &[Move]) -> u32 {
        moves.iter().map(Move::buckets).sum()
    }
}
