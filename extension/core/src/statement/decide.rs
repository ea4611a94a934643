//! The way of a statement.

use super::facts::{Command, Inserted, QueryFacts};
use super::join_tree::KeyId;
use super::key_equality::{Column, Key, KeyEqualities};
use super::placement::{Placement, Table};
use super::refusal::{Reason, Refusal};
use super::writes;
use std::collections::BTreeSet;

/// The routing token: every statement takes exactly one of these ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Only replicated tables are read: any node can answer, so this one does.
    Local,
    /// The owner of the key answers the whole statement; which node that is shows at execution.
    Route {
        group: i32,
        key: KeyId,
    },
    /// PostgreSQL plans, over fragments of the tables.
    Fragments {
        /// UPDATE, DELETE or MERGE of a local table, whose rows PostgreSQL may look at again by their place.
        writes_here: bool,
    },
    /// The statement runs as it is on all owners of buckets of the group.
    Owners {
        group: i32,
        /// MERGE inserts: each node may see only those rows of the source whose value in this column it owns.
        restrict: Option<Column>,
    },
    /// The statement runs as it is on all nodes, which have all rows.
    Everywhere,
    /// Rows are computed here and sent to the nodes that they belong to.
    Distribute,
    /// Rewrite: the writes of the WITH clause run first. Ask [`decide`] again for the rest.
    WritesFirst,
    /// Rewrite: the rows of an UPDATE that changes the distribution column are deleted, and inserted where they belong.
    /// Ask [`decide`] again for the INSERT.
    MoveRows,
    /// Rewrite: rows are read here and sent along that are not where the target's row is (the anchor), or not on every node.
    /// Ask [`super::decide_exchanged`] for the rest, or [`super::refuse_exchange`] when that cannot be.
    Exchange {
        anchor: Option<Column>,
    },
    Refuse(Refusal),
}

/// Chooses the way of a statement of a client.
pub fn decide(facts: &QueryFacts, placement: &Placement) -> Way {
    if let Some(refusal) = refuse_policy(facts, placement).or_else(|| check(facts, placement)) {
        return Way::Refuse(refusal);
    }
    if facts.modifying_with {
        return Way::WritesFirst;
    }
    if let Some(refusal) = writes::refuse_conflict(facts, placement) {
        return Way::Refuse(refusal);
    }
    if writes::changes_key(facts, placement) {
        return Way::MoveRows;
    }
    if let Some((group, key)) = route(facts, placement) {
        return Way::Route { group, key };
    }
    match facts.command {
        Command::Select => select(facts, placement),
        _ => writes::decide(facts, placement),
    }
}

/// Refuses writes whose text for other nodes would lack a part of them.
pub fn check(facts: &QueryFacts, placement: &Placement) -> Option<Refusal> {
    let target = facts.target(placement)?;
    if facts.view_check {
        return Some(Refusal::of(&target, Reason::ViewCheck));
    }
    facts
        .current_of
        .then(|| Refusal::of(&target, Reason::CurrentOf))
}

fn refuse_policy(facts: &QueryFacts, placement: &Placement) -> Option<Refusal> {
    let policies = facts.levels.iter().filter(|level| level.in_policy);
    policies
        .flat_map(|level| &level.mentions)
        .find(|mention| placement.is_distributed(mention.relation))
        .map(|mention| Refusal {
            relation: mention.relation,
            reason: Reason::PolicyReads,
        })
}

/// The group and the key when one node can answer the whole statement.
pub(super) fn route(facts: &QueryFacts, placement: &Placement) -> Option<(i32, KeyId)> {
    let group = common_group(facts, placement)?;
    let writes_copies = facts.replicated(placement).any(|mention| mention.written());
    // A row of a SELECT that calls a volatile function is computed here.
    let bound = facts.functions.bound_to_node
        || facts.command == Command::Select && facts.functions.volatile;
    if facts.modifying_with
        || writes_copies
        || bound
        || facts.functions.may_read_tables
        || facts.needs_this_node(placement)
    {
        return None;
    }
    let key = match facts.command {
        Command::Insert => match facts.inserted {
            Inserted::Key(key) => Some(key),
            _ => None,
        },
        // A row that matches nothing may be inserted with another key than the one compared.
        Command::Merge => None,
        Command::Update if writes::changes_key(facts, placement) => None,
        _ => KeyEqualities::of(facts, 0, None)
            .common(placement)?
            .into_iter()
            .find_map(|key| match key {
                Key::Value(key) => Some(key),
                Key::Anchor => None,
            }),
    };
    key.map(|key| (group, key))
}

/// The group of all distributed tables; `None` when there are several, or none.
fn common_group(facts: &QueryFacts, placement: &Placement) -> Option<i32> {
    let groups =
        facts
            .mentions()
            .filter_map(|mention| match placement.table(mention.relation)? {
                Table::Distributed { group, .. } => Some(group),
                Table::Replicated => None,
            });
    let groups: BTreeSet<i32> = groups.collect();
    let mut groups = groups.into_iter();
    groups.next().filter(|_| groups.next().is_none())
}

fn select(facts: &QueryFacts, placement: &Placement) -> Way {
    let locked = facts.placed(placement).find(|mention| mention.written());
    let distributed = facts.distributed(placement).next().is_some();
    match locked {
        None if distributed => Way::Fragments { writes_here: false },
        None => Way::Local,
        Some(_) if !distributed && !excludes(facts) => Way::Local,
        // Every copy of the rows is locked, in the order in which writes lock them.
        Some(_) if !distributed && writes::same_rows_everywhere(facts, placement) => {
            Way::Everywhere
        }
        Some(mention) => Way::Refuse(Refusal {
            relation: mention.relation,
            reason: Reason::LocksSeveralNodes,
        }),
    }
}

/// May it lock rows against others that lock them? FOR SHARE and FOR KEY SHARE are only about writers, which come to every copy
/// of a row: the one on this node is enough.
fn excludes(facts: &QueryFacts) -> bool {
    (0..facts.levels.len())
        .filter(|&level| in_from(facts, level))
        .any(|level| facts.levels[level].excludes || facts.levels[level].has_with)
}

/// Is the level the statement itself, or a subquery in its FROM?
fn in_from(facts: &QueryFacts, level: usize) -> bool {
    use super::facts::Origin::{From, Statement};
    let found = &facts.levels[level];
    matches!(found.origin, From | Statement)
        && found.parent.is_none_or(|outer| in_from(facts, outer))
}

/// How a statement of a user's function is done on a node that works for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NestedWay {
    /// As PostgreSQL plans it.
    Local,
    /// If this node owns the key.
    Route { group: i32, key: KeyId },
    /// It needs other nodes, and cannot have them from here.
    RemoteRows { relation: u32 },
}

/// Chooses that.
pub fn decide_nested(facts: &QueryFacts, placement: &Placement) -> NestedWay {
    let mut distributed = facts.distributed(placement);
    let first = distributed.next();
    let written = facts.placed(placement).any(|mention| mention.written());
    let reads_copies = facts.command == Command::Select && first.is_none() && !written;
    if facts.names_only || reads_copies {
        return NestedWay::Local;
    }
    if let Some((group, key)) = route(facts, placement) {
        return NestedWay::Route { group, key };
    }
    let relation = first
        .or_else(|| facts.replicated(placement).next())
        .map_or(0, |mention| mention.relation);
    NestedWay::RemoteRows { relation }
}
