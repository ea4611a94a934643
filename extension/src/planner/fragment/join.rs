//! The fragment of a join: two fragments whose rows meet on one node. [`expanse_core::fragment::join`] decides.

use crate::metadata::cache::metadata;
use crate::pg::catalog::{equality_operator, is_deterministic};
use crate::pg::planner::{Planner, Rel};
use crate::pg::tree::build::{self, all_of};
use crate::pg::tree::{list_of, make, ListRef, NodeRef};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::shippable::shippable;
use crate::planner::fragment::{cost, path, target};
use expanse_core::fragment::cost::Figures;
use expanse_core::fragment::join::{on_nodes, place, Kind, Place, Sides};
use pgrx::pg_sys::{
    BoolExpr, BoolExprType, CmdType, FromExpr, InvalidOid, JoinExpr, JoinType, Node, Oid, OpExpr,
    Query, RelabelType, RestrictInfo, SubLink, SubLinkType, Var,
};

/// A join in question: `left` is the preserved side of an outer join, and the outer of a semijoin.
struct Join<'a> {
    kind: Kind,
    left: &'a Fragment<'a>,
    right: &'a Fragment<'a>,
    /// Conditions of the join itself.
    on: ListRef<'a, Node>,
    /// Conditions over its result.
    above: ListRef<'a, Node>,
    /// The coordinator's conditions over its result.
    local: ListRef<'a, Node>,
}

/// Attaches a fragment to a join, and adds its path when it is distributed.
pub fn consider<'a>(
    planner: Planner<'a>,
    rel: Rel<'a>,
    sides: [Rel<'a>; 2],
    jointype: JoinType::Type,
    restrictions: ListRef<'a, RestrictInfo>,
) {
    // Conditions without columns stand above a plan's own scans and joins only.
    if planner.hasPseudoConstantQuals {
        return;
    }
    let [Some(outer), Some(inner)] = sides.map(Fragment::of) else {
        return;
    };
    if Fragment::of(rel).is_some() || !rel.lateral_relids().is_empty() {
        return;
    }
    let (kind, left, right) = match jointype {
        JoinType::JOIN_INNER => (Kind::Inner, outer, inner),
        JoinType::JOIN_LEFT => (Kind::Left, outer, inner),
        JoinType::JOIN_RIGHT => (Kind::Left, inner, outer),
        JoinType::JOIN_FULL => (Kind::Full, outer, inner),
        JoinType::JOIN_SEMI => (Kind::Semi, outer, inner),
        JoinType::JOIN_ANTI => (Kind::Anti, outer, inner),
        _ => return,
    };
    let fragment = Join::new(kind, left, right, rel, restrictions)
        .filter(|join| on_nodes(kind, left.location(), right.location(), || join.on_keys()))
        .and_then(|join| join.fragment(rel));
    if let Some(fragment) = fragment {
        let fragment = rel.attach(fragment);
        if fragment.is_distributed() {
            path::add_join(rel, fragment);
        }
    }
}

impl<'a> Join<'a> {
    /// Sorts the conditions; `None` when the nodes cannot do the join with them.
    fn new(
        kind: Kind,
        left: &'a Fragment<'a>,
        right: &'a Fragment<'a>,
        rel: Rel<'a>,
        restrictions: ListRef<'a, RestrictInfo>,
    ) -> Option<Self> {
        if left.user != right.user
            || !left.local_conditions.is_empty()
            || !right.local_conditions.is_empty()
        {
            return None;
        }
        let members = left.members.union(right.members);
        let (mut on, mut above, mut local) = (Vec::new(), Vec::new(), Vec::new());
        for condition in restrictions.iter().filter(|it| !it.pseudoconstant) {
            let clause = condition.clause()?;
            let may_leave = condition.security_level == 0 || condition.leakproof;
            let of_join =
                !condition.is_pushed_down && condition.required_relids().is_subset_of(rel.relids());
            match place(kind, may_leave && shippable(clause, members), of_join)? {
                Place::Join => on.push(clause),
                Place::Above => above.push(clause),
                Place::Coordinator => local.push(clause),
            }
        }
        Some(Join {
            kind,
            left,
            right,
            on: list_of(on),
            above: list_of(above),
            local: list_of(local),
        })
    }

    /// Is there an equality of a distribution column of each side?
    fn on_keys(&self) -> bool {
        let equality = metadata()
            .and_then(|metadata| metadata.group(self.left.group).distribution_type)
            .and_then(equality_operator);
        equality.is_some_and(|equality| {
            self.on
                .iter()
                .any(|clause| self.is_on_keys(clause, equality))
        })
    }

    fn is_on_keys(&self, clause: NodeRef<'a>, equality: Oid) -> bool {
        let Some(operation) = clause.cast::<OpExpr>() else {
            return false;
        };
        let arguments = operation.arguments();
        let (Some(one), Some(other), None) = (arguments.get(0), arguments.get(1), arguments.get(2))
        else {
            return false;
        };
        let (one, other) = (plain(one), plain(other));
        let (left, right) = (self.left.keys, self.right.keys);
        operation.opno == equality
            && collation_fits(operation.inputcollid, one)
            && (left.has_equal(one) && right.has_equal(other)
                || left.has_equal(other) && right.has_equal(one))
    }

