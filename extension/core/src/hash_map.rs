//! Hash maps: an immutable, numbered assignment of all 65,536 buckets to nodes.
//!
//! A map is a sorted list of ranges that covers every bucket exactly once; neighbouring ranges of
//! one owner are merged, so equal assignments have equal representations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::layout;

/// Number of buckets of every hash map. A row's bucket is `extended_hash(key) & (BUCKETS - 1)`.
pub const BUCKETS: u32 = 65_536;

/// Buckets `first..=last`, owned by `node` (its node id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub first: u32,
    pub last: u32,
    pub node: i32,
}

impl Range {
    /// Number of buckets in the range.
    pub fn len(&self) -> u32 {
        self.last - self.first + 1
    }

    /// Ranges are never empty; here for the sake of convention.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// A node and its share of the buckets in proportion to the other nodes' weights (at least 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeWeight {
    pub node: i32,
    pub weight: u32,
}

/// How buckets are laid out when nodes come or go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Move no more buckets than the new counts force.
    #[default]
    Minimal,
    /// One range a node, whatever has to move for it.
    Contiguous,
}

impl std::str::FromStr for Layout {
    type Err = HashMapError;

    fn from_str(name: &str) -> Result<Self, HashMapError> {
        match name {
            "minimal" => Ok(Self::Minimal),
            "contiguous" => Ok(Self::Contiguous),
            other => Err(HashMapError::UnknownLayout(other.to_owned())),
        }
    }
}

/// Why a hash map was refused. Nodes are named by node id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HashMapError {
    #[error("a hash map needs at least one node")]
    NoNodes,
    #[error("{0} nodes are more than the {BUCKETS} buckets")]
    TooManyNodes(usize),
    #[error("node {0} is named twice")]
    DuplicateNode(i32),
    #[error("node {0} is not in the hash map")]
    UnknownNode(i32),
    #[error("node {0} owns buckets but has no weight")]
    MissingWeight(i32),
    #[error("node {0} has weight 0; weights begin at 1")]
    ZeroWeight(i32),
    #[error("layout \"{0}\" does not exist: it is \"minimal\" or \"contiguous\"")]
    UnknownLayout(String),
    #[error("range {first}..{last} is not inside 0..65535")]
    InvalidRange { first: u32, last: u32 },
    #[error("bucket {0} has two owners")]
    Overlap(u32),
    #[error("bucket {0} has no owner")]
    Gap(u32),
}

/// Which node owns which buckets, as of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct HashMap {
    version: i32,
    ranges: Vec<Range>,
}

/// What was read, before it is known to be a hash map.
#[derive(Deserialize)]
struct Unchecked {
    version: i32,
    ranges: Vec<Range>,
}

impl TryFrom<Unchecked> for HashMap {
    type Error = HashMapError;

    fn try_from(map: Unchecked) -> Result<Self, HashMapError> {
        Self::from_ranges(map.version, map.ranges)
    }
}

impl HashMap {
    /// The first map over `nodes`: one contiguous range each, in the order given.
    ///
    /// # Errors
    /// No node, a node twice, a weight of 0, more nodes than buckets.
    pub fn initial(version: i32, nodes: &[NodeWeight]) -> Result<Self, HashMapError> {
        layout::check_weights(nodes)?;
        Ok(Self::merged(
            version,
            layout::contiguous(nodes, &BTreeMap::new()),
        ))
    }

    /// A map from ranges in any order, neighbours of one owner merged.
    ///
    /// # Errors
    /// [`HashMapError::InvalidRange`], [`HashMapError::Overlap`] or [`HashMapError::Gap`] unless
    /// the ranges cover all buckets exactly once.
    pub fn from_ranges(version: i32, mut ranges: Vec<Range>) -> Result<Self, HashMapError> {
        ranges.sort_by_key(|range| range.first);
        let mut next = 0;
        for &Range { first, last, .. } in &ranges {
            if first > last || last >= BUCKETS {
                return Err(HashMapError::InvalidRange { first, last });
            }
            if first < next {
                return Err(HashMapError::Overlap(first));
            }
            if first > next {
                return Err(HashMapError::Gap(next));
            }
            next = last + 1;
        }
        if next < BUCKETS {
            return Err(HashMapError::Gap(next));
        }
        Ok(Self::merged(version, ranges))
    }

