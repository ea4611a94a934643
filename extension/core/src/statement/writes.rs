//! The ways of INSERT, UPDATE, DELETE and MERGE that no single node can do.

use super::decide::Way;
use super::facts::{Command, Inserted, MergeAction, QueryFacts, Target};
use super::join_tree::Side;
use super::key_equality::{Column, Key, KeyEqualities};
use super::placement::{Placement, Table};
use super::refusal::{Reason, Refusal};

pub(super) fn decide(facts: &QueryFacts, placement: &Placement) -> Way {
    let insert = facts.command == Command::Insert;
    let Some(target) = facts.target(placement) else {
        return Way::Fragments {
            writes_here: !insert,
        };
    };
    if let Some(refusal) = refuse_several(facts, placement) {
        return Way::Refuse(refusal);
    }
    match target.table {
        Table::Distributed { group, .. } if insert => {
            if inserts_together(facts, placement, group) {
                let restrict = None;
                Way::Owners { group, restrict }
            } else {
                Way::Distribute
            }
        }
        Table::Distributed { group, .. } if lies_with(facts, placement, &target) => {
            on_owners(facts, &target, group)
        }
        Table::Distributed { .. } => Way::Exchange {
            anchor: target.key(),
        },
        Table::Replicated
            if same_rows_everywhere(facts, placement) && same_sources(facts, placement) =>
        {
            Way::Everywhere
        }
        // Rows to insert are computed here and sent, whatever they come from.
        Table::Replicated if insert => Way::Distribute,
        Table::Replicated if same_sources(facts, placement) => {
            Way::Refuse(Refusal::of(&target, Reason::CopiesMayDiffer))
        }
        Table::Replicated => Way::Exchange { anchor: None },
    }
}

/// The way of what is left after [`Way::Exchange`].
pub fn decide_exchanged(facts: &QueryFacts, placement: &Placement) -> Way {
    let Some(target) = facts.target(placement) else {
        return Way::Fragments { writes_here: true };
    };
    match target.table {
        Table::Distributed { group, .. } if lies_with(facts, placement, &target) => {
            on_owners(facts, &target, group)
        }
        Table::Replicated if same_rows_everywhere(facts, placement) => Way::Everywhere,
        table => Way::Refuse(Refusal::of(&target, not_exchanged(table))),
    }
}

/// Why a statement is refused for which [`Way::Exchange`] is not possible.
pub fn refuse_exchange(target: &Target) -> Refusal {
    Refusal::of(target, not_exchanged(target.table))
}

fn not_exchanged(target: Table) -> Reason {
    match target {
        Table::Distributed { .. } => Reason::NeedsWholeRows,
        Table::Replicated => Reason::CopiesMayDiffer,
    }
}

/// Refuses a statement that writes, or locks, more than one table.
pub fn refuse_several(facts: &QueryFacts, placement: &Placement) -> Option<Refusal> {
    let target = facts.target(placement)?;
    let written = facts.placed(placement).filter(|mention| mention.written());
    (written.count() > 1).then(|| Refusal::of(&target, Reason::WritesSeveralTables))
}

/// Does an UPDATE give the distribution column another value? An assignment of what the column is equal to anyway (`SET id = $1
/// ... WHERE id = $1`) leaves the row where it is.
pub(super) fn changes_key(facts: &QueryFacts, placement: &Placement) -> bool {
    let key = facts.target(placement).and_then(|target| target.key());
    let (Some(key), Some(value)) = (key, facts.assigned_key) else {
        return false;
    };
    facts.command == Command::Update && !KeyEqualities::of(facts, 0, Some(key)).equal(0, key, value)
}

/// Refuses ON CONFLICT DO UPDATE that would give a row another key.
pub(super) fn refuse_conflict(facts: &QueryFacts, placement: &Placement) -> Option<Refusal> {
    let target = facts.target(placement)?;
    let key = target.key()?;
    let (value, excluded) = facts.conflict_key?;
    // The row in the way has the same key: it is part of every unique index.
    let same = [key.index, excluded].map(|index| {
        let column = Column { index, ..key };
        Side::Column { up: 0, column }
    });
    (!same.contains(&value)).then(|| Refusal::of(&target, Reason::ConflictChangesKey))
}

/// Does all that the statement reads lie with the row that it writes?
fn lies_with(facts: &QueryFacts, placement: &Placement, target: &Target) -> bool {
    !facts.needs_this_node(placement)
        && KeyEqualities::of(facts, 0, target.key()).together(0, placement)
}

