//! To which key the distributed tables of a query are pinned by equality.
//!
//! # How it works
//! At each query level, equalities that must hold for every row (WHERE, ON of inner joins; ON of outer joins for the
//! side that they can null) connect columns with each other and with keys. Beginning with the keys (or with the anchor, the
//! target table's own column), columns that are connected become pinned, until nothing changes. Sublinks see
//! what their outer query has pinned.

use super::list::nodes;
use crate::catalog::Metadata;
use crate::is_a;
use pgrx::pg_sys::{self, Node, Oid, Query, Relids};
use std::ffi::c_void;

/// What a column is pinned to.
#[derive(Clone, Copy)]
pub enum Key {
    /// An expression without columns.
    Value(*mut Node),
    /// The anchor: the same row of the target table.
    Anchor,
}

impl Key {
    fn same(self, other: Key) -> bool {
        match (self, other) {
            (Key::Anchor, Key::Anchor) => true,
            // SAFETY: both are expressions of the analysed query.
            (Key::Value(a), Key::Value(b)) => unsafe { pg_sys::equal(a.cast(), b.cast()) },
            _ => false,
        }
    }
}

/// A column of one query level: range table index and attribute number.
pub type Column = (u32, i16);

/// Pinned columns of one level and of those around it.
pub struct Level<'a> {
    outer: Option<&'a Level<'a>>,
    pinned: Vec<(Column, Key)>,
}

impl<'a> Level<'a> {
    /// What a query's own conditions pin, given what is pinned around it.
    pub fn of(query: *mut Query, outer: Option<&'a Level<'a>>, anchor: Option<Column>) -> Self {
        let mut equalities = Vec::new();
        // SAFETY: PostgreSQL's analysed query tree.
        unsafe { collect((*query).jointree.cast(), None, &mut equalities) };
        let mut level = Level {
            outer,
            pinned: anchor
                .map(|column| (column, Key::Anchor))
                .into_iter()
                .collect(),
        };
        while pin_more(&equalities, &mut level) {}
        level
    }

    /// Is the column always equal to what the expression gives?
    pub fn equal(&self, column: Column, node: *mut Node) -> bool {
        let sides = (lookup(self, column), key_of(node, self));
        matches!(sides, (Some(one), Some(other)) if one.same(other))
    }

    /// Is this column of the level always equal to the anchor?
    pub fn anchored(&self, column: Column) -> bool {
        matches!(lookup(self, column), Some(Key::Anchor))
    }
}

/// Do all distributed tables of a query inside of `outer` lie with the anchor?
pub fn together(query: *mut Query, metadata: &Metadata, outer: &Level) -> bool {
    let mut found = None;
    check_level(query, metadata, Some(outer), None, &mut found)
        && matches!(found, None | Some(Key::Anchor))
}

/// One equality: two sides, and the relations that it can pin (`None`: any).
struct Equality {
    left: *mut Node,
    right: *mut Node,
    operator: Oid,
    collation: Oid,
    may_pin: Option<Relids>,
}

/// The key that all distributed tables of the query (at all levels) are pinned to, if they are all pinned to the same.
/// With an `anchor`, that column counts as pinned.
pub fn common_key(query: *mut Query, metadata: &Metadata, anchor: Option<Column>) -> Option<Key> {
    let mut found = None;
    let fits = check_level(query, metadata, None, anchor, &mut found);
    fits.then_some(found).flatten()
}

fn check_level(
    query: *mut Query,
    metadata: &Metadata,
    outer: Option<&Level>,
    anchor: Option<Column>,
    found: &mut Option<Key>,
) -> bool {
    let level = Level::of(query, outer, anchor);
    // SAFETY: PostgreSQL's analysed query tree.
    let rtable = unsafe { (*query).rtable };
    for (index, rte) in nodes::<pg_sys::RangeTblEntry>(rtable).enumerate() {
        // SAFETY: entries of the range table.
        let (kind, relation, subquery) = unsafe { ((*rte).rtekind, (*rte).relid, (*rte).subquery) };
        if kind == pg_sys::RTEKind::RTE_SUBQUERY
            && !check_level(subquery, metadata, Some(&level), None, found)
        {
            return false;
        }
        let table = (kind == pg_sys::RTEKind::RTE_RELATION)
            .then(|| metadata.table(relation))
            .flatten();
        let Some(column) = table.and_then(|t| t.distribution_column()) else {
            continue;
        };
        let at = (index as u32 + 1, column);
        let Some(&(_, key)) = level.pinned.iter().find(|(c, _)| *c == at) else {
            return false;
        };
        if found.is_some_and(|other| !other.same(key)) {
            return false;
        }
        *found = Some(key);
    }
    check_nested(query, metadata, &level, found)
}

