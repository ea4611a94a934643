//! An UPDATE that changes the distribution column: the rows are deleted where they were and inserted where they belong.
//!
//! The DELETE computes and returns the new rows; an INSERT of these takes the UPDATE's place. As when PostgreSQL
//! moves a row to another partition, this is a deletion and an insertion for other sessions; where that would make
//! a difference (foreign keys to the table, UPDATE triggers, row security) it is refused.

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::catalog::{columns, fires_on_update};
use crate::pg::spi;
use crate::pg::tree::build::{from, number_of, target as target_entry, var};
use crate::pg::tree::change::change_columns;
use crate::pg::tree::{copy, list_of, make, walk_list, NodeMut, NodeRef, Step};
use crate::plan::deparse::calls_volatile_of_node;
use crate::planner::exchange::{become_rows, columns_of, Column, Source, StoredRows};
use crate::planner::modify::target;
use crate::planner::prior_writes::{moved_rows, PriorWrites};
use crate::planner::refusals::refuse;
use pgrx::pg_sys::{
    self, AttrNumber, CmdType, Oid, Param, ParamKind, Query, RangeTblEntry, TargetEntry,
};

/// Turns the UPDATE into an INSERT of rows that a DELETE returns, which is to run first.
pub fn change_key<'a>(query: &mut NodeMut<'_, Query>, metadata: &Metadata) -> PriorWrites<'a> {
    let target = target(query.as_ref(), metadata);
    let (_, table) = target.expect("the target is a distributed table");
    let TableKind::Distributed {
        column,
        column_name,
    } = &table.kind
    else {
        return PriorWrites::default();
    };
    let relation = table.relation;
    let refuse = |(what, hint): (&str, &str)| -> ! {
        let what = format!("changing the distribution column \"{column_name}\" {what}");
        refuse(&what, relation, hint, metadata)
    };
    if let Some(objection) = objection(query.as_ref(), relation) {
        refuse(objection);
    }
    let deletion = deletion(query.as_ref(), relation, *column);
    let returned = deletion.as_ref().returning();
    let Some(columns) = columns_of(returned) else {
        refuse((
            "with a column of type record",
            "Delete the row and insert it again.",
        ))
    };
    let numbers: Vec<AttrNumber> = returned.iter().map(|entry| entry.resorigcol).collect();
    let source = Source::of(deletion.as_ref(), true);
    become_insertion(query, source.number, &columns, &numbers);
    let mut prior = PriorWrites::default();
    prior.exchange.relations.push(relation);
    prior.exchange.sources.push(source);
    prior.shown_as = Some(CmdType::CMD_UPDATE);
    prior
}

/// What stands in the way, and a hint.
fn objection(query: NodeRef<'_, Query>, relation: Oid) -> Option<(&'static str, &'static str)> {
    let again = "Delete the row and insert it again, in a transaction.";
    if foreign_keys_to(relation) {
        Some((
            "of a table that foreign keys point to",
            "Insert the row with its new key, change the rows that point to it, and delete the old one, in a transaction.",
        ))
    } else if calls_volatile_of_node(query) {
        Some((
            "to what a volatile function gives",
            "Compute the value first and pass it on.",
        ))
    } else if !query.check_options().is_empty() {
        Some((
            "under row security or through a view WITH CHECK OPTION",
            again,
        ))
    } else if fires_on_update(relation) {
        Some(("of a table with UPDATE triggers", again))
    } else if assigns_from_subquery(query) {
        Some((
            "in an assignment of several columns from one subquery",
            "Assign each column by itself.",
        ))
    } else if returns_others(query) {
        Some((
            "with RETURNING of other tables' columns",
            "Return columns of the table itself only.",
        ))
    } else {
        None
    }
}

fn foreign_keys_to(relation: Oid) -> bool {
    spi::holds(&format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE confrelid = {} AND contype = 'f')",
        relation.to_u32()
    ))
}

/// Does an assignment use a parameter of a multiple assignment, which has no text outside of it?
fn assigns_from_subquery(query: NodeRef<'_, Query>) -> bool {
    walk_list(query.targets(), &mut |node| {
        let multiple = node
            .cast::<Param>()
            .is_some_and(|param| param.paramkind == ParamKind::PARAM_MULTIEXPR);
        match (multiple, node.is::<Query>()) {
            (true, _) => Step::Stop,
            (false, true) => Step::Over,
            (false, false) => Step::Into,
        }
    })
}

