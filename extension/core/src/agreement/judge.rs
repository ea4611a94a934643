//! Comparing the views of several nodes.

use super::takes_part;
use std::collections::{BTreeMap, BTreeSet};

/// A transaction in a node's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The snapshot shows it.
    pub visible: bool,
    pub members: u64,
    /// Of the node's ring; 0 for one that was unfinished at the mark.
    pub sequence: u64,
}

/// How one node's snapshot shows what was unfinished at the reader's mark or recorded since. What was rolled back is left out,
/// and so is the reader's own transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Counted from 1 in one agreement. The snapshots of a round are taken after all views of the rounds before have arrived.
    pub round: u32,
    pub transactions: BTreeMap<u64, State>,
}

/// What the reader knew of a node before the agreement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// The exchange of messages that gave the mark from which the view counts. The messages of an exchange are sent after all
    /// answers of the exchanges before have arrived.
    pub exchange: u32,
    /// A later exchange, and how far the node's ring was in it.
    pub later: Option<(u32, u64)>,
}

/// The nodes whose snapshots lack what others show, or may lack it, with the transactions that they have to wait for.
/// Empty: the snapshots belong together.
pub fn lacking(
    views: &BTreeMap<i32, View>,
    marks: &BTreeMap<i32, Marks>,
) -> BTreeMap<i32, BTreeSet<u64>> {
    let all_marked = marks.values().map(|mark| mark.exchange).max().unwrap_or(0);
    let mut found: BTreeMap<i32, BTreeSet<u64>> = BTreeMap::new();
    for (&node, view) in views {
        for (&transaction, state) in &view.transactions {
            for (&other, compared) in views.iter().filter(|(&other, _)| other != node) {
                let there = compared.transactions.get(&transaction);
                let lacks = match (state.visible, there) {
                    (true, Some(there)) => (!there.visible).then_some(other),
                    // Finished there before the mark, or not recorded there yet. After this view has arrived it is recorded.
                    (true, None) => (takes_part(state.members, other)
                        && compared.round <= view.round)
                        .then_some(other),
                    (false, Some(_)) => None,
                    // The same; but not finished there before the mark if it was recorded here after all marks.
                    (false, None) => {
                        let recorded_after_marks = marks
                            .get(&node)
                            .and_then(|mark| mark.later)
                            .is_some_and(|(exchange, sequence)| {
                                exchange > all_marked && state.sequence > sequence
                            });
                        (takes_part(state.members, other) && !recorded_after_marks).then_some(node)
                    }
                };
                if let Some(lacks) = lacks {
                    found.entry(lacks).or_default().insert(transaction);
                }
            }
        }
    }
    found
}