/// Common table expressions and sublinks.
fn check_nested(
    query: *mut Query,
    metadata: &Metadata,
    level: &Level,
    found: &mut Option<Key>,
) -> bool {
    // SAFETY: PostgreSQL's analysed query tree; the collector only gathers pointers.
    unsafe {
        for cte in nodes::<pg_sys::CommonTableExpr>((*query).cteList) {
            let inner = (*cte).ctequery.cast();
            if !check_level(inner, metadata, Some(level), None, found) {
                return false;
            }
        }
        links(query)
            .into_iter()
            .all(|link| check_level(link, metadata, Some(level), None, found))
    }
}

/// The queries of the sublinks in a query's own expressions.
pub fn links(query: *mut Query) -> Vec<*mut Query> {
    let mut links: Vec<*mut Query> = Vec::new();
    let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
    // SAFETY: PostgreSQL's analysed query tree; the collector only gathers pointers.
    unsafe {
        pg_sys::query_tree_walker(
            query,
            Some(gather),
            std::ptr::from_mut(&mut links).cast(),
            flags as i32,
        );
    }
    links
}

/// The queries of the sublinks in an expression.
///
/// # Safety
/// A valid expression or list of expressions, or null.
pub unsafe fn links_of(node: *mut Node) -> Vec<*mut Query> {
    let mut links: Vec<*mut Query> = Vec::new();
    // SAFETY: as the caller promises; the collector only gathers pointers.
    unsafe { gather(node, std::ptr::from_mut(&mut links).cast()) };
    links
}

unsafe extern "C-unwind" fn gather(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    if is_a!(node, T_Query) {
        // SAFETY: the context is the vector that check_nested passed.
        unsafe { (*context.cast::<Vec<*mut Query>>()).push(node.cast()) };
        return false;
    }
    // SAFETY: a valid expression tree.
    unsafe { pg_sys::expression_tree_walker(node, Some(gather), context) }
}

fn pin_more(equalities: &[Equality], level: &mut Level) -> bool {
    let before = level.pinned.len();
    for equality in equalities {
        for (side, other) in [
            (equality.left, equality.right),
            (equality.right, equality.left),
        ] {
            let Some(column) = column_of(side, 0) else {
                continue;
            };
            if level.pinned.iter().any(|(c, _)| *c == column) || !may_pin(equality, column) {
                continue;
            }
            if !hash_equality(equality, side) {
                continue;
            }
            if let Some(key) = key_of(other, level) {
                level.pinned.push((column, key));
            }
        }
    }
    level.pinned.len() > before
}

fn may_pin(equality: &Equality, column: Column) -> bool {
    // SAFETY: a valid set, or null for the empty one.
    equality
        .may_pin
        .is_none_or(|set| unsafe { pg_sys::bms_is_member(column.0 as i32, set) })
}

/// Is it the equality by which values are hashed: of the side's default hash operator family, and with a collation under
/// which only identical values are equal (others are equal across buckets)?
fn hash_equality(equality: &Equality, side: *mut Node) -> bool {
    // SAFETY: catalog lookups by type, operator and collation.
    unsafe {
        let exact = equality.collation == pg_sys::InvalidOid
            || pg_sys::get_collation_isdeterministic(equality.collation);
        let family = hash_family(pg_sys::exprType(side));
        exact && family != pg_sys::InvalidOid && pg_sys::op_in_opfamily(equality.operator, family)
    }
}

/// The type's default hash operator family; `InvalidOid` when it has none.
pub fn hash_family(type_oid: Oid) -> Oid {
    // SAFETY: the type cache has an entry for every existing type.
    unsafe {
        let entry = pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_HASH_OPFAMILY as i32);
        (*entry).hash_opf
    }
}

