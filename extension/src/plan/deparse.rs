//! A query as text for another node.
//!
//! # How it works
//! [`deparse_for_remote`] takes the query as PostgreSQL's rewriter leaves it and changes a copy of it, in this order, before
//! `pg_get_querydef` writes it:
//!
//! 1. **Values instead of what depends on the session or the moment** ([`parameterize`]). External parameters,
//!    `current_user` and the like, and stable functions, operators and casts without columns (`now()`) become `$1`, `$2`,
//!    ...; equal expressions become the same parameter. The coordinator computes them when the statement is executed and sends
//!    the values, so the statement means the same on each node. A parameter of a type with an OID above those of initdb is
//!    wrapped into a cast that names the type: its OID is another one there. Volatile functions stay, and are called where
//!    the text runs. Sublinks stay, and sets.
//! 2. **Check options dropped** ([`forget_checks`]). The rewriter adds conditions for row security and for views with CHECK
//!    OPTION. They have no SQL text. The node adds those of its row security itself; statements with those of views do not
//!    come here as text.
//! 3. **The target named once** ([`name_target_once`]). The rewriter leaves the target of a write through a view as an item of
//!    FROM too, and the deparser would write it twice.
//! 4. **The source of an INSERT fitted to its columns** ([`crate::plan::insertion`]). The rewriter has put the target list into
//!    the order of the table's columns and has added defaults, but the deparser writes the source's own columns behind them.
//!    Where the two differ, the source becomes a subquery that gives just the columns that are inserted.
//!
//! The text is written with a search path of `pg_catalog` alone, so that every other name is qualified, and with settings under
//! which constants lose nothing.
//!
//! # What is not guaranteed
//! `pg_get_querydef` is made for a tree as the parser leaves it. What the rewriter has done besides is not undone: assignments
//! that it has merged or reordered (`SET (b, a) = (...)`, several fields or elements of one column).

use crate::pg::catalog::{is_built_in, is_immutable, is_of_extension, is_volatile};
use crate::pg::tree::build::parameter;
use crate::pg::tree::deparse::{query_text, with_qualified_names};
use crate::pg::tree::{copy, list_of, make, mutate_query, Change, ListRef, NodeMut, NodeRef};
use crate::pg::tree::{walk, Step};
use crate::plan::contains::contains_column;
use crate::plan::insertion::fit_source;
use crate::remote::exact_values::ExactValues;
use pgrx::pg_sys::{self, NextValueExpr, NodeTag, Oid, Query, RangeTblEntry, RelabelType};

/// A statement as another node is to run it.
pub struct RemoteQuery<'a> {
    pub sql: String,
    /// Expressions (without columns) of `$1`, `$2`, ...
    pub parameters: ListRef<'a>,
}

/// Writes the query. Volatile functions in it are called where it runs.
pub fn deparse_for_remote<'a>(query: NodeRef<'_, Query>) -> RemoteQuery<'a> {
    let (mut query, parameters) = parameterize(copy(query));
    forget_checks(&mut query);
    name_target_once(&mut query);
    fit_source(&mut query);
    RemoteQuery {
        sql: deparse(query),
        parameters,
    }
}

/// Turns what depends on the moment or the session into `$1`, `$2`, ...; gives their expressions too.
pub fn parameterize<'a>(query: NodeMut<'a, Query>) -> (NodeMut<'a, Query>, ListRef<'a>) {
    let mut parameters: Vec<NodeRef<'a>> = Vec::new();
    let query = mutate_query(query, 0, &mut |node| {
        if is_sent_as_value(node) {
            Change::Replace(parameter_for(node, &mut parameters))
        } else {
            Change::Into
        }
    });
    (query, list_of(parameters))
}

/// Is the value of this expression computed here?
fn is_sent_as_value(node: NodeRef<'_>) -> bool {
    match node.tag() {
        NodeTag::T_Param | NodeTag::T_SQLValueFunction => !contains_column(node),
        NodeTag::T_FuncExpr
        | NodeTag::T_OpExpr
        | NodeTag::T_CoerceViaIO
        | NodeTag::T_ScalarArrayOpExpr
        | NodeTag::T_NullIfExpr
        | NodeTag::T_DistinctExpr => depends_on_moment(node),
        _ => false,
    }
}

