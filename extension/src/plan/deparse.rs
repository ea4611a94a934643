//! A query as text for another node.
//!
//! # How it works
//! In a copy of the query, external parameters and expressions that depend on the moment or the session but not on
//! columns (`now()`, `current_user`) become `$1`, `$2`, ...; they are computed here at execution and sent as values, so
//! that a statement means the same wherever it runs. `pg_get_querydef` writes the copy with every name qualified.

use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::plan::contains::find_column;
use crate::remote::value_settings::ExactValues;
use pgrx::pg_sys::{self, List, Node, Query};
use std::ffi::{c_void, CStr};

/// A statement's text and the expressions of its parameters.
pub struct Shipped {
    pub sql: String,
    /// Expressions (without columns) of `$1`, `$2`, ...
    pub parameters: *mut List,
    /// What remains calls functions of users that may read tables: on another node they would see that node's part only.
    pub reads_unseen: bool,
}

struct Replacing {
    parameters: *mut List,
}

/// Writes the query. Volatile functions in it are called where it runs.
pub fn ship(query: *mut Query) -> Shipped {
    // SAFETY: the copy is ours.
    unsafe {
        let copy: *mut Query = pg_sys::copyObjectImpl(query.cast()).cast();
        let (copy, parameters) = parameterize(copy);
        forget_checks(copy);
        name_target_once(copy);
        crate::plan::insertion::fit_source(copy);
        Shipped {
            reads_unseen: reads_unseen(copy),
            sql: deparse(copy),
            parameters,
        }
    }
}

/// Turns what depends on the moment or the session into `$1`, `$2`, ...; gives their expressions too. The query is
/// the caller's own.
pub fn parameterize(query: *mut Query) -> (*mut Query, *mut List) {
    let mut replacing = Replacing {
        parameters: std::ptr::null_mut(),
    };
    // SAFETY: a valid tree; the mutator returns one of the same shape.
    unsafe {
        let context = std::ptr::from_mut(&mut replacing).cast();
        let query = guarded(|| raw::query_tree_mutator(query, replace, context, 0));
        (query, replacing.parameters)
    }
}

/// Does the query call functions of users that may read tables?
pub fn reads_unseen(query: *mut Query) -> bool {
    // SAFETY: a valid tree, read only.
    unsafe { guarded(|| calls_unseen(query.cast(), std::ptr::null_mut())) }
}

/// Does anything call a function of a user that is not immutable?
unsafe extern "C-unwind" fn calls_unseen(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_Query {
            return raw::query_tree_walker(node.cast(), calls_unseen, context, 0);
        }
        raw::check_functions_in_node(node, unseen, context)
            || raw::expression_tree_walker(node, calls_unseen, context)
    }
}

/// Is it a function of a user that may read tables? For PostgreSQL's walkers of expressions.
///
/// # Safety
/// The function exists.
pub unsafe extern "C-unwind" fn unseen(function: pg_sys::Oid, _context: *mut c_void) -> bool {
    // SAFETY: catalog lookups of an existing function. Our own are meant to run on that node.
    function.to_u32() >= pg_sys::FirstNormalObjectId
        && unsafe {
            raw::func_volatile(function) as u8 != pg_sys::PROVOLATILE_IMMUTABLE
                && raw::get_func_namespace(function)
                    != raw::get_namespace_oid(c"expanse".as_ptr(), true)
        }
}

/// Volatile functions that may be called on whichever node has the row: they depend on nothing that a session or a node keeps.
const PLACELESS: [u32; 4] = [
    pg_sys::F_RANDOM,
    pg_sys::F_GEN_RANDOM_UUID,
    pg_sys::F_CLOCK_TIMESTAMP,
    pg_sys::F_TIMEOFDAY,
];

/// Does the query call a volatile function that can not be called on any other node instead?
pub fn volatile_here(query: *mut Query) -> bool {
    // SAFETY: a valid tree, read only.
    unsafe { guarded(|| calls_volatile(query.cast(), std::ptr::null_mut())) }
}

unsafe extern "C-unwind" fn calls_volatile(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_Query {
            return raw::query_tree_walker(node.cast(), calls_volatile, context, 0);
        }
        (*node).type_ == pg_sys::NodeTag::T_NextValueExpr
            || raw::check_functions_in_node(node, bound_to_place, context)
            || raw::expression_tree_walker(node, calls_volatile, context)
    }
}

unsafe extern "C-unwind" fn bound_to_place(function: pg_sys::Oid, _context: *mut c_void) -> bool {
    // SAFETY: a catalog lookup of an existing function.
    !PLACELESS.contains(&function.to_u32())
        && unsafe { raw::func_volatile(function) } as u8 == pg_sys::PROVOLATILE_VOLATILE
}

/// The query's text with all names qualified but those of pg_catalog, and constants without loss.
pub fn deparse(query: *mut Query) -> String {
    let _exact = ExactValues::new();
    // SAFETY: writes the query as a palloc'd NUL-terminated text, or raises.
    qualified(|| unsafe {
        let text = pg_sys::pg_get_querydef(query, false);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    })
}

