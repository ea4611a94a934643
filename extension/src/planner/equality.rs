//! The equalities that must hold for every row of a query level.

use crate::is_a;
use crate::pg::catalog::hash_family;
use crate::pg::list::nodes;
use pgrx::pg_sys::{self, Node, Oid, Query, Relids};

/// One equality: two sides, and the relations that it can pin (`None`: any).
pub struct Equality {
    pub left: *mut Node,
    pub right: *mut Node,
    operator: Oid,
    collation: Oid,
    may_pin: Option<Relids>,
}

impl Equality {
    /// Can it pin columns of this entry of the range table?
    pub fn may_pin(&self, relation: u32) -> bool {
        // SAFETY: a valid set, or null for the empty one.
        self.may_pin
            .is_none_or(|set| unsafe { pg_sys::bms_is_member(relation as i32, set) })
    }

    /// Is it the equality by which values are hashed: of the side's default hash operator family, and with a collation under
    /// which only identical values are equal (others are equal across buckets)?
    pub fn is_of_hash(&self, side: *mut Node) -> bool {
        // SAFETY: catalog lookups by type, operator and collation.
        unsafe {
            let exact = self.collation == pg_sys::InvalidOid
                || pg_sys::get_collation_isdeterministic(self.collation);
            let family = hash_family(pg_sys::exprType(side));
            exact && family != pg_sys::InvalidOid && pg_sys::op_in_opfamily(self.operator, family)
        }
    }
}

/// Those of a query's own conditions.
pub fn of(query: *mut Query) -> Vec<Equality> {
    let mut equalities = Vec::new();
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe { collect((*query).jointree.cast(), None, &mut equalities) };
    equalities
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
