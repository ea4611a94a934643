//! The fragment of a join: two fragments whose rows meet on one node.
//!
//! Two distributed fragments of one group join on their distribution columns. A replicated one joins with anything, as long
//! as its unmatched rows are not part of the result: every node would deliver them.

use crate::metadata::cache::metadata;
use crate::pg::nodes::{copy, has_equal, items, make};
use crate::planner::fragment::info;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::query::conjunction;
use crate::planner::fragment::shippable::shippable;
use crate::planner::fragment::{cost, path};
use pgrx::pg_sys::*;
use std::os::raw::c_int;

/// A join in question: `left` is the preserved side of an outer join, and the outer of a semijoin.
struct Join {
    left: Fragment,
    right: Fragment,
    kind: JoinType::Type,
    /// Conditions of the join itself.
    on: *mut List,
    /// Conditions over its result.
    above: *mut List,
}

/// Attaches a fragment to a join, and offers its path when it is distributed.
///
/// # Safety
/// Called from `set_join_pathlist_hook` with two relations that have fragments.
pub unsafe fn consider(
    root: *mut PlannerInfo,
    joinrel: *mut RelOptInfo,
    outer: *mut RelOptInfo,
    inner: *mut RelOptInfo,
    jointype: JoinType::Type,
    extra: *mut JoinPathExtraData,
) {
    // SAFETY: as the caller promises.
    unsafe {
        // Conditions without columns stand above a plan's own scans and joins only.
        if (*root).hasPseudoConstantQuals {
            return;
        }
        let (Some(left), Some(right)) = (info::of(outer), info::of(inner)) else {
            return;
        };
        if info::of(joinrel).is_some() || !(*joinrel).lateral_relids.is_null() {
            return;
        }
        let mut join = Join {
            left: *left,
            right: *right,
            kind: jointype,
            on: std::ptr::null_mut(),
            above: std::ptr::null_mut(),
        };
        if jointype == JoinType::JOIN_RIGHT {
            std::mem::swap(&mut join.left, &mut join.right);
            join.kind = JoinType::JOIN_LEFT;
        }
        let Some(fragment) = combine(joinrel, &mut join, (*extra).restrictlist) else {
            return;
        };
        let distributed = fragment.distributed();
        let fragment = fragment.attach(joinrel);
        if distributed {
            path::offer(root, joinrel, fragment);
        }
    }
}

unsafe fn combine(
    joinrel: *mut RelOptInfo,
    join: &mut Join,
    restrictions: *mut List,
) -> Option<Fragment> {
    // SAFETY: as the caller promises.
    unsafe {
        let (left, right) = (join.left, join.right);
        if left.user != right.user || !left.kept.is_null() || !right.kept.is_null() {
            return None;
        }
        let members = bms_union(left.members, right.members);
        let mut kept = std::ptr::null_mut();
        if !split(join, joinrel, members, restrictions, &mut kept) || !meet(join) {
            return None;
        }
        let group = if left.distributed() {
            left.group
        } else {
            right.group
        };
        let mut fragment = Fragment::new(group, left.user);
        fragment.members = members;
        fragment.kept = kept;
        if !build(join, &mut fragment) {
            return None;
        }
        fragment.columns = path::join_columns(joinrel, kept)?;
        let half = matches!(join.kind, JoinType::JOIN_SEMI | JoinType::JOIN_ANTI);
        if half
            && items::<Var>(fragment.columns).any(|var| !bms_is_member((*var).varno, left.members))
        {
            return None;
        }
        fragment.rows = (*joinrel).rows;
        fragment.width = (*(*joinrel).reltarget).width;
        fragment.nodes = left.nodes.max(right.nodes);
        fragment.work = cost::join(&left, &right, (*joinrel).rows);
        Some(fragment)
    }
}

