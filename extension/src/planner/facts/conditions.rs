//! FROM and WHERE of a query level: its joins, and the conditions that are equalities.

use super::Collector;
use crate::pg::catalog::{hash_family, is_deterministic, operator_in_family};
use crate::pg::tree::{copy, NodeRef};
use crate::plan::casts::strip_alike;
use crate::plan::contains::contains_column;
use expanse_core::statement::{Column, Equality, Join, JoinKind, JoinTree, KeyId, Side};
use pgrx::pg_sys::{
    BoolExpr, BoolExprType, Const, FromExpr, InvalidOid, JoinExpr, JoinType, List, Node, OpExpr,
    Param, ParamKind, Query, RangeTblRef, Var,
};

impl<'a> Collector<'a, '_> {
    pub fn join_tree(&mut self, query: NodeRef<'a, Query>) -> JoinTree {
        match query.join_tree() {
            Some(tree) => self.from(tree),
            None => JoinTree::default(),
        }
    }

    fn from(&mut self, from: NodeRef<'a, FromExpr>) -> JoinTree {
        JoinTree::From {
            items: from.items().iter().map(|item| self.item(item)).collect(),
            conditions: self.equalities(from.conditions()),
        }
    }

    fn item(&mut self, item: NodeRef<'a>) -> JoinTree {
        if let Some(reference) = item.cast::<RangeTblRef>() {
            return JoinTree::Relation(reference.rtindex as u32);
        }
        if let Some(from) = item.cast::<FromExpr>() {
            return self.from(from);
        }
        let join = item.cast::<JoinExpr>();
        join.and_then(|join| self.join(join)).unwrap_or_default()
    }

    fn join(&mut self, join: NodeRef<'a, JoinExpr>) -> Option<JoinTree> {
        Some(JoinTree::Join(Box::new(Join {
            kind: match join.jointype {
                JoinType::JOIN_INNER => JoinKind::Inner,
                JoinType::JOIN_LEFT => JoinKind::Left,
                JoinType::JOIN_RIGHT => JoinKind::Right,
                _ => JoinKind::Full,
            },
            left: self.item(join.left()?),
            right: self.item(join.right()?),
            conditions: self.equalities(join.conditions()),
        })))
    }

    /// The equalities among conditions that are joined by AND.
    fn equalities(&mut self, conditions: Option<NodeRef<'a>>) -> Vec<Equality> {
        let mut found = Vec::new();
        let mut pending: Vec<NodeRef<'a>> = conditions.into_iter().collect();
        while let Some(condition) = pending.pop() {
            if let Some(operation) = condition.cast::<OpExpr>() {
                found.extend(self.equality(operation));
            } else {
                pending.extend(parts(condition).into_iter().rev());
            }
        }
        found
    }

    /// An operation of a column with something else that may decide where its rows are.
    fn equality(&mut self, operation: NodeRef<'a, OpExpr>) -> Option<Equality> {
        let arguments = operation.arguments();
        let (left, right) = (arguments.get(0)?, arguments.get(1)?);
        let hashes = [left, right].map(|side| {
            matches!(column_of(side), Some((0, _))) && is_equality_of_hash(operation, side)
        });
        if arguments.len() != 2 || hashes == [false, false] {
            return None;
        }
        Some(Equality {
            left: self.side(left),
            right: self.side(right),
            hashes_left: hashes[0],
            hashes_right: hashes[1],
        })
    }

    /// The expression as a side of an equality.
    pub fn side(&mut self, node: NodeRef<'a>) -> Side {
        match column_side(node) {
            Side::Other => computable(node).map_or(Side::Other, |key| Side::Key(self.key(key))),
            column => column,
        }
    }

    /// The number of an expression that is a key.
    pub fn key(&mut self, expression: NodeRef<'a>) -> KeyId {
        let keys = &mut self.facts.keys;
        let known = keys.iter().position(|key| key.equals(expression));
        known.unwrap_or_else(|| {
            keys.push(copy(expression).into_ref());
            keys.len() - 1
        })
    }
}

/// The members of a list of conditions, or of an AND.
fn parts(condition: NodeRef<'_>) -> Vec<NodeRef<'_>> {
    if let Some(list) = condition.cast::<List>() {
        // SAFETY: WHERE as an implicit AND is a list of expressions.
        return unsafe { list.elements::<Node>() }.iter().collect();
    }
    match condition.cast::<BoolExpr>() {
        Some(and) if and.boolop == BoolExprType::AND_EXPR => and.arguments().iter().collect(),
        _ => Vec::new(),
    }
}

/// Is the operator the equality by which values are hashed: of the side's default hash operator family, and with a collation
/// under which only identical values are equal (others are equal across buckets)?
fn is_equality_of_hash(operation: NodeRef<'_, OpExpr>, side: NodeRef<'_>) -> bool {
    let exact = operation.inputcollid == InvalidOid || is_deterministic(operation.inputcollid);
    let family = hash_family(side.expression_type());
    exact && family != InvalidOid && operator_in_family(operation.opno, family)
}

/// The column that the expression is, and how many queries around it belongs to.
pub fn column_of(node: NodeRef<'_>) -> Option<(u32, Column)> {
    let var = strip_alike(node).cast::<Var>()?;
    let index = u32::try_from(var.varno).ok()?;
    let attribute = var.varattno;
    (attribute > 0).then_some((var.varlevelsup, Column { index, attribute }))
}

/// The column as a side of an equality; anything else is [`Side::Other`].
pub fn column_side(node: NodeRef<'_>) -> Side {
    column_of(node).map_or(Side::Other, |(up, column)| Side::Column { up, column })
}

/// An expression that can be computed before the statement runs: no columns, sublinks or volatile functions.
pub fn computable(node: NodeRef<'_>) -> Option<NodeRef<'_>> {
    let stripped = strip_alike(node);
    let param = stripped.cast::<Param>();
    let plain = stripped.is::<Const>()
        || param.is_some_and(|param| param.paramkind == ParamKind::PARAM_EXTERN);
    (plain || !contains_column(node) && !node.has_sublink() && !node.is_volatile())
        .then_some(stripped)
}