/// The node without relabelings that keep the hash: `varchar` as `text`, but not `text` as `char(n)`, whose
/// hash ignores blanks at the end.
fn strip_relabel(mut node: *mut Node) -> *mut Node {
    while is_a!(node, T_RelabelType) {
        // SAFETY: the tag was tested; both nodes are valid expressions.
        unsafe {
            let inner: *mut Node = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
            if hash_family(pg_sys::exprType(inner)) != hash_family(pg_sys::exprType(node)) {
                break;
            }
            node = inner;
        }
    }
    node
}

/// The node without an implicit cast between types that hash alike, such as integer and bigint. Casts that also make
/// a value fit a length or precision may change it, and stay.
pub fn strip_cast(node: *mut Node) -> *mut Node {
    let node = strip_relabel(node);
    if !is_a!(node, T_FuncExpr) {
        return node;
    }
    // SAFETY: the tag was tested.
    unsafe {
        let cast = node.cast::<pg_sys::FuncExpr>();
        let arguments: Vec<*mut Node> = nodes((*cast).args).collect();
        match arguments[..] {
            [argument]
                if (*cast).funcformat == pg_sys::CoercionForm::COERCE_IMPLICIT_CAST
                    && hash_family(pg_sys::exprType(argument))
                        == hash_family((*cast).funcresulttype) =>
            {
                strip_relabel(argument)
            }
            _ => node,
        }
    }
}

/// The node without any implicit cast, whatever it does.
pub fn strip_casts(mut node: *mut Node) -> *mut Node {
    // SAFETY: tags are tested; valid expressions.
    unsafe {
        loop {
            node = match (*node).type_ {
                pg_sys::NodeTag::T_RelabelType => (*node.cast::<pg_sys::RelabelType>()).arg.cast(),
                pg_sys::NodeTag::T_CoerceViaIO => (*node.cast::<pg_sys::CoerceViaIO>()).arg.cast(),
                pg_sys::NodeTag::T_CoerceToDomain => {
                    (*node.cast::<pg_sys::CoerceToDomain>()).arg.cast()
                }
                pg_sys::NodeTag::T_ArrayCoerceExpr => {
                    (*node.cast::<pg_sys::ArrayCoerceExpr>()).arg.cast()
                }
                pg_sys::NodeTag::T_FuncExpr => {
                    let call = node.cast::<pg_sys::FuncExpr>();
                    let implicit = pg_sys::CoercionForm::COERCE_IMPLICIT_CAST;
                    match nodes::<Node>((*call).args).next() {
                        Some(first) if (*call).funcformat == implicit => first,
                        _ => return node,
                    }
                }
                _ => return node,
            };
        }
    }
}

/// The column that the expression is, of the query `levels_up` levels around it.
pub fn column_of(node: *mut Node, levels_up: u32) -> Option<Column> {
    let node = strip_relabel(node);
    if !is_a!(node, T_Var) {
        return None;
    }
    let var = node.cast::<pg_sys::Var>();
    // SAFETY: the tag was tested.
    unsafe {
        ((*var).varlevelsup == levels_up && (*var).varattno > 0)
            .then_some(((*var).varno as u32, (*var).varattno))
    }
}

fn key_of(node: *mut Node, level: &Level) -> Option<Key> {
    if let Some(column) = column_of(node, 0) {
        return lookup(level, column);
    }
    let (mut around, mut up) = (level.outer, 1);
    while let Some(outer) = around {
        if let Some(column) = column_of(node, up) {
            return lookup(outer, column);
        }
        (around, up) = (outer.outer, up + 1);
    }
    value(node).map(Key::Value)
}

fn lookup(level: &Level, column: Column) -> Option<Key> {
    level
        .pinned
        .iter()
        .find(|(c, _)| *c == column)
        .map(|&(_, key)| key)
}

/// An expression that can be computed before the statement runs: no columns, sublinks or volatile functions.
pub fn value(node: *mut Node) -> Option<*mut Node> {
    // SAFETY: walks a valid expression.
    let usable = unsafe {
        !contains_column(node)
            && !pg_sys::checkExprHasSubLink(node)
            && !pg_sys::contain_volatile_functions(node)
    };
    usable.then_some(strip_relabel(node))
}

