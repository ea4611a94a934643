//! Putting `expanse.exchange_rows(n)` in the place of what is read elsewhere.

use crate::pg::nodes::{copy, items, make};
use crate::pg::raw;
use crate::pg::tree::{NodeMut, NodeRef};
use crate::plan::columns;
use crate::plan::deparse::deparse_for_remote;
use crate::plan::subquery::table_as_subquery;
use crate::planner::exchange::Source;
use crate::scan::statement_scan::prepared::next_number;
use pgrx::pg_sys::{self, *};
use std::ffi::{CStr, CString};

/// Rows under a number.
#[derive(Clone, Copy)]
pub enum Kept {
    /// In every session that runs the statement.
    Everywhere(i32),
    /// In this session alone.
    Here(i32),
}

impl Kept {
    /// The function of schema `expanse` that gives them.
    fn function(self) -> &'static CStr {
        match self {
            Kept::Everywhere(_) => c"exchange_rows",
            Kept::Here(_) => c"returned_rows",
        }
    }

    fn number(self) -> i32 {
        match self {
            Kept::Everywhere(number) | Kept::Here(number) => number,
        }
    }
}

/// A column of a source.
pub struct Column {
    name: CString,
    /// As the query calls it; may be null.
    pub label: *mut std::os::raw::c_char,
    pub kind: Oid,
    pub typmod: i32,
    pub collation: Oid,
}

/// Replaces a table of the query by its rows, restricted by the conditions on it alone; unused columns are NULL.
///
/// # Safety
/// `entry` is entry `rti` of the analysed query, both the planner's to change.
pub unsafe fn relation(
    query: *mut Query,
    rti: u32,
    entry: *mut RangeTblEntry,
) -> Option<Source<'static>> {
    // SAFETY: as the caller promises.
    unsafe {
        let used = columns::used(NodeRef::present(query), rti);
        if used.first().is_some_and(|&number| number <= 0) {
            return None;
        }
        let mut from = NodeMut::present(copy(entry));
        let reading = table_as_subquery(&mut from).as_ptr();
        for column in items::<TargetEntry>((*reading).targetList) {
            if !used.contains(&(*column).resno) {
                let expr = (*column).expr.cast::<Node>();
                let (kind, typmod) = (exprType(expr), exprTypmod(expr));
                (*column).expr = makeNullConst(kind, typmod, exprCollation(expr)).cast();
            }
        }
        (*(*reading).jointree).quals = conditions(query, rti);
        let columns = columns_of((*reading).targetList)?;
        let source = source(reading);
        let name = (*(*entry).eref).aliasname;
        become_rows(entry, Kept::Everywhere(source.number), &columns, name);
        Some(source)
    }
}

/// Replaces a subquery in FROM.
///
/// # Safety
/// As [`relation`].
pub unsafe fn subquery(entry: *mut RangeTblEntry) -> Option<Source<'static>> {
    // SAFETY: as the caller promises.
    unsafe {
        let reading = (*entry).subquery;
        let columns = columns_of((*reading).targetList)?;
        let source = source(reading);
        let name = (*(*entry).eref).aliasname;
        become_rows(entry, Kept::Everywhere(source.number), &columns, name);
        Some(source)
    }
}

/// Replaces rows that only this session has, so that others get them too.
///
/// # Safety
/// `entry` is one that [`returned_here`] has found.
pub unsafe fn returned(entry: *mut RangeTblEntry) -> Option<Source<'static>> {
    // SAFETY: as the caller promises; nodes are made whole.
    unsafe {
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        let from = lappend(std::ptr::null_mut(), reference.cast());
        let reading = make::<Query>(NodeTag::T_Query);
        (*reading).commandType = CmdType::CMD_SELECT;
        (*reading).canSetTag = true;
        (*reading).rtable = lappend(std::ptr::null_mut(), copy(entry).cast());
        (*reading).jointree = makeFromExpr(from, std::ptr::null_mut());
        let function = items::<RangeTblFunction>((*entry).functions).next()?;
        for index in 0..(*function).funccolcount as usize {
            let oid = |list: *mut List| (*(*list).elements.add(index)).oid_value;
            let typmod = (*(*(*function).funccoltypmods).elements.add(index)).int_value;
            let (kind, collation) = (
                oid((*function).funccoltypes),
                oid((*function).funccolcollations),
            );
            let number = index as AttrNumber + 1;
            let var = makeVar(1, number, kind, typmod, collation, 0);
            let shown = makeTargetEntry(var.cast(), number, std::ptr::null_mut(), false);
            (*reading).targetList = lappend((*reading).targetList, shown.cast());
        }
        let columns = columns_of((*reading).targetList)?;
        let source = source(reading);
        let name = (*(*entry).eref).aliasname;
        become_rows(entry, Kept::Everywhere(source.number), &columns, name);
        Some(source)
    }
}

