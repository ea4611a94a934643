//! The conditions of a query level that are equalities, in the tree of its joins.
//!
//! An `IN` list or `= ANY (array)` names several keys, so it determines none: such statements take the way over fragments. A
//! list of one element is an equality already when PostgreSQL's parser is done.

use super::key_equality::Column;
use std::collections::BTreeSet;

/// The number of an expression that can be computed before the statement runs. Equal expressions have one number.
pub type KeyId = usize;

/// A side of an equality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A column of the query `up` levels around.
    Column { up: u32, column: Column },
    /// A constant, a parameter, or an expression of such.
    Key(KeyId),
    /// Anything else.
    Other,
}

/// An equality that is a condition by itself (not below OR or NOT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Equality {
    pub left: Side,
    pub right: Side,
    /// Values that it takes for equal to the left side have the hash of the left side.
    pub hashes_left: bool,
    pub hashes_right: bool,
}

impl Equality {
    /// The columns of the level itself that are equal to the other side, which has the same hash then.
    pub fn determines(&self) -> impl Iterator<Item = (Column, Side)> {
        let sides = [
            (self.left, self.right, self.hashes_left),
            (self.right, self.left, self.hashes_right),
        ];
        sides
            .into_iter()
            .filter_map(|(side, other, hashes)| match side {
                Side::Column { up: 0, column } if hashes => Some((column, other)),
                _ => None,
            })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// FROM, with the conditions of ON and WHERE that are equalities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinTree {
    /// An entry of the range table.
    Relation(u32),
    /// Items side by side, and conditions on them.
    From {
        items: Vec<JoinTree>,
        conditions: Vec<Equality>,
    },
    Join(Box<Join>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub kind: JoinKind,
    pub left: JoinTree,
    pub right: JoinTree,
    pub conditions: Vec<Equality>,
}

impl Default for JoinTree {
    fn default() -> Self {
        JoinTree::From {
            items: Vec::new(),
            conditions: Vec::new(),
        }
    }
}

/// The relations whose rows a condition decides about; `None`: all.
type Scope<'a> = Option<&'a BTreeSet<u32>>;

impl JoinTree {
    /// The entries of the range table in this part of the tree.
    pub fn relations(&self) -> BTreeSet<u32> {
        match self {
            JoinTree::Relation(index) => BTreeSet::from([*index]),
            JoinTree::From { items, .. } => items.iter().flat_map(JoinTree::relations).collect(),
            JoinTree::Join(join) => {
                let mut relations = join.left.relations();
                relations.append(&mut join.right.relations());
                relations
            }
        }
    }

    /// The columns that are equal to something in every row of the result, and what they are equal to.
    ///
    /// The ON of an outer join decides only about rows of the side that it fills with NULLs: in a row of the result these
    /// are NULL, or fulfil the condition. Rows of the other side stay whether they fulfil it or not.
    pub fn determined(&self) -> Vec<(Column, Side)> {
        let mut found = Vec::new();
        self.collect(None, &mut found);
        found
    }

    fn collect(&self, scope: Scope, found: &mut Vec<(Column, Side)>) {
        match self {
            JoinTree::Relation(_) => {}
            JoinTree::From { items, conditions } => {
                for item in items {
                    item.collect(scope, found);
                }
                take(conditions, scope, found);
            }
            JoinTree::Join(join) => {
                if join.kind == JoinKind::Inner {
                    join.left.collect(scope, found);
                    join.right.collect(scope, found);
                    return take(&join.conditions, scope, found);
                }
                let (left, right) = (join.left.relations(), join.right.relations());
                let nothing = BTreeSet::new();
                let (for_left, for_right, for_conditions) = match join.kind {
                    JoinKind::Left => (scope, Some(&right), &right),
                    JoinKind::Right => (Some(&left), scope, &left),
                    _ => (Some(&left), Some(&right), &nothing),
                };
                join.left.collect(for_left, found);
                join.right.collect(for_right, found);
                take(&join.conditions, Some(for_conditions), found);
            }
        }
    }
}

fn take(conditions: &[Equality], scope: Scope, found: &mut Vec<(Column, Side)>) {
    let determined = conditions.iter().flat_map(Equality::determines);
    found.extend(
        determined.filter(|(column, _)| scope.is_none_or(|scope| scope.contains(&column.index))),
    );
}
