//! An UPDATE that changes the distribution column: the rows are deleted where they were and inserted where they belong.
//!
//! The DELETE computes and returns the new rows; an INSERT of these takes the UPDATE's place. As when PostgreSQL
//! moves a row to another partition, this is a deletion and an insertion to whoever looks closely; where that would make
//! a difference (foreign keys to the table, UPDATE triggers, row security) it is refused.

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::entry::guarded;
use crate::pg::nodes::{copy, items, make};
use crate::pg::spi;
use crate::pg::tree::NodeRef;
use crate::plan::deparse::calls_volatile_of_node;
use crate::planner::exchange;
use crate::planner::exchange::replace::columns_of;
use crate::planner::first::{moving, multiple, source_of, First};
use crate::planner::modify::target;
use crate::planner::refusals::refuse;
use pgrx::pg_sys::*;

/// Turns the UPDATE into an INSERT of rows that a DELETE returns, which is to run first.
pub fn change_key(query: *mut Query, metadata: &Metadata) -> First<'static> {
    // SAFETY: PostgreSQL's analysed query tree.
    let target = target(unsafe { NodeRef::present(query) }, metadata);
    let (_, table) = target.expect("the target is a distributed table");
    let TableKind::Distributed {
        column,
        column_name,
    } = &table.kind
    else {
        return First::default();
    };
    let object = |what: &str, hint: &str| -> ! {
        refuse(
            &format!("changing the distribution column \"{column_name}\" {what}"),
            table.relation,
            hint,
            metadata,
        )
    };
    if foreign_keys_to(table.relation) {
        object(
            "of a table that foreign keys point to",
            "Insert the row with its new key, change the rows that point to it, and delete the old one, in a transaction.",
        );
    }
    // SAFETY: PostgreSQL's analysed query tree.
    if calls_volatile_of_node(unsafe { NodeRef::present(query) }) {
        object(
            "to what a volatile function gives",
            "Compute the value first and pass it on.",
        );
    }
    // SAFETY: PostgreSQL's analysed query tree, the planner's to change.
    unsafe {
        if !(*query).withCheckOptions.is_null() {
            object(
                "under row security or through a view WITH CHECK OPTION",
                "Delete the row and insert it again, in a transaction.",
            );
        }
        if updates_fire(table.relation) {
            object(
                "of a table with UPDATE triggers",
                "Delete the row and insert it again, in a transaction.",
            );
        }
        if guarded(|| multiple((*query).targetList.cast(), std::ptr::null_mut())) {
            object(
                "in an assignment of several columns from one subquery",
                "Assign each column by itself.",
            );
        }
        if returns_others(query) {
            object(
                "with RETURNING of other tables' columns",
                "Return columns of the table itself only.",
            );
        }
        let deletion = deletion(query, table.relation, *column);
        let Some(columns) = columns_of((*deletion).returningList) else {
            object(
                "with a column of type record",
                "Delete the row and insert it again.",
            );
        };
        let source = source_of(deletion);
        let numbers: Vec<AttrNumber> = items::<TargetEntry>((*deletion).returningList)
            .map(|entry| (*entry).resorigcol)
            .collect();
        become_insertion(query, &source, &columns, &numbers);
        let mut first = First::default();
        first.taken.relations.push(table.relation);
        first.taken.sources.push(source);
        first.shown_as = Some(CmdType::CMD_UPDATE);
        first
    }
}

fn foreign_keys_to(relation: Oid) -> bool {
    spi::holds(&format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE confrelid = {} AND contype = 'f')",
        relation.to_u32()
    ))
}

unsafe fn updates_fire(relation: Oid) -> bool {
    // SAFETY: the relation is locked by the analysis of the query; it is closed again, the lock stays.
    unsafe {
        let opened = table_open(relation, NoLock as i32);
        let triggers = (*opened).trigdesc;
        let fire = !triggers.is_null()
            && ((*triggers).trig_update_before_row
                || (*triggers).trig_update_after_row
                || (*triggers).trig_update_before_statement
                || (*triggers).trig_update_after_statement);
        table_close(opened, NoLock as i32);
        fire
    }
}

unsafe fn returns_others(query: *mut Query) -> bool {
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe {
        let about = pull_varnos(std::ptr::null_mut(), (*query).returningList.cast());
        !bms_is_subset(about, bms_make_singleton((*query).resultRelation))
    }
}