/// Sorts the conditions into those of the join and those above it; false when the nodes can not apply one that
/// decides which rows match.
unsafe fn split(
    join: &mut Join,
    joinrel: *mut RelOptInfo,
    members: Relids,
    restrictions: *mut List,
    kept: &mut *mut List,
) -> bool {
    // Derived equalities count as pushed down even when they decide which rows match.
    let together = matches!(join.kind, JoinType::JOIN_INNER | JoinType::JOIN_SEMI);
    // SAFETY: the restrictions of a join are RestrictInfo.
    unsafe {
        for rinfo in items::<RestrictInfo>(restrictions) {
            if (*rinfo).pseudoconstant {
                continue;
            }
            let clause = (*rinfo).clause.cast::<Node>();
            let safe = (*rinfo).security_level == 0 || (*rinfo).leakproof;
            let pushed = safe && shippable(clause, members, false);
            let of_join = !(*rinfo).is_pushed_down
                && bms_is_subset((*rinfo).required_relids, (*joinrel).relids);
            if pushed && (of_join || together) {
                join.on = lappend(join.on, clause.cast());
            } else if join.kind == JoinType::JOIN_ANTI || join.kind == JoinType::JOIN_SEMI {
                return false;
            } else if pushed {
                join.above = lappend(join.above, clause.cast());
            } else if of_join && !together {
                return false;
            } else {
                *kept = lappend(*kept, clause.cast());
            }
        }
    }
    true
}

/// Do all rows that match live on one node, and is every row of the result delivered once?
unsafe fn meet(join: &Join) -> bool {
    let (left, right) = (join.left.distributed(), join.right.distributed());
    // SAFETY: valid fragments.
    unsafe {
        match join.kind {
            JoinType::JOIN_INNER if !left || !right => true,
            JoinType::JOIN_LEFT | JoinType::JOIN_SEMI | JoinType::JOIN_ANTI if !right => true,
            JoinType::JOIN_FULL if !left && !right => true,
            JoinType::JOIN_INNER
            | JoinType::JOIN_LEFT
            | JoinType::JOIN_FULL
            | JoinType::JOIN_SEMI
            | JoinType::JOIN_ANTI => {
                left && right && join.left.group == join.right.group && on_keys(join)
            }
            _ => false,
        }
    }
}

/// Is there an equality of a distribution column of each side?
unsafe fn on_keys(join: &Join) -> bool {
    let Some(equality) = equality_operator(join.left.group) else {
        return false;
    };
    // SAFETY: conditions are valid expressions.
    unsafe {
        items::<Node>(join.on).any(|clause| {
            if (*clause).type_ != NodeTag::T_OpExpr {
                return false;
            }
            let operation = clause.cast::<OpExpr>();
            if (*operation).opno != equality || crate::pg::nodes::length((*operation).args) != 2 {
                return false;
            }
            let elements = (*(*operation).args).elements;
            let one = plain((*elements).ptr_value.cast());
            let other = plain((*elements.add(1)).ptr_value.cast());
            collation_fits((*operation).inputcollid, one)
                && ((has_equal(join.left.keys, one) && has_equal(join.right.keys, other))
                    || (has_equal(join.left.keys, other) && has_equal(join.right.keys, one)))
        })
    }
}

/// Equality under another collation could call values equal that are hashed to different nodes.
unsafe fn collation_fits(collation: Oid, column: *mut Node) -> bool {
    // SAFETY: a valid expression; a catalog lookup.
    unsafe {
        collation == InvalidOid
            || collation == exprCollation(column)
            || get_collation_isdeterministic(collation)
    }
}

fn equality_operator(group: i32) -> Option<Oid> {
    let kind = metadata()?.group(group).distribution_type?;
    // SAFETY: the type cache has an entry for any existing type.
    let operator = unsafe { (*lookup_type_cache(kind, TYPECACHE_EQ_OPR as c_int)).eq_opr };
    (operator != InvalidOid).then_some(operator)
}

/// Without binary-compatible relabelling.
unsafe fn plain(mut node: *mut Node) -> *mut Node {
    // SAFETY: a valid expression.
    unsafe {
        while (*node).type_ == NodeTag::T_RelabelType {
            node = (*node.cast::<RelabelType>()).arg.cast();
        }
        node
    }
}

