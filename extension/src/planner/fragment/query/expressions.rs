//! Expressions of the plan as the nodes compute them: what does not depend on their rows is computed here and sent along.

use crate::pg::planner::Relids;
use crate::pg::tree::build::parameter;
use crate::pg::tree::{copy, flat_copy, list_of, make, mutate, mutate_below};
use crate::pg::tree::{Change, ListRef, NodeRef, ValueType};
use crate::planner::fragment::grouping::partial;
use crate::planner::fragment::query::select_from;
use crate::planner::fragment::shippable::is_constant;
use pgrx::pg_sys::{
    Aggref, CoercionForm, Node, NodeTag, Query, RangeTblEntry, RelabelType, SubLink, Var,
};

/// Copies shippable expressions of one statement for the nodes.
pub struct Expressions<'a> {
    /// What the parameters `$1`, `$2`, ... stand for.
    params: Vec<NodeRef<'a>>,
    /// The planner's.
    range_table: ListRef<'a, RangeTblEntry>,
    /// The tables in FROM of every EXISTS around the expression, the outermost first.
    around: Vec<Relids<'a>>,
}

impl<'a> Expressions<'a> {
    pub fn new(range_table: ListRef<'a, RangeTblEntry>) -> Self {
        Expressions {
            params: Vec::new(),
            range_table,
            around: Vec::new(),
        }
    }

    /// What the parameters stand for.
    pub fn params(self) -> ListRef<'a, Node> {
        list_of(self.params)
    }

    /// A copy of a shippable expression in which everything that is computed here has become a parameter `$n`, and every
    /// EXISTS is a complete query.
    pub fn expression(&mut self, node: NodeRef<'a>) -> NodeRef<'a> {
        mutate(node, &mut |node| self.change(node))
    }

    /// The same for each expression, or item of FROM, of a list.
    pub fn list(&mut self, list: ListRef<'a, Node>) -> ListRef<'a, Node> {
        list_of(list.iter().map(|node| self.expression(node)))
    }

    fn change(&mut self, node: NodeRef<'a>) -> Change<'a> {
        if let Some(var) = node.cast::<Var>() {
            return Change::Replace(self.column(var));
        }
        if let Some(aggregate) = node.cast::<Aggref>() {
            return Change::Replace(self.aggregate(aggregate));
        }
        if let Some(link) = node.cast::<SubLink>() {
            return Change::Replace(self.exists(link));
        }
        match node.tag() {
            NodeTag::T_Const | NodeTag::T_RangeTblRef | NodeTag::T_SortGroupClause => {
                Change::Replace(copy(node).into_ref())
            }
            NodeTag::T_List
            | NodeTag::T_TargetEntry
            | NodeTag::T_CaseWhen
            | NodeTag::T_JoinExpr => Change::Into,
            _ if is_constant(node) => Change::Replace(self.parameter(node)),
            _ => Change::Into,
        }
    }

    /// A column, of a table in FROM of this query or of one around it.
    fn column(&self, var: NodeRef<'a, Var>) -> NodeRef<'a> {
        let mut column = copy(var);
        let levels = self
            .around
            .iter()
            .rev()
            .position(|members| members.contains(var.varno));
        column.varlevelsup = levels.unwrap_or(self.around.len()) as u32;
        column.into_ref().node()
    }

    fn aggregate(&mut self, aggregate: NodeRef<'a, Aggref>) -> NodeRef<'a> {
        let mut asked = flat_copy(aggregate);
        partial::ask_for_state(&mut asked);
        mutate_below(asked.into_ref().node(), &mut |node| self.change(node))
    }

    /// Completes an EXISTS that a join has made: its own range table, and columns of tables outside levels up.
    fn exists(&mut self, link: NodeRef<'a, SubLink>) -> NodeRef<'a> {
        let Some(tree) = link.query().and_then(NodeRef::<Query>::join_tree) else {
            return link.node();
        };
        self.around.push(Relids::of_from(tree.items()));
        let from = self.list(tree.items());
        let conditions = tree.conditions().map(|all| self.expression(all));
        self.around.pop();
        let query = select_from(self.range_table, from, conditions);
        let mut complete = flat_copy(link);
        complete.subselect = query.as_ptr().cast();
        complete.into_ref().node()
    }

    /// The parameter for `node`, with its type written out: `$n::type`.
    fn parameter(&mut self, node: NodeRef<'a>) -> NodeRef<'a> {
        let known = self.params.iter().position(|param| param.equals(node));
        let number = known.unwrap_or_else(|| {
            self.params.push(copy(node).into_ref());
            self.params.len() - 1
        });
        let of = ValueType {
            typmod: -1,
            ..node.value_type()
        };
        let mut written = make::<RelabelType>();
        written.arg = parameter(number as i32 + 1, of).as_ptr().cast();
        written.resulttype = of.oid;
        written.resulttypmod = of.typmod;
        written.resultcollid = of.collation;
        written.relabelformat = CoercionForm::COERCE_EXPLICIT_CAST;
        written.location = -1;
        written.into_ref().node()
    }
}