/// Runs `write` with a search path under which PostgreSQL's deparser qualifies all names but those of pg_catalog.
pub fn qualified<T>(write: impl FnOnce() -> T) -> T {
    // SAFETY: the override is popped again; if `write` raises, the transaction's end restores the search path.
    unsafe {
        let path = pg_sys::GetOverrideSearchPath(pg_sys::CurrentMemoryContext);
        (*path).schemas = std::ptr::null_mut();
        (*path).addCatalog = true;
        (*path).addTemp = false;
        pg_sys::PushOverrideSearchPath(path);
        let written = write();
        pg_sys::PopOverrideSearchPath();
        written
    }
}

/// Row security of the target is applied by the node itself; the rewriter's checks have no text.
unsafe fn forget_checks(query: *mut Query) {
    // SAFETY: our copy.
    unsafe { (*query).withCheckOptions = std::ptr::null_mut() };
}

/// A target that was named through a view counts as an item of FROM too, and would be written twice.
unsafe fn name_target_once(query: *mut Query) {
    // SAFETY: our copy.
    unsafe {
        let target = ((*query).resultRelation as usize).checked_sub(1);
        let mut entries = crate::pg::list::nodes::<pg_sys::RangeTblEntry>((*query).rtable);
        if let Some(entry) = target.and_then(|at| entries.nth(at)) {
            (*entry).inFromCl = false;
        }
    }
}

unsafe extern "C-unwind" fn replace(node: *mut Node, context: *mut c_void) -> *mut Node {
    if node.is_null() {
        return node;
    }
    // SAFETY: PostgreSQL passes nodes of our copy, and our context.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Query => {
                return raw::query_tree_mutator(node.cast(), replace, context, 0).cast();
            }
            pg_sys::NodeTag::T_Param | pg_sys::NodeTag::T_SQLValueFunction
                if !find_column(node, std::ptr::null_mut()) =>
            {
                return parameter(node, context);
            }
            pg_sys::NodeTag::T_FuncExpr
            | pg_sys::NodeTag::T_OpExpr
            | pg_sys::NodeTag::T_CoerceViaIO
            | pg_sys::NodeTag::T_ScalarArrayOpExpr
            | pg_sys::NodeTag::T_NullIfExpr
            | pg_sys::NodeTag::T_DistinctExpr
                if moment(node) =>
            {
                return parameter(node, context);
            }
            _ => {}
        }
        raw::expression_tree_mutator(node, replace, context)
    }
}

/// Does the expression depend on the moment or the session, but on no column?
unsafe fn moment(node: *mut Node) -> bool {
    // SAFETY: walks a valid expression.
    unsafe {
        !find_column(node, std::ptr::null_mut())
            && !raw::checkExprHasSubLink(node)
            && raw::contain_mutable_functions(node)
            && !raw::contain_volatile_functions(node)
            && !returns_set(node)
    }
}

unsafe fn returns_set(node: *mut Node) -> bool {
    // SAFETY: walks a valid expression.
    unsafe { raw::expression_returns_set(node) }
}

/// A new parameter that stands for the expression, with its type written out when a user made it; the same expression gives the
/// same parameter.
unsafe fn parameter(node: *mut Node, context: *mut c_void) -> *mut Node {
    // SAFETY: the context is the one that `ship` passed; makeNode's equivalent is a zeroed allocation with its tag.
    unsafe {
        let replacing = &mut *context.cast::<Replacing>();
        let known = crate::pg::list::nodes::<Node>(replacing.parameters)
            .position(|other| raw::equal(other.cast(), node.cast()));
        let index = known.unwrap_or_else(|| {
            replacing.parameters =
                raw::lappend(replacing.parameters, raw::copyObjectImpl(node.cast()));
            (*replacing.parameters).length as usize - 1
        });
        let param = raw::palloc0(std::mem::size_of::<pg_sys::Param>()).cast::<pg_sys::Param>();
        (*param).xpr.type_ = pg_sys::NodeTag::T_Param;
        (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
        (*param).paramid = index as i32 + 1;
        (*param).paramtype = pg_sys::exprType(node);
        (*param).paramtypmod = pg_sys::exprTypmod(node);
        (*param).paramcollid = pg_sys::exprCollation(node);
        (*param).location = -1;
        if (*param).paramtype.to_u32() < pg_sys::FirstNormalObjectId {
            return param.cast();
        }
        // Its OID is another one there, so its name says what it is.
        let cast = raw::palloc0(std::mem::size_of::<pg_sys::RelabelType>());
        let cast = cast.cast::<pg_sys::RelabelType>();
        (*cast).xpr.type_ = pg_sys::NodeTag::T_RelabelType;
        (*cast).arg = param.cast();
        (*cast).resulttype = (*param).paramtype;
        (*cast).resulttypmod = -1;
        (*cast).resultcollid = (*param).paramcollid;
        (*cast).relabelformat = pg_sys::CoercionForm::COERCE_EXPLICIT_CAST;
        (*cast).location = -1;
        cast.cast()
    }
}

/// The expressions made ready for the executor.
pub fn finish_expressions(list: *mut List) -> *mut List {
    let mut ready = std::ptr::null_mut();
    for node in crate::pg::list::nodes::<Node>(list) {
        // SAFETY: expressions without columns; both functions accept them as they are.
        unsafe {
            let copy = pg_sys::copyObjectImpl(node.cast()).cast();
            // The executor knows neither COLLATE nor named or default arguments: the planner resolves them.
            let expression = pg_sys::eval_const_expressions(std::ptr::null_mut(), copy);
            pg_sys::fix_opfuncids(expression);
            ready = pg_sys::lappend(ready, expression.cast());
        }
    }
    ready
}