/// Is this entry of FROM rows that only this session has: what a write of the WITH clause returned?
///
/// # Safety
/// `entry` is an entry of the analysed query.
pub unsafe fn returned_here(entry: *mut RangeTblEntry) -> bool {
    // SAFETY: as the caller promises; names of existing functions are palloc'd.
    unsafe {
        let Some(function) = items::<RangeTblFunction>((*entry).functions).next() else {
            return false;
        };
        if !crate::is_a!((*function).funcexpr, T_FuncExpr) {
            return false;
        }
        let oid = (*(*function).funcexpr.cast::<FuncExpr>()).funcid;
        oid.to_u32() >= FirstNormalObjectId
            && raw::get_func_namespace(oid) == raw::get_namespace_oid(c"expanse".as_ptr(), true)
            && CStr::from_ptr(raw::get_func_name(oid)) == Kept::Here(0).function()
    }
}

/// Turns a query into one that reads its rows from the exchange.
///
/// # Safety
/// As [`relation`].
pub unsafe fn query(inner: *mut Query) -> Option<Source<'static>> {
    // SAFETY: as the caller promises; nodes are made whole.
    unsafe {
        let columns = columns_of((*inner).targetList)?;
        let source = source(inner);
        let reading = make::<Query>(NodeTag::T_Query);
        (*reading).commandType = CmdType::CMD_SELECT;
        (*reading).canSetTag = (*inner).canSetTag;
        select_rows(reading, Kept::Everywhere(source.number), &columns);
        std::ptr::copy_nonoverlapping(reading, inner, 1);
        Some(source)
    }
}

/// Fills an empty SELECT: all columns of the source's rows.
///
/// # Safety
/// `reading` is a new Query.
pub unsafe fn select_rows(reading: *mut Query, kept: Kept, columns: &[Column]) {
    // SAFETY: as the caller promises; nodes are made whole.
    unsafe {
        let entry = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        become_rows(entry, kept, columns, c"source".as_ptr());
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        let from = lappend(std::ptr::null_mut(), reference.cast());
        (*reading).rtable = lappend(std::ptr::null_mut(), entry.cast());
        (*reading).jointree = makeFromExpr(from, std::ptr::null_mut());
        for (index, column) in columns.iter().enumerate() {
            let number = index as AttrNumber + 1;
            let var = makeVar(1, number, column.kind, column.typmod, column.collation, 0);
            let shown = makeTargetEntry(var.cast(), number, column.label, false);
            (*reading).targetList = lappend((*reading).targetList, shown.cast());
        }
    }
}

unsafe fn source(reading: *mut Query) -> Source<'static> {
    // SAFETY: a valid query.
    let remote = deparse_for_remote(unsafe { NodeRef::present(reading) });
    Source {
        number: next_number(),
        sql: remote.sql,
        parameters: remote.parameters,
        writes: false,
    }
}

/// The visible columns of a target list; `None` when there are none, or one is of a type that has no text form of its own.
///
/// # Safety
/// A target list of an analysed query.
pub unsafe fn columns_of(list: *mut List) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    // SAFETY: entries of an analysed query's target list.
    unsafe {
        for entry in items::<TargetEntry>(list) {
            if (*entry).resjunk {
                continue;
            }
            let expr = (*entry).expr.cast::<Node>();
            let kind = exprType(expr);
            if get_typtype(kind) as u8 == TYPTYPE_PSEUDO {
                return None;
            }
            columns.push(Column {
                name: CString::new(format!("c{}", columns.len() + 1)).expect("no NUL"),
                label: (*entry).resname,
                kind,
                typmod: exprTypmod(expr),
                collation: exprCollation(expr),
            });
        }
    }
    (!columns.is_empty()).then_some(columns)
}

