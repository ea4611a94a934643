//! Whether snapshots of several nodes belong together.
//!
//! A transaction over nodes is prepared on all of them before it is visible on any. Each node reports, for the snapshot it
//! took, which such transactions are pending in it and which are done. A snapshot lacks a transaction when another
//! node's snapshot shows it: then it has to be taken again.

use std::collections::{BTreeMap, BTreeSet};

/// What one node's snapshot shows. Transactions are known by 64-bit fingerprints.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct View {
    /// Rounds are counted from 1; views of one round were taken at overlapping times.
    pub round: u32,
    /// Not visible: prepared, or about to be. True when it has been so for long, so that others may have
    /// forgotten that it is done.
    pub pending: BTreeMap<u64, bool>,
    /// Visible since a short time, with the nodes that take part (see [`member`]).
    pub done: BTreeMap<u64, u64>,
}

/// The bit of a node in the set of a transaction's members. Nodes that share a bit are only asked once too often.
pub fn member(node: i32) -> u64 {
    1 << node.rem_euclid(64)
}

/// The nodes whose snapshots lack what others show, with the transactions they lack.
pub fn lacking(views: &BTreeMap<i32, View>) -> BTreeMap<i32, BTreeSet<u64>> {
    let mut found = BTreeMap::new();
    for (&node, view) in views {
        let mut lacks: BTreeSet<u64> = view
            .pending
            .iter()
            .filter(|(transaction, old)| **old || done_elsewhere(views, node, **transaction))
            .map(|(transaction, _)| *transaction)
            .collect();
        for other in views
            .iter()
            .filter(|(&id, _)| id != node)
            .map(|(_, view)| view)
        {
            // A later snapshot that knows nothing of it has it behind it.
            let comparable = view.round <= other.round;
            lacks.extend(other.done.iter().filter_map(|(transaction, members)| {
                let unknown =
                    !view.done.contains_key(transaction) && !view.pending.contains_key(transaction);
                (comparable && unknown && members & member(node) != 0).then_some(*transaction)
            }));
        }
        if !lacks.is_empty() {
            found.insert(node, lacks);
        }
    }
    found
}

fn done_elsewhere(views: &BTreeMap<i32, View>, node: i32, transaction: u64) -> bool {
    views
        .iter()
        .any(|(&other, view)| other != node && view.done.contains_key(&transaction))
}

#[cfg(test)]
mod tests {
    use super::{lacking, member, View};
    use std::collections::{BTreeMap, BTreeSet};

    fn view(round: u32, pending: &[(u64, bool)], done: &[u64]) -> View {
        let members = member(1) | member(2);
        View {
            round,
            pending: pending.iter().copied().collect(),
            done: done.iter().map(|&t| (t, members)).collect(),
        }
    }

    fn of(views: [(i32, View); 2]) -> Vec<i32> {
        lacking(&BTreeMap::from(views)).into_keys().collect()
    }

    #[test]
    fn equal_views_belong_together() {
        assert!(of([(1, view(1, &[], &[7])), (2, view(1, &[], &[7]))]).is_empty());
        assert!(of([
            (1, view(1, &[(7, false)], &[])),
            (2, view(1, &[(7, false)], &[]))
        ])
        .is_empty());
    }

    #[test]
    fn pending_here_and_done_there_is_torn() {
        assert_eq!(
            of([(1, view(1, &[(7, false)], &[])), (2, view(1, &[], &[7]))]),
            [1]
        );
    }

    #[test]
    fn a_snapshot_from_before_the_prepare_is_torn_too() {
        assert_eq!(of([(1, view(1, &[], &[])), (2, view(1, &[], &[7]))]), [1]);
    }

    #[test]
    fn a_later_snapshot_has_forgotten_what_it_does_not_know() {
        assert!(of([(1, view(2, &[], &[])), (2, view(1, &[], &[7]))]).is_empty());
    }

    #[test]
    fn what_is_pending_for_long_is_waited_for() {
        assert_eq!(
            of([(1, view(1, &[(7, true)], &[])), (2, view(1, &[], &[]))]),
            [1]
        );
    }

    #[test]
    fn others_do_not_care() {
        let views = BTreeMap::from([
            (1, view(1, &[], &[7])),
            (2, view(1, &[], &[7])),
            (3, view(1, &[], &[])),
        ]);
        assert_eq!(lacking(&views), BTreeMap::<i32, BTreeSet<u64>>::new());
    }
}
