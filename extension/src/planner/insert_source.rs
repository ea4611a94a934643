//! The source of an INSERT, as the text of the INSERT needs it.
//!
//! PostgreSQL's rewriter puts the assigned columns into the table's order and adds those with defaults; its deparser, made for rules that
//! have not been rewritten, writes these columns and then the source's own columns, one for one. Where these are not
//! the same, the source is put into a subquery that returns what each column is assigned.

use super::fragment::list::{items, make};
use pgrx::pg_sys::*;

/// Makes the source's columns those that are assigned. The query is the caller's own.
pub fn arrange(query: *mut Query) {
    // SAFETY: PostgreSQL's rewritten query tree.
    unsafe {
        if (*query).commandType != CmdType::CMD_INSERT {
            return;
        }
        if items::<TargetEntry>((*query).targetList)
            .any(|entry| (*(*entry).expr).type_ == NodeTag::T_NextValueExpr)
            && (*query).override_ == OverridingKind::OVERRIDING_NOT_SET
        {
            // What is written for the column is its own sequence's value.
            (*query).override_ = OverridingKind::OVERRIDING_SYSTEM_VALUE;
        }
        if let Some((rti, entry)) = source(query) {
            if !in_order(query, rti, entry) {
                enclose(query, rti, entry);
            }
        }
    }
}

/// The VALUES of several rows, or the SELECT; its index too.
unsafe fn source(query: *mut Query) -> Option<(i32, *mut RangeTblEntry)> {
    // SAFETY: the caller's INSERT, whose FROM has at most one item.
    unsafe {
        let reference = items::<RangeTblRef>((*(*query).jointree).fromlist).next()?;
        if (*reference).type_ != NodeTag::T_RangeTblRef {
            return None;
        }
        let rti = (*reference).rtindex;
        let entry = items::<RangeTblEntry>((*query).rtable).nth(rti as usize - 1)?;
        let rows = [RTEKind::RTE_VALUES, RTEKind::RTE_SUBQUERY].contains(&(*entry).rtekind);
        rows.then_some((rti, entry))
    }
}

/// Is the n-th column assigned the source's n-th, and are these all?
unsafe fn in_order(query: *mut Query, rti: i32, entry: *mut RangeTblEntry) -> bool {
    // SAFETY: the caller's INSERT and its source.
    unsafe {
        let columns = match (*entry).rtekind {
            RTEKind::RTE_SUBQUERY => items::<TargetEntry>((*(*entry).subquery).targetList)
                .filter(|column| !(**column).resjunk)
                .count(),
            _ => items::<List>((*entry).values_lists)
                .next()
                .map_or(0, |row| (*row).length as usize),
        };
        let assigned: Vec<*mut TargetEntry> = items((*query).targetList).collect();
        assigned.len() == columns
            && assigned.iter().zip(1..).all(|(&assigned, number)| {
                let var = (*assigned).expr.cast::<Var>();
                (*var).xpr.type_ == NodeTag::T_Var
                    && (*var).varno == rti
                    && (*var).varattno == number
            })
    }
}

/// Puts the source into a subquery with the assigned values as its columns.
unsafe fn enclose(query: *mut Query, rti: i32, entry: *mut RangeTblEntry) {
    // SAFETY: the query is the caller's own; nodes are made whole.
    unsafe {
        let inner = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        std::ptr::copy_nonoverlapping(entry, inner, 1);
        (*inner).inFromCl = true;
        // One level deeper, what they refer to around them is one level further away.
        if (*inner).rtekind == RTEKind::RTE_SUBQUERY {
            IncrementVarSublevelsUp((*inner).subquery.cast(), 1, 1);
        } else {
            IncrementVarSublevelsUp((*inner).values_lists.cast(), 1, 0);
        }
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        let select = make::<Query>(NodeTag::T_Query);
        (*select).commandType = CmdType::CMD_SELECT;
        (*select).canSetTag = true;
        (*select).rtable = lappend(std::ptr::null_mut(), inner.cast());
        let from = lappend(std::ptr::null_mut(), reference.cast());
        (*select).jointree = makeFromExpr(from, std::ptr::null_mut());
        let mut names = std::ptr::null_mut();
        for (assigned, number) in items::<TargetEntry>((*query).targetList).zip(1..) {
            let value = (*assigned).expr;
            ChangeVarNodes(value.cast(), rti, 1, 0);
            let label = (*assigned).resname;
            let column = makeTargetEntry(value, number, label, false);
            (*select).targetList = lappend((*select).targetList, column.cast());
            names = lappend(names, makeString(label).cast());
            (*assigned).expr = makeVar(
                rti,
                number,
                exprType(value.cast()),
                exprTypmod(value.cast()),
                exprCollation(value.cast()),
                0,
            )
            .cast();
        }
        (*select).hasSubLinks = checkExprHasSubLink((*inner).values_lists.cast());
        let outer = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        (*outer).rtekind = RTEKind::RTE_SUBQUERY;
        (*outer).subquery = select;
        (*outer).eref = makeAlias(c"source".as_ptr(), names);
        (*outer).inFromCl = true;
        std::ptr::copy_nonoverlapping(outer, entry, 1);
    }
}
