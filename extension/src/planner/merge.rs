//! MERGE into a distributed table.
//!
//! # How it works
//! MERGE runs as a statement on every owner. A source row that matches nothing must be inserted once, by the owner of its key:
//! the source becomes a subquery that keeps only the rows whose key this node owns. That needs a column of the source that
//! ON compares with the distribution column, and that is what INSERT puts there.

use crate::metadata::cache::{Metadata, Table};
use crate::pg::tree::{NodeMut, NodeRef};
use crate::planner::exchange::restrict::become_restricted;
use crate::planner::facts::assignments::inserted_column;
use expanse_core::statement::Column;
use pgrx::pg_sys::{Oid, Query};

/// What stands in the way of a MERGE: what it does, and a hint.
pub type Objection = (&'static str, &'static str);

/// Makes every owner see only those rows of the source whose value in the column it owns.
///
/// # Errors
/// Why that cannot be done right.
pub fn restrict(
    query: &mut NodeMut<'_, Query>,
    target: &Table,
    column: Column,
    metadata: &Metadata,
) -> Result<(), Objection> {
    let Some(key) = target.distribution_column() else {
        return Ok(());
    };
    let Some(type_oid) = inserted_type(query.as_ref(), key, column) else {
        return Ok(());
    };
    let version = metadata.group(target.group).version.unwrap_or_default();
    let index = column.index as i32;
    let source = query.child(|query| query.entry(index));
    let mut source = source.expect("a column's relation is in the range table");
    if become_restricted(&mut source, column.attribute, type_oid, version) {
        Ok(())
    } else {
        Err((
            "MERGE with a join as its source",
            "Put the join into a subquery: USING (SELECT ... FROM a JOIN b ...) AS source.",
        ))
    }
}

/// The type of the source's column that INSERT puts into the distribution column `key`.
fn inserted_type(query: NodeRef<'_, Query>, key: i16, column: Column) -> Option<Oid> {
    let mut actions = query.merge_actions().iter();
    actions.find_map(|action| {
        let (inserted, type_oid) = inserted_column(action, key)?;
        (inserted == column).then_some(type_oid)
    })
}
