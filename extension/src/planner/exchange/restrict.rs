//! A source whose rows only the owner of a key sees.

use crate::pg::nodes::{copy, items, make};
use crate::pg::tree::{NodeMut, NodeRef};
use crate::plan::subquery::table_as_subquery;
use crate::planner::ownership::owned_here;
use pgrx::pg_sys::*;

/// Turns an entry of FROM into a subquery of the same columns that keeps the rows whose column `attribute` this node owns by
/// the hash map version. False for entries that have no columns of their own (joins).
///
/// # Safety
/// `entry` is an entry of the analysed query, the planner's to change.
pub unsafe fn become_restricted(
    entry: *mut RangeTblEntry,
    attribute: AttrNumber,
    kind: Oid,
    version: i32,
) -> bool {
    // SAFETY: as the caller promises; nodes are made whole.
    unsafe {
        let query = match (*entry).rtekind {
            RTEKind::RTE_RELATION => table_as_subquery(&mut NodeMut::present(entry)).as_ptr(),
            RTEKind::RTE_SUBQUERY | RTEKind::RTE_FUNCTION | RTEKind::RTE_VALUES => {
                let Some(query) = around(entry) else {
                    return false;
                };
                let eref = (*entry).eref;
                let alias = (*entry).alias;
                std::ptr::write_bytes(entry, 0, 1);
                (*entry).type_ = NodeTag::T_RangeTblEntry;
                (*entry).rtekind = RTEKind::RTE_SUBQUERY;
                (*entry).subquery = query;
                (*entry).eref = eref;
                (*entry).alias = alias;
                (*entry).inFromCl = true;
                query
            }
            _ => return false,
        };
        let collation = get_typcollation(kind);
        let key = makeVar(1, attribute, kind, -1, collation, 0);
        let owned = owned_here(NodeRef::present(key.cast()), collation, version);
        (*(*query).jointree).quals = owned.as_ptr();
        true
    }
}

/// `SELECT * FROM entry`.
unsafe fn around(entry: *mut RangeTblEntry) -> Option<*mut Query> {
    // SAFETY: as the caller promises.
    unsafe {
        let inner = copy(entry);
        (*inner).lateral = false;
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        let query = make::<Query>(NodeTag::T_Query);
        (*query).commandType = CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).rtable = lappend(std::ptr::null_mut(), inner.cast());
        let from = lappend(std::ptr::null_mut(), reference.cast());
        (*query).jointree = makeFromExpr(from, std::ptr::null_mut());
        for (index, name) in items::<String>((*(*entry).eref).colnames).enumerate() {
            let number = index as AttrNumber + 1;
            let (mut kind, mut typmod, mut collation) = (InvalidOid, -1, InvalidOid);
            column_type(inner, number, &mut kind, &mut typmod, &mut collation)?;
            let var = makeVar(1, number, kind, typmod, collation, 0);
            let shown = makeTargetEntry(var.cast(), number, pstrdup((*name).sval), false);
            (*query).targetList = lappend((*query).targetList, shown.cast());
        }
        Some(query)
    }
}

/// `None` when the entry is a function whose columns are those of its result type.
unsafe fn column_type(
    entry: *mut RangeTblEntry,
    number: AttrNumber,
    kind: &mut Oid,
    typmod: &mut i32,
    collation: &mut Oid,
) -> Option<()> {
    // SAFETY: an entry of the analysed query.
    unsafe {
        let at = number as usize - 1;
        let oid = |list: *mut List| (*(*list).elements.add(at)).oid_value;
        let int = |list: *mut List| (*(*list).elements.add(at)).int_value;
        match (*entry).rtekind {
            RTEKind::RTE_SUBQUERY => {
                let column = items::<TargetEntry>((*(*entry).subquery).targetList)
                    .find(|column| (**column).resno == number)?;
                let expr = (*column).expr.cast::<Node>();
                (*kind, *typmod, *collation) =
                    (exprType(expr), exprTypmod(expr), exprCollation(expr));
            }
            RTEKind::RTE_VALUES => {
                (*kind, *typmod, *collation) = (
                    oid((*entry).coltypes),
                    int((*entry).coltypmods),
                    oid((*entry).colcollations),
                );
            }
            _ => {
                let function = items::<RangeTblFunction>((*entry).functions).next()?;
                if (*function).funccoltypes.is_null() {
                    return None;
                }
                (*kind, *typmod, *collation) = (
                    oid((*function).funccoltypes),
                    int((*function).funccoltypmods),
                    oid((*function).funccolcollations),
                );
            }
        }
        Some(())
    }
}