/// The join tree, conditions and keys; false when the form can not be written.
unsafe fn build(join: &Join, fragment: &mut Fragment) -> bool {
    let (left, right) = (&join.left, &join.right);
    // SAFETY: valid fragments; lists are not shared after being changed.
    unsafe {
        match join.kind {
            JoinType::JOIN_INNER => {
                fragment.from = list_concat_copy(left.from, right.from);
                fragment.quals = list_concat(list_concat_copy(left.quals, right.quals), join.on);
                fragment.keys = list_concat_copy(left.keys, right.keys);
                fragment.solid_keys = list_concat_copy(left.solid_keys, right.solid_keys);
            }
            JoinType::JOIN_LEFT => {
                let on = list_concat(list_copy(join.on), right.quals);
                fragment.from = outer_join(left, right, join.kind, on);
                fragment.quals = list_concat_copy(left.quals, join.above);
                fragment.keys = list_concat_copy(left.keys, right.keys);
                fragment.solid_keys = left.solid_keys;
            }
            JoinType::JOIN_FULL => {
                // A condition below a full join has no place in its text.
                if !left.quals.is_null() || !right.quals.is_null() || join.on.is_null() {
                    return false;
                }
                fragment.from = outer_join(left, right, join.kind, join.on);
                fragment.quals = join.above;
                fragment.keys = list_concat_copy(left.keys, right.keys);
            }
            _ => {
                let exists = exists(join);
                fragment.from = left.from;
                fragment.quals = lappend(list_copy(left.quals), exists.cast());
                fragment.keys = left.keys;
                fragment.solid_keys = left.solid_keys;
            }
        }
    }
    true
}

/// A from list of one outer join.
unsafe fn outer_join(
    left: &Fragment,
    right: &Fragment,
    kind: JoinType::Type,
    on: *mut List,
) -> *mut List {
    // SAFETY: the structure matches the tag.
    unsafe {
        let join = make::<JoinExpr>(NodeTag::T_JoinExpr);
        (*join).jointype = kind;
        (*join).larg = one_item(left.from);
        (*join).rarg = one_item(right.from);
        (*join).quals = conjunction(on);
        if (*join).quals.is_null() {
            (*join).quals = makeBoolConst(true, false);
        }
        lappend(std::ptr::null_mut(), join.cast())
    }
}

/// A from list as one item: inner joins on true, whose conditions stand elsewhere.
unsafe fn one_item(from: *mut List) -> *mut Node {
    let mut item: *mut Node = std::ptr::null_mut();
    // SAFETY: a valid from list.
    unsafe {
        for next in items::<Node>(from) {
            if item.is_null() {
                item = next;
                continue;
            }
            let join = make::<JoinExpr>(NodeTag::T_JoinExpr);
            (*join).jointype = JoinType::JOIN_INNER;
            (*join).larg = item;
            (*join).rarg = next;
            (*join).quals = makeBoolConst(true, false);
            item = join.cast();
        }
    }
    item
}

/// `EXISTS (SELECT FROM right WHERE ...)`, or NOT EXISTS. Columns of both sides are of level 0 here and its range table is
/// empty; `shippable::ship` completes it when the query is built.
unsafe fn exists(join: &Join) -> *mut Node {
    // SAFETY: the structures match their tags.
    unsafe {
        let query = make::<Query>(NodeTag::T_Query);
        (*query).commandType = CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).jointree = make::<FromExpr>(NodeTag::T_FromExpr);
        (*(*query).jointree).fromlist = copy(join.right.from);
        let quals = list_concat_copy(join.right.quals, join.on);
        (*(*query).jointree).quals = conjunction(quals);
        (*query).stmt_location = -1;
        let link = make::<SubLink>(NodeTag::T_SubLink);
        (*link).subLinkType = SubLinkType::EXISTS_SUBLINK;
        (*link).subselect = query.cast();
        (*link).location = -1;
        if join.kind == JoinType::JOIN_ANTI {
            let not = makeBoolExpr(
                BoolExprType::NOT_EXPR,
                lappend(std::ptr::null_mut(), link.cast()),
                -1,
            );
            return not.cast();
        }
        link.cast()
    }
}
