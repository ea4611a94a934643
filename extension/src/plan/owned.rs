//! The condition that a row belongs to a node, for fragments of a group in motion.
//!
//! A table becomes a subquery with the condition, so that it holds wherever in a join the table stands.

use crate::metadata::bucket::{hash_function, BUCKETS};
use crate::metadata::cache::{Metadata, NodeId, Table, TableKind};
use crate::pg::nodes::{items, length, make};
use crate::pg::raw;
use expanse_core::hash_map::Range;
use pgrx::pg_sys::{self, *};
use std::ffi::c_void;
use std::os::raw::c_int;

/// Operators over bigint in pg_operator.dat: `&`, `>=`, `<=`.
const BIGINT_AND: u32 = 1886;
const BIGINT_GE: u32 = 415;
const BIGINT_LE: u32 = 414;

struct Walk<'a> {
    node: NodeId,
    metadata: &'a Metadata,
}

/// Restricts every distributed table of a group in motion, at any depth, to the rows that `node` owns.
///
/// # Safety
/// The query is the caller's to change.
pub unsafe fn restrict(query: *mut Query, node: NodeId, metadata: &Metadata) {
    let mut walk = Walk { node, metadata };
    // SAFETY: as the caller promises; the context outlives the walk.
    unsafe { visit(query.cast(), std::ptr::from_mut(&mut walk).cast()) };
}

unsafe extern "C-unwind" fn visit(tree: *mut Node, context: *mut c_void) -> bool {
    if tree.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree; the context is ours.
    unsafe {
        if (*tree).type_ != NodeTag::T_Query {
            return raw::expression_tree_walker(tree, visit, context);
        }
        let query = tree.cast::<Query>();
        raw::query_tree_walker(query, visit, context, 0);
        let walk = &*context.cast::<Walk>();
        for entry in items::<RangeTblEntry>((*query).rtable) {
            if (*entry).rtekind != RTEKind::RTE_RELATION {
                continue;
            }
            let Some(table) = walk.metadata.table((*entry).relid) else {
                continue;
            };
            if walk.metadata.group(table.group).moving_to.is_some() {
                restrict_entry(entry, table, walk);
            }
        }
        false
    }
}

unsafe fn restrict_entry(entry: *mut RangeTblEntry, table: &Table, walk: &Walk) {
    let (TableKind::Distributed { column, .. }, Some(map)) =
        (&table.kind, walk.metadata.map_of(table.group))
    else {
        return;
    };
    // SAFETY: the entry is a table that the statement has locked.
    unsafe {
        let query = as_subquery(entry);
        let (mut kind, mut modifier, mut collation) = (InvalidOid, -1, InvalidOid);
        get_atttypetypmodcoll(
            table.relation,
            *column,
            &mut kind,
            &mut modifier,
            &mut collation,
        );
        let key = makeVar(1, *column, kind, modifier, collation, 0);
        (*(*query).jointree).quals = owned(key, &map.ranges_of(walk.node));
    }
}

/// Turns a table's entry into that of `SELECT * FROM table`, which is returned.
///
/// # Safety
/// The entry is the caller's to change, and its table locked.
pub unsafe fn as_subquery(entry: *mut RangeTblEntry) -> *mut Query {
    // SAFETY: as the caller promises.
    unsafe {
        let inner = pg_sys::copyObjectImpl(entry.cast()).cast::<RangeTblEntry>();
        (*inner).alias = std::ptr::null_mut();
        (*inner).securityQuals = std::ptr::null_mut();
        let query = make::<Query>(NodeTag::T_Query);
        (*query).commandType = CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).rtable = lappend(std::ptr::null_mut(), inner.cast());
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = 1;
        (*query).jointree = make::<FromExpr>(NodeTag::T_FromExpr);
        (*(*query).jointree).fromlist = lappend(std::ptr::null_mut(), reference.cast());
        let opened = table_open((*entry).relid, NoLock as c_int);
        (*query).targetList = all_attributes(opened);
        table_close(opened, NoLock as c_int);
        (*entry).rtekind = RTEKind::RTE_SUBQUERY;
        (*entry).relid = InvalidOid;
        (*entry).relkind = 0;
        (*entry).rellockmode = 0;
        (*entry).requiredPerms = 0;
        (*entry).checkAsUser = InvalidOid;
        (*entry).inh = false;
        (*entry).subquery = query;
        query
    }
}

/// Every attribute at its own position; dropped ones as NULL.
unsafe fn all_attributes(relation: Relation) -> *mut List {
    let mut entries: *mut List = std::ptr::null_mut();
    // SAFETY: the relation is open.
    unsafe {
        for index in 0..(*(*relation).rd_att).natts as usize {
            let attribute = &*(*(*relation).rd_att).attrs.as_ptr().add(index);
            let expr: *mut Expr = if attribute.attisdropped {
                makeNullConst(INT4OID, -1, InvalidOid).cast()
            } else {
                makeVar(
                    1,
                    attribute.attnum,
                    attribute.atttypid,
                    attribute.atttypmod,
                    attribute.attcollation,
                    0,
                )
                .cast()
            };
            let name = pstrdup(attribute.attname.data.as_ptr());
            let number = length(entries) as AttrNumber + 1;
            entries = lappend(entries, makeTargetEntry(expr, number, name, false).cast());
        }
    }
    entries
}

/// `hash(key, 0) & 65535` is in one of the ranges.
unsafe fn owned(key: *mut Var, ranges: &[Range]) -> *mut Node {
    // SAFETY: expressions over built-in functions and operators of bigint.
    unsafe {
        if ranges.is_empty() {
            return makeBoolConst(false, false);
        }
        let Some(function) = hash_function((*key).vartype) else {
            return makeBoolConst(false, false);
        };
        let collation = (*key).varcollid;
        let arguments = lappend(lappend(std::ptr::null_mut(), key.cast()), bigint(0).cast());
        let hash = makeFuncExpr(
            function,
            INT8OID,
            arguments,
            InvalidOid,
            collation,
            CoercionForm::COERCE_EXPLICIT_CALL,
        );
        let bucket = operator(BIGINT_AND, INT8OID, hash.cast(), i64::from(BUCKETS - 1));
        let mut choices: *mut List = std::ptr::null_mut();
        for range in ranges {
            let from = operator(BIGINT_GE, BOOLOID, bucket, i64::from(range.first));
            let to = operator(BIGINT_LE, BOOLOID, bucket, i64::from(range.last));
            let both = lappend(lappend(std::ptr::null_mut(), from.cast()), to.cast());
            choices = lappend(choices, make_andclause(both).cast());
        }
        if ranges.len() == 1 {
            return (*(*choices).elements).ptr_value.cast();
        }
        make_orclause(choices).cast()
    }
}

unsafe fn operator(number: u32, result: Oid, left: *mut Expr, right: i64) -> *mut Expr {
    // SAFETY: a built-in operator of bigint.
    unsafe {
        let clause = make_opclause(
            Oid::from(number),
            result,
            false,
            copyObjectImpl(left.cast()).cast(),
            bigint(right),
            InvalidOid,
            InvalidOid,
        );
        set_opfuncid(clause.cast());
        clause
    }
}

unsafe fn bigint(value: i64) -> *mut Expr {
    // SAFETY: bigint is passed by value, eight bytes.
    unsafe { makeConst(INT8OID, -1, InvalidOid, 8, Datum::from(value), false, true).cast() }
}