    /// The map after the nodes `new` have come; `existing` are the weights of all nodes so far.
    ///
    /// # Errors
    /// A node of `new` that exists already, an owner without a weight, and those of
    /// [`HashMap::initial`].
    pub fn expand(
        &self,
        version: i32,
        new: &[NodeWeight],
        existing: &[NodeWeight],
        layout: Layout,
    ) -> Result<Self, HashMapError> {
        let nodes: Vec<NodeWeight> = existing.iter().chain(new).copied().collect();
        self.rearranged(version, &nodes, &[], layout)
    }

    /// The map after the nodes `leaving` have gone; `existing` are the weights of all nodes so
    /// far, the leaving ones included.
    ///
    /// # Errors
    /// [`HashMapError::UnknownNode`] for a leaving node that is not in `existing`,
    /// [`HashMapError::NoNodes`] if no node would be left, and those of [`HashMap::expand`].
    pub fn shrink(
        &self,
        version: i32,
        leaving: &[i32],
        existing: &[NodeWeight],
        layout: Layout,
    ) -> Result<Self, HashMapError> {
        if let Some(&node) = leaving
            .iter()
            .find(|&id| existing.iter().all(|n| n.node != *id))
        {
            return Err(HashMapError::UnknownNode(node));
        }
        let staying: Vec<NodeWeight> = existing
            .iter()
            .filter(|n| !leaving.contains(&n.node))
            .copied()
            .collect();
        self.rearranged(version, &staying, leaving, layout)
    }

    fn rearranged(
        &self,
        version: i32,
        nodes: &[NodeWeight],
        leaving: &[i32],
        layout: Layout,
    ) -> Result<Self, HashMapError> {
        layout::check_weights(nodes)?;
        let known = |id: i32| leaving.contains(&id) || nodes.iter().any(|n| n.node == id);
        let counts = self.bucket_counts();
        if let Some(&owner) = counts.keys().find(|&&id| !known(id)) {
            return Err(HashMapError::MissingWeight(owner));
        }
        let ranges = match layout {
            Layout::Minimal => layout::minimal(&self.ranges, nodes, &counts),
            Layout::Contiguous => {
                layout::contiguous(&layout::in_bucket_order(&self.ranges, nodes), &counts)
            }
        };
        Ok(Self::merged(version, ranges))
    }

    /// `ranges` cover all buckets once; sorts them and merges neighbours of one owner.
    fn merged(version: i32, mut ranges: Vec<Range>) -> Self {
        ranges.sort_by_key(|range| range.first);
        ranges.dedup_by(|next, kept| {
            let same = next.node == kept.node && kept.last + 1 == next.first;
            if same {
                kept.last = next.last;
            }
            same
        });
        Self { version, ranges }
    }

    pub fn version(&self) -> i32 {
        self.version
    }

    /// All ranges, by bucket; they cover every bucket exactly once.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Node id of the owner of a bucket. Only the low 16 bits count, so a whole hash will do.
    pub fn owner(&self, bucket: u32) -> i32 {
        let bucket = bucket % BUCKETS;
        self.ranges[self.ranges.partition_point(|range| range.last < bucket)].node
    }

    /// The ranges of one node, by bucket; empty if it owns none.
    pub fn ranges_of(&self, node: i32) -> Vec<Range> {
        self.ranges
            .iter()
            .filter(|range| range.node == node)
            .copied()
            .collect()
    }

    /// Number of buckets of every node that owns any.
    pub fn bucket_counts(&self) -> BTreeMap<i32, u32> {
        let mut counts = BTreeMap::new();
        for range in &self.ranges {
            *counts.entry(range.node).or_insert(0) += range.len();
        }
        counts
    }

    /// Node ids of all owners, ascending.
    pub fn nodes(&self) -> Vec<i32> {
        self.bucket_counts().into_keys().collect()
    }
}