fn returns_others(query: NodeRef<'_, Query>) -> bool {
    // SAFETY: reads a valid list, and sets of its own.
    unsafe {
        let returning = query.returning().as_ptr().cast();
        let about = pg_sys::pull_varnos(std::ptr::null_mut(), returning);
        !pg_sys::bms_is_subset(about, pg_sys::bms_make_singleton(query.resultRelation))
    }
}

/// `DELETE ... RETURNING` the rows as they are to be; each returned column notes its attribute number.
fn deletion<'a>(query: NodeRef<'_, Query>, relation: Oid, key: AttrNumber) -> NodeMut<'a, Query> {
    let mut deletion = copy(query);
    let rti = deletion.resultRelation;
    let mut target = target_of(&mut deletion);
    target.requiredPerms = pg_sys::ACL_DELETE | pg_sys::ACL_SELECT;
    deletion.commandType = CmdType::CMD_DELETE;
    deletion.targetList = std::ptr::null_mut();
    let mut returned = Vec::new();
    for column in columns(relation) {
        if column.dropped || column.generated {
            continue;
        }
        let old = var(rti, column.number, column.of);
        if column.number == key {
            moved_rows::mark(&mut deletion, copy(old).into_ref());
        }
        let mut assigned = query.targets().iter();
        let new = assigned.find(|entry| !entry.resjunk && entry.resno == column.number);
        let value = match new.and_then(|entry| entry.expression()) {
            Some(new) => copy(new).into_ref(),
            None => old.node(),
        };
        let number = number_of(returned.len());
        let mut entry = target_entry(value, number, Some(&column.name));
        entry.resorigcol = column.number;
        returned.push(entry.into_ref());
    }
    deletion.returningList = list_of(returned).as_ptr();
    deletion
}

/// Turns the query into `INSERT INTO target SELECT * FROM` the rows under `number`.
fn become_insertion(
    query: &mut NodeMut<'_, Query>,
    number: i32,
    columns: &[Column],
    attributes: &[AttrNumber],
) {
    let (rti, returning) = (query.resultRelation, query.returningList);
    let mut rows = make::<RangeTblEntry>();
    become_rows(
        &mut rows,
        StoredRows::InThisSession(number),
        columns,
        c"moved",
    );
    let mut insertion = make::<Query>();
    insertion.commandType = CmdType::CMD_INSERT;
    insertion.canSetTag = query.canSetTag;
    insertion.queryId = query.queryId;
    insertion.stmt_location = query.stmt_location;
    insertion.stmt_len = query.stmt_len;
    let mut target = target_of(query);
    let returned = if returning.is_null() {
        0
    } else {
        pg_sys::ACL_SELECT
    };
    target.requiredPerms = pg_sys::ACL_INSERT | returned;
    target.insertedCols = target.updatedCols;
    target.securityQuals = std::ptr::null_mut();
    insertion.rtable = list_of([target.into_ref(), rows.into_ref()]).as_ptr();
    insertion.resultRelation = 1;
    insertion.jointree = from([2], None).as_ptr();
    insertion.returningList = returning;
    if let Some(mut returning) = insertion.child(|query| query.returning().node()) {
        change_columns(&mut returning, rti, 1);
    }
    let returning = insertion.as_ref().returning().node();
    insertion.hasSubLinks = returning.is_some_and(NodeRef::has_sublink);
    let inserted = columns.iter().zip(attributes).enumerate();
    let inserted = inserted.map(|(index, (column, &attribute))| {
        let value = var(2, number_of(index), column.of).node();
        target_entry(value, attribute, column.label.as_deref()).into_ref()
    });
    let inserted = list_of::<TargetEntry>(inserted).as_ptr();
    insertion.targetList = inserted;
    **query = *insertion;
}

fn target_of<'q>(query: &'q mut NodeMut<'_, Query>) -> NodeMut<'q, RangeTblEntry> {
    let target = query.child(|query| query.result_entry());
    target.expect("the target is in the range table")
}
