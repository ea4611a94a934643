//! To which keys the columns of a query are equal.
//!
//! # How it works
//! The equalities that hold at a query level ([`JoinTree::determined`]) connect columns with each other, with columns of
//! the queries around, and with keys. Beginning with the keys (and with the anchor, the distribution column of the row
//! that a statement writes), a column is equal to whatever the columns are equal to that it is connected with, until
//! nothing changes. The result is the smallest such assignment, so the order of conditions does not matter.
//!
//! # Invariants
//! A column that can be NULL because of an outer join has its keys in the rows where it is not: a NULL comes from no row of
//! its table.

use super::facts::{LevelId, QueryFacts};
use super::join_tree::{KeyId, Side};
use super::placement::Placement;
#[cfg(doc)]
use super::JoinTree;
use std::collections::{BTreeMap, BTreeSet};

/// A column of a query level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column {
    /// Range table index, from 1.
    pub index: u32,
    pub attribute: i16,
}

/// What a column can be equal to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The distribution column of the row that is written.
    Anchor,
    Value(KeyId),
}

type Keys = BTreeSet<Key>;

/// The keys of all columns of a query and what is inside of it.
pub struct KeyEqualities<'a> {
    facts: &'a QueryFacts,
    root: LevelId,
    /// By level; only columns that have keys.
    keys: Vec<BTreeMap<Column, Keys>>,
}

impl<'a> KeyEqualities<'a> {
    /// For the level `root` and those inside of it, taken as a query by itself. `anchor` is a column of the root.
    pub fn of(facts: &'a QueryFacts, root: LevelId, anchor: Option<Column>) -> Self {
        let mut found = KeyEqualities {
            facts,
            root,
            keys: vec![BTreeMap::new(); facts.levels.len()],
        };
        if let Some(column) = anchor {
            found.keys[root].insert(column, Keys::from([Key::Anchor]));
        }
        for level in facts.within(root) {
            let determined = facts.levels[level].join_tree.determined();
            while found.extend(level, &determined) {}
        }
        found
    }

    /// Gives columns the keys of what they are equal to. False when that was known already.
    fn extend(&mut self, level: LevelId, determined: &[(Column, Side)]) -> bool {
        let mut changed = false;
        for &(column, other) in determined {
            let keys = self.of_side(level, other);
            if !keys.is_empty() {
                let known = self.keys[level].entry(column).or_default();
                let before = known.len();
                known.extend(keys);
                changed |= known.len() > before;
            }
        }
        changed
    }

    fn of_column(&self, level: LevelId, column: Column) -> Keys {
        self.keys[level].get(&column).cloned().unwrap_or_default()
    }

    fn of_side(&self, level: LevelId, side: Side) -> Keys {
        match side {
            Side::Column { up, column } => self
                .around(level, up)
                .map_or_else(Keys::new, |level| self.of_column(level, column)),
            Side::Key(number) => Keys::from([Key::Value(number)]),
            Side::Other => Keys::new(),
        }
    }

    /// The query `up` levels around; `None` outside of the root.
    fn around(&self, mut level: LevelId, up: u32) -> Option<LevelId> {
        for _ in 0..up {
            if level == self.root {
                return None;
            }
            level = self.facts.levels[level].parent?;
        }
        Some(level)
    }

    /// Is the column always equal to what the expression gives?
    pub fn equal(&self, level: LevelId, column: Column, other: Side) -> bool {
        !self
            .of_column(level, column)
            .is_disjoint(&self.of_side(level, other))
    }

    /// Is the column always equal to the anchor?
    pub fn anchored(&self, level: LevelId, column: Column) -> bool {
        self.keys[level]
            .get(&column)
            .is_some_and(|keys| keys.contains(&Key::Anchor))
    }

    /// The keys that the distribution columns of all distributed tables are equal to. `None` when there is no such table.
    pub fn common(&self, placement: &Placement) -> Option<Keys> {
        let mut columns = self.distribution_columns(self.root, placement);
        let (level, first) = columns.next()?;
        let first = self.of_column(level, first);
        Some(columns.fold(first, |common, (level, column)| {
            let keys = self.of_column(level, column);
            common.intersection(&keys).copied().collect()
        }))
    }

    /// Do all distributed tables of a level, and of those inside of it, lie with the anchor?
    pub fn together(&self, level: LevelId, placement: &Placement) -> bool {
        self.distribution_columns(level, placement)
            .all(|(level, column)| self.anchored(level, column))
    }

    fn distribution_columns<'p>(
        &'p self,
        outer: LevelId,
        placement: &'p Placement,
    ) -> impl Iterator<Item = (LevelId, Column)> + 'p {
        self.facts.within(outer).flat_map(move |level| {
            let mentions = self.facts.levels[level].mentions.iter();
            mentions.filter_map(move |mention| {
                let attribute = placement.column(mention.relation)?;
                let index = mention.index;
                Some((level, Column { index, attribute }))
            })
        })
    }
}
