//! MERGE into a distributed table.
//!
//! # How it works
//! MERGE runs as a statement on every owner. A source row that matches nothing must be inserted once, by the owner of its key:
//! the source becomes a subquery that keeps only the rows whose key this node owns. That needs a column of the source that
//! ON compares with the distribution column, and that is what INSERT puts there.

use crate::metadata::cache::{Metadata, Table};
use crate::pg::list::nodes;
use crate::pg::tree::NodeRef;
use crate::plan::casts::{strip_cast, strip_relabel};
use crate::planner::exchange::restrict::become_restricted;
use crate::planner::key_equality;
use crate::planner::key_equality::Level;
use crate::planner::rekey::assigns_another;
use pgrx::pg_sys::{self, CmdType, MergeAction, Query, RangeTblEntry, TargetEntry, Var};

/// What stands in the way of a MERGE: what it does, and a hint.
pub type Objection = (&'static str, &'static str);

/// Makes every owner see its own rows of the source only, where rows are inserted.
///
/// # Errors
/// Why that can not be done right.
pub fn restrict(query: *mut Query, target: &Table, metadata: &Metadata) -> Result<(), Objection> {
    let Some(column) = target.distribution_column() else {
        return Ok(());
    };
    // SAFETY: PostgreSQL's analysed query tree, the planner's to change.
    unsafe {
        let actions: Vec<*mut MergeAction> = nodes((*query).mergeActionList).collect();
        let rti = (*query).resultRelation;
        let of = |kind| {
            actions
                .iter()
                .filter(move |action| (***action).commandType == kind)
        };
        let key = (rti as u32, column);
        if of(CmdType::CMD_UPDATE).any(|&act| assigns_another(query, (*act).targetList, key)) {
            return Err((
                "changing the distribution column in MERGE",
                "Delete the row and insert it again, in a transaction.",
            ));
        }
        if of(CmdType::CMD_INSERT).next().is_none() {
            return Ok(());
        }
        let level = Level::of(query, None, Some((rti as u32, column)));
        let mut key = None;
        for &action in of(CmdType::CMD_INSERT) {
            let inserted = inserted_column(action, column).filter(|&(var, _)| level.anchored(var));
            match (inserted, key) {
                (Some(found), None) => key = Some(found),
                (Some(found), Some(known)) if found == known => {}
                _ => {
                    return Err((
                        "MERGE that inserts another key than ON compares",
                        "Compare the distribution column with a column of the source in ON, and insert that column.",
                    ))
                }
            }
        }
        let Some(((source, attribute), kind)) = key else {
            return Ok(());
        };
        let entry = nodes::<RangeTblEntry>((*query).rtable)
            .nth(source as usize - 1)
            .expect("a column's relation is in the range table");
        let version = metadata.group(target.group).version.unwrap_or_default();
        if become_restricted(entry, attribute, kind, version) {
            Ok(())
        } else {
            Err((
                "MERGE with a join as its source",
                "Put the join into a subquery: USING (SELECT ... FROM a JOIN b ...) AS source.",
            ))
        }
    }
}

/// The source's column that an INSERT puts into the target's column, and its type.
unsafe fn inserted_column(
    action: *mut MergeAction,
    column: i16,
) -> Option<(key_equality::Column, pg_sys::Oid)> {
    // SAFETY: an action of the analysed query.
    unsafe {
        let entry =
            nodes::<TargetEntry>((*action).targetList).find(|entry| (**entry).resno == column)?;
        let value = NodeRef::present((*entry).expr.cast());
        let node = strip_relabel(strip_cast(value)).as_ptr();
        if !crate::is_a!(node, T_Var) {
            return None;
        }
        let var = node.cast::<Var>();
        ((*var).varlevelsup == 0 && (*var).varattno > 0)
            .then_some((((*var).varno as u32, (*var).varattno), (*var).vartype))
    }
}
