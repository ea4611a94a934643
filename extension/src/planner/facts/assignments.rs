//! What a write puts into the distribution column of its target.

use super::conditions::{column_of, column_side, computable};
use super::Collector;
use crate::pg::tree::{ListRef, NodeRef};
use crate::plan::casts::{strip_cast, strip_relabel};
use expanse_core::statement::{Column, Inserted, MergeAction, Side};
use pgrx::pg_sys::{self, CmdType, Const, Oid, OnConflictAction, Query, RTEKind, TargetEntry, Var};

impl<'a> Collector<'a, '_> {
    /// Collects that of a statement whose target is distributed.
    pub fn assignments(&mut self, query: NodeRef<'a, Query>) {
        let target = query.result_entry();
        let table = target.and_then(|target| self.metadata.table(target.relid));
        let Some(column) = table.and_then(|table| table.distribution_column()) else {
            return;
        };
        match query.commandType {
            CmdType::CMD_UPDATE => {
                self.facts.query.assigned_key = self.assigned(query.targets(), column);
            }
            CmdType::CMD_INSERT => {
                self.facts.query.conflict_key = on_conflict(query, column);
                self.facts.query.inserted = self.inserted(query, column);
            }
            CmdType::CMD_MERGE => self.merge_actions(query, column),
            _ => {}
        }
    }

    fn assigned(&mut self, targets: ListRef<'a, TargetEntry>, column: i16) -> Option<Side> {
        assigned(targets, column).map(|value| self.side(strip_cast(value)))
    }

    fn inserted(&mut self, query: NodeRef<'a, Query>, column: i16) -> Inserted {
        let entry = query.targets().iter().find(|entry| entry.resno == column);
        let value = entry.and_then(|entry| entry.expression());
        let (Some(value), false) = (value, query.hasSubLinks) else {
            return Inserted::Other;
        };
        let alone = query
            .join_tree()
            .is_some_and(|from| from.items().is_empty());
        if !alone {
            return self.inserted_rows(query, value).unwrap_or(Inserted::Other);
        }
        match computable(value) {
            Some(key)
                if !key
                    .cast::<Const>()
                    .is_some_and(|constant| constant.constisnull) =>
            {
                Inserted::Key(self.key(key))
            }
            _ => Inserted::Other,
        }
    }

    /// The column of a plain SELECT that the inserted values come from.
    fn inserted_rows(&self, query: NodeRef<'a, Query>, value: NodeRef<'a>) -> Option<Inserted> {
        let var = strip_relabel(value).cast::<Var>()?;
        let source = query.entry(var.varno)?;
        if source.rtekind != RTEKind::RTE_SUBQUERY || !query.with().is_empty() {
            return None;
        }
        let select = source.subquery().filter(|select| is_plain(*select))?;
        let mut outputs = select.targets().iter();
        let output = outputs.find(|entry| entry.resno == var.varattno)?;
        let inner = strip_relabel(output.expression()?).cast::<Var>()?;
        let column = Column {
            index: u32::try_from(inner.varno).ok()?,
            attribute: inner.varattno,
        };
        let level = self.facts.level_of(select)?;
        (inner.varlevelsup == 0).then_some(Inserted::Rows { level, column })
    }

    fn merge_actions(&mut self, query: NodeRef<'a, Query>, column: i16) {
        for action in query.merge_actions().iter() {
            let action = match action.commandType {
                CmdType::CMD_UPDATE => MergeAction::Update {
                    assigned: self.assigned(action.targets(), column),
                },
                CmdType::CMD_INSERT => MergeAction::Insert {
                    value: inserted_column(action, column).map(|(column, _)| column),
                },
                _ => MergeAction::Other,
            };
            self.facts.query.merge_actions.push(action);
        }
    }
}

/// The source's column that an INSERT of MERGE puts into the target's column, and its type.
pub fn inserted_column(
    action: NodeRef<'_, pg_sys::MergeAction>,
    column: i16,
) -> Option<(Column, Oid)> {
    let mut targets = action.targets().iter();
    let entry = targets.find(|entry| entry.resno == column)?;
    let value = strip_relabel(strip_cast(entry.expression()?));
    match column_of(value)? {
        (0, column) => Some((column, value.expression_type())),
        _ => None,
    }
}

/// What ON CONFLICT DO UPDATE assigns to the column, and the index of EXCLUDED.
fn on_conflict(query: NodeRef<'_, Query>, column: i16) -> Option<(Side, u32)> {
    let conflict = query.on_conflict()?;
    if conflict.action != OnConflictAction::ONCONFLICT_UPDATE {
        return None;
    }
    let value = assigned(conflict.assignments(), column)?;
    Some((column_side(value), conflict.exclRelIndex as u32))
}

/// What is assigned to the column.
fn assigned<'a>(targets: ListRef<'a, TargetEntry>, column: i16) -> Option<NodeRef<'a>> {
    targets
        .iter()
        .find(|entry| !entry.resjunk && entry.resno == column)
        .and_then(|entry| entry.expression())
}

/// Does the query give rows of its tables as they are?
fn is_plain(select: NodeRef<'_, Query>) -> bool {
    select.group_clause().is_empty()
        && !select.hasAggs
        && !select.hasWindowFuncs
        && select.distinct().is_empty()
        && select.limit_count().is_none()
        && select.limit_offset().is_none()
        && select.set_operations().is_none()
}