/// `DELETE ... RETURNING` the rows as they are to be; each returned column notes its attribute number.
unsafe fn deletion(query: *mut Query, relation: Oid, column: i16) -> *mut Query {
    // SAFETY: a copy of the analysed query; the relation is locked.
    unsafe {
        let deletion = copy(query);
        let rti = (*deletion).resultRelation;
        let target = items::<RangeTblEntry>((*deletion).rtable)
            .nth(rti as usize - 1)
            .expect("the target is in the range table");
        (*target).requiredPerms = ACL_DELETE | ACL_SELECT;
        (*deletion).commandType = CmdType::CMD_DELETE;
        let changed = (*deletion).targetList;
        (*deletion).targetList = std::ptr::null_mut();
        (*deletion).returningList = std::ptr::null_mut();
        let opened = table_open(relation, NoLock as i32);
        for index in 0..(*(*opened).rd_att).natts as usize {
            let attribute = &*(*(*opened).rd_att).attrs.as_ptr().add(index);
            if attribute.attisdropped || attribute.attgenerated != 0 {
                continue;
            }
            let new = items::<TargetEntry>(changed)
                .find(|entry| !(**entry).resjunk && (**entry).resno == attribute.attnum);
            let var = makeVar(
                rti,
                attribute.attnum,
                attribute.atttypid,
                attribute.atttypmod,
                attribute.attcollation,
                0,
            );
            if attribute.attnum == column {
                moving::mark(deletion, copy(var));
            }
            let expr: *mut Expr = match new {
                Some(entry) => (*entry).expr,
                None => var.cast(),
            };
            let list = (*deletion).returningList;
            let number = items::<TargetEntry>(list).count() as AttrNumber + 1;
            let name = pstrdup(attribute.attname.data.as_ptr());
            let entry = makeTargetEntry(expr, number, name, false);
            (*entry).resorigcol = attribute.attnum;
            (*deletion).returningList = lappend(list, entry.cast());
        }
        table_close(opened, NoLock as i32);
        deletion
    }
}

/// Turns the query into `INSERT INTO target SELECT * FROM` the source's rows.
unsafe fn become_insertion(
    query: *mut Query,
    source: &exchange::Source,
    columns: &[exchange::Column],
    numbers: &[AttrNumber],
) {
    // SAFETY: the query is the planner's to change; nodes are made whole.
    unsafe {
        let rti = (*query).resultRelation;
        let target = items::<RangeTblEntry>((*query).rtable)
            .nth(rti as usize - 1)
            .expect("the target is in the range table");
        (*target).requiredPerms = ACL_INSERT
            | if (*query).returningList.is_null() {
                0
            } else {
                ACL_SELECT
            };
        (*target).insertedCols = (*target).updatedCols;
        (*target).securityQuals = std::ptr::null_mut();
        let entry = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        exchange::become_rows(
            entry,
            exchange::Kept::Here(source.number),
            columns,
            c"moved".as_ptr(),
        );
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 2;
        let insertion = make::<Query>(NodeTag::T_Query);
        (*insertion).commandType = CmdType::CMD_INSERT;
        (*insertion).canSetTag = (*query).canSetTag;
        (*insertion).queryId = (*query).queryId;
        (*insertion).stmt_location = (*query).stmt_location;
        (*insertion).stmt_len = (*query).stmt_len;
        (*insertion).rtable = lappend(std::ptr::null_mut(), target.cast());
        (*insertion).rtable = lappend((*insertion).rtable, entry.cast());
        (*insertion).resultRelation = 1;
        let from = lappend(std::ptr::null_mut(), reference.cast());
        (*insertion).jointree = makeFromExpr(from, std::ptr::null_mut());
        (*insertion).returningList = (*query).returningList;
        ChangeVarNodes((*insertion).returningList.cast(), rti, 1, 0);
        (*insertion).hasSubLinks = checkExprHasSubLink((*insertion).returningList.cast());
        for (index, (column, &number)) in columns.iter().zip(numbers).enumerate() {
            let at = index as AttrNumber + 1;
            let value = makeVar(2, at, column.kind, column.typmod, column.collation, 0);
            let entry = makeTargetEntry(value.cast(), number, column.label, false);
            (*insertion).targetList = lappend((*insertion).targetList, entry.cast());
        }
        std::ptr::copy_nonoverlapping(insertion, query, 1);
    }
}
