//! Which assignments give a row another distribution key.
//!
//! An assignment of what the column is equal to anyway (`SET id = $1 ... WHERE id = $1`, as programs write that set all
//! columns) leaves the row where it is: values that are equal have the same hash.

use crate::metadata::cache::Metadata;
use crate::pg::list::nodes;
use crate::pg::tree::NodeRef;
use crate::plan::casts::strip_cast;
use crate::planner::key_equality::{column_of, Column, Level};
use crate::planner::modify::{refuse, target};
use pgrx::pg_sys::{self, CmdType, List, Node, OnConflictAction, Query, TargetEntry};

/// Does an UPDATE give the distribution column another value?
pub fn changes_key(query: *mut Query, metadata: &Metadata) -> bool {
    // SAFETY: PostgreSQL's analysed query tree.
    let (command, targets) = unsafe { ((*query).commandType, (*query).targetList) };
    command == CmdType::CMD_UPDATE
        && key(query, metadata).is_some_and(|key| assigns_another(query, targets, key))
}

/// Does one of the query's assignments give the column a value that its conditions do not say it has already?
pub fn assigns_another(query: *mut Query, targets: *mut List, key: Column) -> bool {
    assigned(targets, key.1).is_some_and(|value| {
        column_of(value, 0) != Some(key) && {
            // SAFETY: an expression of the analysed query.
            let value = strip_cast(unsafe { NodeRef::present(value) }).as_ptr();
            !Level::of(query, None, Some(key)).equal(key, value)
                && !Level::of(query, None, None).equal(key, value)
        }
    })
}

/// Refuses ON CONFLICT DO UPDATE that would give a row another key: it could belong to another node.
pub fn check_conflict(query: *mut Query, metadata: &Metadata) {
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe {
        let conflict = (*query).onConflict;
        if conflict.is_null() || (*conflict).action != OnConflictAction::ONCONFLICT_UPDATE {
            return;
        }
        let Some(key) = key(query, metadata) else {
            return;
        };
        let Some(value) = assigned((*conflict).onConflictSet, key.1) else {
            return;
        };
        // The row in the way has the same key: it is part of every unique index.
        let excluded = ((*conflict).exclRelIndex as u32, key.1);
        if ![Some(key), Some(excluded)].contains(&column_of(value, 0)) {
            let name = target(query, metadata).map_or_else(String::new, |(name, _)| name);
            refuse(
                &name,
                "changing the distribution column in ON CONFLICT DO UPDATE",
                "Set it to EXCLUDED's column or leave it out, and UPDATE the row by itself.",
            );
        }
    }
}

/// The distribution column of the table that the query writes.
fn key(query: *mut Query, metadata: &Metadata) -> Option<Column> {
    let (_, table) = target(query, metadata)?;
    // SAFETY: PostgreSQL's analysed query tree.
    let rti = unsafe { (*query).resultRelation } as u32;
    table.distribution_column().map(|column| (rti, column))
}

/// What is assigned to the column.
fn assigned(targets: *mut List, column: i16) -> Option<*mut Node> {
    // SAFETY: a target list of the analysed query.
    unsafe {
        nodes::<pg_sys::TargetEntry>(targets)
            .find(|entry| !(**entry).resjunk && (**entry).resno == column)
            .map(|entry: *mut TargetEntry| (*entry).expr.cast())
    }
}