/// Does the expression depend on the moment or the session, but on no column?
fn depends_on_moment(node: NodeRef<'_>) -> bool {
    !contains_column(node)
        && !node.has_sublink()
        && node.is_mutable()
        && !node.is_volatile()
        && !node.returns_set()
}

/// A parameter that stands for the expression, with its type written out when a user made it; the same expression gives the
/// same parameter.
fn parameter_for<'a>(node: NodeRef<'a>, known: &mut Vec<NodeRef<'a>>) -> NodeRef<'a> {
    let index = known
        .iter()
        .position(|other| other.equals(node))
        .unwrap_or_else(|| {
            known.push(copy(node).into_ref());
            known.len() - 1
        });
    let of = node.value_type();
    let parameter = parameter(index as i32 + 1, of).node();
    if is_built_in(of.oid) {
        return parameter;
    }
    // Its OID is another one there, so its name says what it is.
    let mut cast = make::<RelabelType>();
    cast.arg = parameter.as_ptr().cast();
    cast.resulttype = of.oid;
    cast.resulttypmod = -1;
    cast.resultcollid = of.collation;
    cast.relabelformat = pg_sys::CoercionForm::COERCE_EXPLICIT_CAST;
    cast.location = -1;
    cast.into_ref().node()
}

/// Row security of the target is applied by the node itself; the rewriter's checks have no text.
fn forget_checks(query: &mut NodeMut<'_, Query>) {
    query.withCheckOptions = std::ptr::null_mut();
}

/// A target that was named through a view counts as an item of FROM too, and would be written twice.
fn name_target_once(query: &mut NodeMut<'_, Query>) {
    if let Some(mut entry) = query.child::<RangeTblEntry>(|query| query.result_entry()) {
        entry.inFromCl = false;
    }
}

/// The query's text with all names qualified but those of pg_catalog, and constants without loss.
pub fn deparse(query: NodeMut<'_, Query>) -> String {
    let _exact = ExactValues::new();
    with_qualified_names(|| query_text(query))
}

/// Does the query call functions of users that may read tables? On another node they would see that node's part only.
pub fn may_read_tables(query: NodeRef<'_, Query>) -> bool {
    query.node().calls_anywhere(&mut function_may_read_tables)
}

/// Is it a function of a user that may read tables? Those of the extension are meant to run on that node.
pub fn function_may_read_tables(function: Oid) -> bool {
    !is_built_in(function) && !is_immutable(function) && !is_of_extension(function)
}

/// Volatile functions that depend on nothing that a session or a node keeps.
const INDEPENDENT_OF_NODE: [u32; 4] = [
    pg_sys::F_RANDOM,
    pg_sys::F_GEN_RANDOM_UUID,
    pg_sys::F_CLOCK_TIMESTAMP,
    pg_sys::F_TIMEOFDAY,
];

/// Does the query call a volatile function that has to be called on this node?
pub fn calls_volatile_of_node(query: NodeRef<'_, Query>) -> bool {
    walk(query.node(), &mut |node| {
        if node.is::<NextValueExpr>() || node.calls(&mut is_volatile_of_node) {
            Step::Stop
        } else {
            Step::Into
        }
    })
}

/// Is it such a function?
pub fn is_volatile_of_node(function: Oid) -> bool {
    !INDEPENDENT_OF_NODE.contains(&function.to_u32()) && is_volatile(function)
}

/// The expressions made ready for the executor.
pub fn finish_expressions<'a>(expressions: ListRef<'_>) -> ListRef<'a> {
    list_of(expressions.iter().map(|expression| {
        // SAFETY: an expression without columns, copied; both functions accept it as it is. The executor knows neither COLLATE
        // nor named or default arguments: the planner resolves them.
        unsafe {
            let copy = copy(expression).as_ptr();
            let ready = pg_sys::eval_const_expressions(std::ptr::null_mut(), copy);
            pg_sys::fix_opfuncids(ready);
            NodeRef::present(ready)
        }
    }))
}