fn on_owners(facts: &QueryFacts, target: &Target, group: i32) -> Way {
    let refuse = |reason| Way::Refuse(Refusal::of(target, reason));
    if facts.rows_by_place {
        return refuse(Reason::RowsByPlace);
    }
    if facts.functions.bound_to_node {
        return refuse(Reason::VolatileWrite);
    }
    match restrict_source(facts, target) {
        Err(reason) => refuse(reason),
        Ok(_) if facts.functions.may_read_tables => refuse(Reason::WriteMayReadTables),
        Ok(restrict) => Way::Owners { group, restrict },
    }
}

/// The column of the source of a MERGE by which a row that matches nothing belongs to one owner; `None` when no row is
/// inserted.
fn restrict_source(facts: &QueryFacts, target: &Target) -> Result<Option<Column>, Reason> {
    let Some(key) = target.key() else {
        return Ok(None);
    };
    let keys = KeyEqualities::of(facts, 0, Some(key));
    let changes = |action: &MergeAction| matches!(action, MergeAction::Update { assigned: Some(value) } if !keys.equal(0, key, *value));
    if facts.merge_actions.iter().any(changes) {
        return Err(Reason::MergeChangesKey);
    }
    let mut found = None;
    for action in &facts.merge_actions {
        let MergeAction::Insert { value } = action else {
            continue;
        };
        match (value.filter(|&column| keys.anchored(0, column)), found) {
            (Some(column), None) => found = Some(column),
            (Some(column), Some(known)) if column == known => {}
            _ => return Err(Reason::MergeInsertsOtherKey),
        }
    }
    Ok(found)
}

/// Are the rows of an INSERT ... SELECT on the nodes that they belong to?
fn inserts_together(facts: &QueryFacts, placement: &Placement, group: i32) -> bool {
    let Inserted::Rows { level, column } = facts.inserted else {
        return false;
    };
    if facts.functions.volatile
        || facts.functions.may_read_tables
        || facts.needs_this_node(placement)
    {
        return false;
    }
    let source = facts.levels[level]
        .mentions
        .iter()
        .find(|mention| mention.index == column.index)
        .and_then(|mention| placement.table(mention.relation));
    let attribute = column.attribute;
    source
        == Some(Table::Distributed {
            column: attribute,
            group,
        })
        && KeyEqualities::of(facts, level, Some(column))
            .common(placement)
            .is_some_and(|keys| keys.contains(&Key::Anchor))
}

/// Does every node have what the statement reads, before an exchange?
fn same_sources(facts: &QueryFacts, placement: &Placement) -> bool {
    facts.distributed(placement).next().is_none() && !facts.needs_this_node(placement)
}

/// Does the statement do the same on every copy of its tables? LIMIT, DISTINCT ON and window functions choose by the order
/// of rows, which differs between copies.
pub(super) fn same_rows_everywhere(facts: &QueryFacts, placement: &Placement) -> bool {
    // What a SELECT shows is this node's, and may.
    let by_place = facts.system_columns && facts.command != Command::Select;
    !facts.functions.volatile
        && !facts.functions.may_read_tables
        && !facts.order_dependent
        && !facts.modifying_with
        && !by_place
        && !facts.needs_this_node(placement)
}

/// What an INSERT of rows that are computed here leaves to the nodes: ON CONFLICT and RETURNING, after what depends on the
/// moment or the session has been computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Insertion {
    /// The statement has a sublink in them.
    pub sublink: bool,
    /// ON CONFLICT calls a volatile function.
    pub volatile_conflict: bool,
    pub bound_to_node: bool,
    pub may_read_tables: bool,
    /// Columns such as `ctid` are used; for replicated tables other than in RETURNING.
    pub system_columns: bool,
}

/// Why an INSERT into `target` is refused that takes [`Way::Distribute`].
pub fn check_insertion(insertion: &Insertion, target: &Target) -> Option<Refusal> {
    let differs =
        insertion.volatile_conflict || insertion.may_read_tables || insertion.system_columns;
    let reason = if insertion.sublink {
        Reason::SublinkInInsertion
    } else if target.table == Table::Replicated && differs {
        Reason::CopiesMayConflictDifferently
    } else if insertion.bound_to_node {
        Reason::VolatileInsertion
    } else if insertion.may_read_tables {
        Reason::InsertionMayReadTables
    } else {
        return None;
    };
    Some(Refusal::of(target, reason))
}