/// The conditions of the query's WHERE on this table alone, as of a query over it alone.
unsafe fn conditions(query: *mut Query, rti: u32) -> *mut Node {
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe {
        let tree = (*query).jointree;
        if !items::<Node>((*tree).fromlist).any(|item| joined_inner(item, rti)) {
            return std::ptr::null_mut();
        }
        let mut own: *mut List = std::ptr::null_mut();
        for condition in items::<Node>(make_ands_implicit((*tree).quals.cast())) {
            let about = pull_varnos(std::ptr::null_mut(), condition);
            let only = bms_membership(about) == BMS_Membership::BMS_SINGLETON
                && bms_is_member(rti as i32, about);
            if only
                && !checkExprHasSubLink(condition)
                && !contain_volatile_functions(condition)
                && !contain_vars_of_outer(condition)
            {
                let condition = copy(condition);
                ChangeVarNodes(condition, rti as i32, 1, 0);
                own = lappend(own, condition.cast());
            }
        }
        if own.is_null() {
            std::ptr::null_mut()
        } else {
            make_ands_explicit(own).cast()
        }
    }
}

unsafe fn contain_vars_of_outer(condition: *mut Node) -> bool {
    // SAFETY: a valid expression.
    unsafe { (1..=8).any(|up| contain_vars_of_level(condition, up)) }
}

/// Is the table a member of this part of the join tree that no outer join fills with NULLs?
unsafe fn joined_inner(item: *mut Node, rti: u32) -> bool {
    // SAFETY: PostgreSQL's join tree.
    unsafe {
        if crate::is_a!(item, T_RangeTblRef) {
            return (*item.cast::<RangeTblRef>()).rtindex as u32 == rti;
        }
        if crate::is_a!(item, T_JoinExpr) {
            let join = item.cast::<JoinExpr>();
            return (*join).jointype == JoinType::JOIN_INNER
                && (joined_inner((*join).larg, rti) || joined_inner((*join).rarg, rti));
        }
        false
    }
}

/// Makes the entry `expanse.exchange_rows(number) AS name(columns)`, or `expanse.returned_rows(number)`.
///
/// # Safety
/// `entry` is the caller's to change, `name` NUL-terminated.
pub unsafe fn become_rows(
    entry: *mut RangeTblEntry,
    kept: Kept,
    columns: &[Column],
    name: *const std::os::raw::c_char,
) {
    // SAFETY: the entry is the caller's to change; nodes are made whole.
    unsafe {
        let function = make::<RangeTblFunction>(NodeTag::T_RangeTblFunction);
        let alias = makeAlias(name, std::ptr::null_mut());
        for column in columns {
            let name: *mut Node = makeString(pstrdup(column.name.as_ptr())).cast();
            (*alias).colnames = lappend((*alias).colnames, name.cast());
            (*function).funccoltypes = lappend_oid((*function).funccoltypes, column.kind);
            (*function).funccoltypmods = lappend_int((*function).funccoltypmods, column.typmod);
            (*function).funccolcollations =
                lappend_oid((*function).funccolcollations, column.collation);
        }
        (*function).funccolnames = copy((*alias).colnames);
        (*function).funccolcount = columns.len() as i32;
        (*function).funcexpr = call(kept);
        std::ptr::write_bytes(entry, 0, 1);
        (*entry).type_ = NodeTag::T_RangeTblEntry;
        (*entry).rtekind = RTEKind::RTE_FUNCTION;
        (*entry).functions = lappend(std::ptr::null_mut(), function.cast());
        (*entry).inFromCl = true;
        (*entry).alias = makeAlias((*alias).aliasname, std::ptr::null_mut());
        (*entry).eref = alias;
    }
}

unsafe fn call(kept: Kept) -> *mut Node {
    // SAFETY: a lookup of a function of the extension; raises if it does not exist.
    unsafe {
        let argument = makeConst(
            INT4OID,
            -1,
            InvalidOid,
            4,
            pg_sys::Datum::from(kept.number()),
            false,
            true,
        );
        let call = makeFuncExpr(
            function(kept),
            RECORDOID,
            lappend(std::ptr::null_mut(), argument.cast()),
            InvalidOid,
            InvalidOid,
            CoercionForm::COERCE_EXPLICIT_CALL,
        );
        (*call).funcretset = true;
        call.cast()
    }
}

unsafe fn function(kept: Kept) -> Oid {
    // SAFETY: names are copied; the lookup raises when the function does not exist.
    unsafe {
        let schema: *mut Node = makeString(pstrdup(c"expanse".as_ptr())).cast();
        let name: *mut Node = makeString(pstrdup(kept.function().as_ptr())).cast();
        let name = lappend(lappend(std::ptr::null_mut(), schema.cast()), name.cast());
        LookupFuncName(name, 1, [INT4OID].as_ptr(), false)
    }
}