    /// `None` when the form cannot be written.
    fn fragment(&self, rel: Rel<'a>) -> Option<Fragment<'a>> {
        if !target::only_columns(rel.target()) {
            return None;
        }
        let (left, right) = (self.left, self.right);
        let columns = target::columns(rel.target(), self.local);
        let of_left = |column: NodeRef<'_, Var>| left.members.contains(column.varno);
        if self.kind.gives_left_only() && !columns.iter().all(of_left) {
            return None;
        }
        let (from, remote_conditions) = self.form()?;
        Some(Fragment {
            group: if left.is_distributed() {
                left.group
            } else {
                right.group
            },
            user: left.user,
            members: left.members.union(right.members),
            from,
            remote_conditions,
            local_conditions: self.local,
            keys: chosen(self.kind.keys(), left.keys, right.keys),
            keys_never_null: chosen(
                self.kind.keys_never_null(),
                left.keys_never_null,
                right.keys_never_null,
            ),
            columns,
            figures: Figures {
                work: cost::join(&left.figures, &right.figures, rel.rows),
                rows: rel.rows,
                nodes: left.figures.nodes.max(right.figures.nodes),
            },
        })
    }

    /// FROM and WHERE; `None` when the join cannot be written so.
    fn form(&self) -> Option<(ListRef<'a, Node>, ListRef<'a, Node>)> {
        let (left, right) = (self.left, self.right);
        let of_left = left.remote_conditions;
        let of_right = right.remote_conditions;
        Some(match self.kind {
            Kind::Inner => (
                left.from.concat(right.from),
                of_left.concat(of_right).concat(self.on),
            ),
            Kind::Left => (
                self.outer_join(JoinType::JOIN_LEFT, self.on.concat(of_right)),
                of_left.concat(self.above),
            ),
            Kind::Full => {
                // A condition below a full join has no place in its text.
                if !of_left.is_empty() || !of_right.is_empty() || self.on.is_empty() {
                    return None;
                }
                (self.outer_join(JoinType::JOIN_FULL, self.on), self.above)
            }
            Kind::Semi => (left.from, of_left.with(self.exists().node())),
            Kind::Anti => (left.from, of_left.with(not(self.exists().node()))),
        })
    }

    /// FROM with one outer join.
    fn outer_join(&self, kind: JoinType::Type, on: ListRef<'a, Node>) -> ListRef<'a, Node> {
        let condition = all_of(on).unwrap_or_else(|| build::boolean(true));
        let sides = one_item(self.left.from).zip(one_item(self.right.from));
        list_of(sides.map(|(left, right)| join_of(kind, left, right, condition)))
    }

    /// `EXISTS (SELECT FROM right WHERE ...)`. Columns of both sides are of level 0 here and its range table is empty; it is
    /// completed when the query is built (`query::expressions`).
    fn exists(&self) -> NodeRef<'a, SubLink> {
        let mut tree = make::<FromExpr>();
        tree.fromlist = self.right.from.copied().as_ptr();
        tree.quals = build::pointer(all_of(self.right.remote_conditions.concat(self.on)));
        let mut query = make::<Query>();
        query.commandType = CmdType::CMD_SELECT;
        query.canSetTag = true;
        query.jointree = tree.as_ptr();
        query.stmt_location = -1;
        let mut link = make::<SubLink>();
        link.subLinkType = SubLinkType::EXISTS_SUBLINK;
        link.subselect = query.as_ptr().cast();
        link.location = -1;
        link.into_ref()
    }
}

/// Equality under another collation could call values equal that are hashed to different nodes.
fn collation_fits(collation: Oid, column: NodeRef<'_>) -> bool {
    collation == InvalidOid || collation == column.collation() || is_deterministic(collation)
}

/// Without binary-compatible relabelling.
fn plain(mut node: NodeRef<'_>) -> NodeRef<'_> {
    while let Some(argument) = node.cast::<RelabelType>().and_then(|it| it.argument()) {
        node = argument;
    }
    node
}

fn chosen<'a>(sides: Sides, left: ListRef<'a, Var>, right: ListRef<'a, Var>) -> ListRef<'a, Var> {
    match (sides.left, sides.right) {
        (true, true) => left.concat(right),
        (true, false) => left,
        (false, true) => right,
        (false, false) => ListRef::empty(),
    }
}

/// FROM as one item: inner joins on true, whose conditions stand elsewhere.
fn one_item<'a>(from: ListRef<'a, Node>) -> Option<NodeRef<'a>> {
    from.iter()
        .reduce(|joined, next| join_of(JoinType::JOIN_INNER, joined, next, build::boolean(true)))
}

fn join_of<'a>(
    kind: JoinType::Type,
    left: NodeRef<'a>,
    right: NodeRef<'a>,
    condition: NodeRef<'a>,
) -> NodeRef<'a> {
    let mut join = make::<JoinExpr>();
    join.jointype = kind;
    join.larg = left.as_ptr();
    join.rarg = right.as_ptr();
    join.quals = condition.as_ptr();
    join.into_ref().node()
}

fn not<'a>(condition: NodeRef<'a>) -> NodeRef<'a> {
    let mut not = make::<BoolExpr>();
    not.boolop = BoolExprType::NOT_EXPR;
    not.args = list_of([condition]).as_ptr();
    not.location = -1;
    not.into_ref().node()
}
