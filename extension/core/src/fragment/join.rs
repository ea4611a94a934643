//! Joins that each node can do on its own data.
//!
//! Two distributed sides of one group join on their distribution columns: rows that match live on one node. A replicated side
//! joins with anything, as long as its unmatched rows are not part of the result: every node would deliver them.

/// A join with its preserved side on the left. A right join is a left join with its sides exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Inner,
    Left,
    Full,
    Semi,
    Anti,
}

/// Where the rows of a side live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All of them on every node.
    Replicated,
    /// Each on one node, by its distribution column and the hash map of this group.
    Distributed(i32),
}

/// Can each node join its own rows, so that the nodes' results together are the join's? `on_keys` says whether the join has
/// an equality of a distribution column of each side.
pub fn on_nodes(kind: Kind, left: Rows, right: Rows, on_keys: impl FnOnce() -> bool) -> bool {
    match (kind, left, right) {
        (_, Rows::Distributed(left), Rows::Distributed(right)) => left == right && on_keys(),
        (_, Rows::Replicated, Rows::Replicated) | (Kind::Inner, _, _) => true,
        (Kind::Left | Kind::Semi | Kind::Anti, _, Rows::Replicated) => true,
        _ => false,
    }
}

/// Where a condition of a join is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is one of the join's own conditions on the nodes.
    Join,
    /// On the nodes, over the rows of the join.
    Above,
    /// By the coordinator, over the rows of the nodes.
    Coordinator,
}

/// The place of a condition that the nodes can apply (`shippable`) or not, and that decides which rows match (`of_join`) or
/// filters the result; `None` when the nodes cannot do a join with it. PostgreSQL counts derived equalities as filters also
/// where they decide which rows match.
pub fn place(kind: Kind, shippable: bool, of_join: bool) -> Option<Place> {
    let same = matches!(kind, Kind::Inner | Kind::Semi);
    match (shippable, of_join) {
        (true, true) => Some(Place::Join),
        (true, false) if same => Some(Place::Join),
        _ if kind.gives_left_only() => None,
        (true, false) => Some(Place::Above),
        (false, true) if !same => None,
        (false, _) => Some(Place::Coordinator),
    }
}

/// Sides of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    pub left: bool,
    pub right: bool,
}

impl Kind {
    /// Does the result have columns of the left side only?
    pub fn gives_left_only(self) -> bool {
        matches!(self, Kind::Semi | Kind::Anti)
    }

    /// The sides whose distribution columns the result has.
    pub fn keys(self) -> Sides {
        Sides {
            left: true,
            right: !self.gives_left_only(),
        }
    }