/// Any column, aggregate or executor parameter, at any level?
pub fn contains_column(node: *mut Node) -> bool {
    // SAFETY: the walker reads a valid expression.
    unsafe { find_column(node, std::ptr::null_mut()) }
}

unsafe extern "C-unwind" fn find_column(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid expression tree.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Var
            | pg_sys::NodeTag::T_Aggref
            | pg_sys::NodeTag::T_WindowFunc
            | pg_sys::NodeTag::T_GroupingFunc
            | pg_sys::NodeTag::T_CaseTestExpr
            | pg_sys::NodeTag::T_CoerceToDomainValue
            | pg_sys::NodeTag::T_SetToDefault
            | pg_sys::NodeTag::T_CurrentOfExpr => true,
            pg_sys::NodeTag::T_Param => {
                (*node.cast::<pg_sys::Param>()).paramkind != pg_sys::ParamKind::PARAM_EXTERN
            }
            _ => pg_sys::expression_tree_walker(node, Some(find_column), context),
        }
    }
}

/// The range table indexes below a node of the join tree.
unsafe fn relations_of(node: *mut Node) -> Relids {
    // SAFETY: PostgreSQL's join tree.
    unsafe {
        if is_a!(node, T_RangeTblRef) {
            return pg_sys::bms_make_singleton((*node.cast::<pg_sys::RangeTblRef>()).rtindex);
        }
        if is_a!(node, T_JoinExpr) {
            let join = node.cast::<pg_sys::JoinExpr>();
            return pg_sys::bms_union(relations_of((*join).larg), relations_of((*join).rarg));
        }
        if is_a!(node, T_FromExpr) {
            let items = nodes::<Node>((*node.cast::<pg_sys::FromExpr>()).fromlist);
            return items.fold(std::ptr::null_mut(), |all, item| {
                pg_sys::bms_union(all, relations_of(item))
            });
        }
        std::ptr::null_mut()
    }
}

/// Gathers the equalities below a node of the join tree; `may_pin` limits what they pin.
unsafe fn collect(node: *mut Node, may_pin: Option<Relids>, found: &mut Vec<Equality>) {
    // SAFETY: PostgreSQL's join tree.
    unsafe {
        if is_a!(node, T_FromExpr) {
            let from = node.cast::<pg_sys::FromExpr>();
            for item in nodes::<Node>((*from).fromlist) {
                collect(item, may_pin, found);
            }
            conjuncts((*from).quals, may_pin, found);
        } else if is_a!(node, T_JoinExpr) {
            let join = node.cast::<pg_sys::JoinExpr>();
            let right = Some(relations_of((*join).rarg));
            let left = Some(relations_of((*join).larg));
            use pg_sys::JoinType::*;
            let (for_left, for_right, for_quals) = match (*join).jointype {
                JOIN_INNER => (may_pin, may_pin, may_pin),
                JOIN_LEFT => (may_pin, right, right),
                JOIN_RIGHT => (left, may_pin, left),
                _ => (left, right, Some(std::ptr::null_mut())),
            };
            collect((*join).larg, for_left, found);
            collect((*join).rarg, for_right, found);
            conjuncts((*join).quals, for_quals, found);
        }
    }
}

unsafe fn conjuncts(quals: *mut Node, may_pin: Option<Relids>, found: &mut Vec<Equality>) {
    // SAFETY: an expression, an AND of expressions, or an implicit AND list.
    unsafe {
        if is_a!(quals, T_List) {
            for qual in nodes::<Node>(quals.cast()) {
                conjuncts(qual, may_pin, found);
            }
        } else if is_a!(quals, T_BoolExpr) {
            let and = quals.cast::<pg_sys::BoolExpr>();
            if (*and).boolop == pg_sys::BoolExprType::AND_EXPR {
                for qual in nodes::<Node>((*and).args) {
                    conjuncts(qual, may_pin, found);
                }
            }
        } else if is_a!(quals, T_OpExpr) {
            let op = quals.cast::<pg_sys::OpExpr>();
            let sides: Vec<*mut Node> = nodes::<Node>((*op).args).collect();
            if let [left, right] = sides[..] {
                found.push(Equality {
                    left,
                    right,
                    operator: (*op).opno,
                    collation: (*op).inputcollid,
                    may_pin,
                });
            }
        }
    }
}
