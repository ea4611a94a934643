//! INSERT of several rows as text.
//!
//! The rewriter has put the columns into the table's order and added defaults, but PostgreSQL's deparser writes the source's own
//! columns after the list of the table's: where these differ, the source is wrapped into a SELECT of what is inserted.

use crate::pg::nodes::{items, make};
use crate::plan::casts::strip_casts;
use pgrx::pg_sys::*;

/// Makes the source of an INSERT give just the columns that are inserted, in their order.
///
/// # Safety
/// A copy of an analysed query that may be changed.
pub unsafe fn fit_source(query: *mut Query) {
    // SAFETY: as the caller promises; nodes are palloc'd.
    unsafe {
        if (*query).commandType != CmdType::CMD_INSERT {
            return;
        }
        let Some((rti, source)) = source_of(query) else {
            return;
        };
        if fits(query, rti, source) {
            return;
        }
        let inner = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        std::ptr::copy_nonoverlapping(source, inner, 1);
        // It lies a level deeper now.
        if !(*inner).subquery.is_null() {
            IncrementVarSublevelsUp((*inner).subquery.cast(), 1, 1);
        }
        (*inner).inFromCl = true;
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        let wrapper = make::<Query>(NodeTag::T_Query);
        (*wrapper).commandType = CmdType::CMD_SELECT;
        (*wrapper).canSetTag = true;
        (*wrapper).rtable = lappend(std::ptr::null_mut(), inner.cast());
        let from = lappend(std::ptr::null_mut(), reference.cast());
        (*wrapper).jointree = makeFromExpr(from, std::ptr::null_mut());
        let names = makeAlias(c"source".as_ptr(), std::ptr::null_mut());
        let inserted: Vec<*mut TargetEntry> = items((*query).targetList).collect();
        for (index, &entry) in inserted.iter().enumerate() {
            let number = index as AttrNumber + 1;
            let expr: *mut Node = copyObjectImpl((*entry).expr.cast()).cast();
            IncrementVarSublevelsUp(expr, 1, 1);
            ChangeVarNodes(expr, rti, 1, 0);
            let name = pstrdup((*entry).resname);
            let column = makeTargetEntry(expr.cast(), number, name, false);
            (*wrapper).targetList = lappend((*wrapper).targetList, column.cast());
            (*names).colnames = lappend((*names).colnames, makeString(pstrdup(name)).cast());
            let (kind, typmod) = (exprType(expr), exprTypmod(expr));
            let var = makeVar(rti, number, kind, typmod, exprCollation(expr), 0);
            (*entry).expr = var.cast();
        }
        (*wrapper).hasSubLinks = checkExprHasSubLink((*wrapper).targetList.cast());
        std::ptr::write_bytes(source, 0, 1);
        (*source).type_ = NodeTag::T_RangeTblEntry;
        (*source).rtekind = RTEKind::RTE_SUBQUERY;
        (*source).subquery = wrapper;
        (*source).eref = names;
        (*source).inFromCl = true;
    }
}

/// The subquery or VALUES list that the rows come from: its number in the range table.
unsafe fn source_of(query: *mut Query) -> Option<(i32, *mut RangeTblEntry)> {
    // SAFETY: the analysed query.
    unsafe {
        let mut sources = items::<Node>((*(*query).jointree).fromlist);
        let (Some(first), None) = (sources.next(), sources.next()) else {
            return None;
        };
        if !crate::is_a!(first, T_RangeTblRef) {
            return None;
        }
        let rti = (*first.cast::<RangeTblRef>()).rtindex;
        let entry = items::<RangeTblEntry>((*query).rtable).nth(rti as usize - 1)?;
        matches!(
            (*entry).rtekind,
            RTEKind::RTE_SUBQUERY | RTEKind::RTE_VALUES
        )
        .then_some((rti, entry))
    }
}

/// Are the inserted columns the source's, one after the other and all of them?
unsafe fn fits(query: *mut Query, rti: i32, source: *mut RangeTblEntry) -> bool {
    // SAFETY: the analysed query.
    unsafe {
        let given = if (*source).subquery.is_null() {
            items::<List>((*source).values_lists)
                .next()
                .map_or(0, |row| items::<Node>(row).count())
        } else {
            items::<TargetEntry>((*(*source).subquery).targetList)
                .filter(|entry| !(**entry).resjunk)
                .count()
        };
        let inserted: Vec<*mut TargetEntry> = items((*query).targetList).collect();
        inserted.len() == given
            && inserted.iter().enumerate().all(|(index, &entry)| {
                let expr = strip_casts((*entry).expr.cast());
                crate::is_a!(expr, T_Var) && {
                    let var = expr.cast::<Var>();
                    (*var).varno == rti && (*var).varattno as usize == index + 1
                }
            })
    }
}