    /// The sides whose distribution columns the join makes null in no row: equal values of these live on one node.
    pub fn keys_never_null(self) -> Sides {
        Sides {
            left: self != Kind::Full,
            right: self == Kind::Inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const KINDS: [Kind; 5] = [Kind::Inner, Kind::Left, Kind::Full, Kind::Semi, Kind::Anti];

    /// A distribution column and a number of the row.
    type Row = (u8, usize);
    type Joined = (Option<Row>, Option<Row>);

    fn table() -> impl Strategy<Value = Vec<Row>> {
        proptest::collection::vec(0u8..6, 0..8).prop_map(|keys| keys.into_iter().zip(0..).collect())
    }

    fn rows() -> impl Strategy<Value = Rows> {
        prop_oneof![
            Just(Rows::Replicated),
            (1i32..3).prop_map(Rows::Distributed)
        ]
    }

    /// What a node has of a table; each group has a hash map of its own.
    fn part(table: &[Row], rows: Rows, node: u8, nodes: u8) -> Vec<Row> {
        let owned = |&(key, _): &Row| match rows {
            Rows::Replicated => true,
            Rows::Distributed(group) => (key + group as u8) % nodes == node,
        };
        table.iter().copied().filter(owned).collect()
    }

    fn join(kind: Kind, left: &[Row], right: &[Row], on: impl Fn(Row, Row) -> bool) -> Vec<Joined> {
        let mut result = Vec::new();
        for &one in left {
            let found: Vec<Row> = right.iter().copied().filter(|&r| on(one, r)).collect();
            match kind {
                Kind::Semi if !found.is_empty() => result.push((Some(one), None)),
                Kind::Anti | Kind::Left | Kind::Full if found.is_empty() => {
                    result.push((Some(one), None));
                }
                Kind::Semi | Kind::Anti => {}
                _ => result.extend(found.into_iter().map(|r| (Some(one), Some(r)))),
            }
        }
        if kind == Kind::Full {
            let alone = right.iter().filter(|&&r| !left.iter().any(|&l| on(l, r)));
            result.extend(alone.map(|&r| (None, Some(r))));
        }
        result.sort();
        result
    }

    fn on_all_nodes(
        kind: Kind,
        left: (&[Row], Rows),
        right: (&[Row], Rows),
        nodes: u8,
        on: impl Fn(Row, Row) -> bool + Copy,
    ) -> Vec<Vec<Joined>> {
        // A fragment without a distributed table is run on one node.
        let replicated = (left.1, right.1) == (Rows::Replicated, Rows::Replicated);
        (0..if replicated { 1 } else { nodes })
            .map(|node| {
                let left = part(left.0, left.1, node, nodes);
                let right = part(right.0, right.1, node, nodes);
                join(kind, &left, &right, on)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn joins_on_nodes_give_the_join(
            kind in proptest::sample::select(&KINDS[..]),
            left in table(), right in table(), of_left in rows(), of_right in rows(),
            nodes in 1u8..4, on_keys: bool,
        ) {
            // Another condition than the equality: all rows match.
            let on = |l: Row, r: Row| !on_keys || l.0 == r.0;
            prop_assume!(on_nodes(kind, of_left, of_right, || on_keys));
            let parts = on_all_nodes(kind, (&left, of_left), (&right, of_right), nodes, on);
            let mut together: Vec<Joined> = parts.concat();
            together.sort();
            prop_assert_eq!(together, join(kind, &left, &right, on));
        }

        #[test]
        fn keys_that_are_never_null_live_on_one_node(
            kind in proptest::sample::select(&KINDS[..]),
            left in table(), right in table(), of_left in rows(), of_right in rows(),
            nodes in 1u8..4,
        ) {
            let on = |l: Row, r: Row| l.0 == r.0;
            prop_assume!(on_nodes(kind, of_left, of_right, || true));
            let parts = on_all_nodes(kind, (&left, of_left), (&right, of_right), nodes, on);
            let sides = kind.keys_never_null();
            let mut homes: BTreeMap<(bool, u8), usize> = BTreeMap::new();
            for (node, rows) in parts.iter().enumerate() {
                for (l, r) in rows {
                    let of_left = (sides.left && of_left != Rows::Replicated).then_some((true, *l));
                    let of_right = (sides.right && of_right != Rows::Replicated).then_some((false, *r));
                    for (side, row) in [of_left, of_right].into_iter().flatten() {
                        let key = row.expect("not null").0;
                        prop_assert_eq!(*homes.entry((side, key)).or_insert(node), node);
                    }
                }
            }
        }
    }

    #[test]
    fn what_the_nodes_cannot_join() {
        let (all, one, other) = (Rows::Replicated, Rows::Distributed(1), Rows::Distributed(2));
        for kind in KINDS {
            assert!(!on_nodes(kind, one, other, || true));
            assert!(!on_nodes(kind, one, one, || false));
            assert!(on_nodes(kind, one, one, || true));
            assert_eq!(on_nodes(kind, all, one, || true), kind == Kind::Inner);
            assert_eq!(on_nodes(kind, one, all, || false), kind != Kind::Full);
        }
    }

    #[test]
    fn places_of_conditions() {
        for kind in KINDS {
            let outer = matches!(kind, Kind::Left | Kind::Full);
            let half = kind.gives_left_only();
            assert_eq!(place(kind, true, true), Some(Place::Join));
            let above = match kind {
                Kind::Inner | Kind::Semi => Some(Place::Join),
                Kind::Left | Kind::Full => Some(Place::Above),
                Kind::Anti => None,
            };
            assert_eq!(place(kind, true, false), above);
            let kept = (!outer && !half).then_some(Place::Coordinator);
            assert_eq!(place(kind, false, true), kept);
            let kept = (!half).then_some(Place::Coordinator);
            assert_eq!(place(kind, false, false), kept);
        }
    }
}
