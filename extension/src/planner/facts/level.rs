//! One query level: its relations, what it calls, and the queries inside of it.

use super::Collector;
use crate::metadata::cache::Metadata;
use crate::pg::catalog::is_volatile;
use crate::pg::tree::walk::RANGE_TABLE_TOO;
use crate::pg::tree::{walk_list, walk_query, ListRef, NodeRef, Step};
use crate::plan::deparse::{function_may_read_tables, is_volatile_of_node};
use crate::planner::tables::returned_here;
use expanse_core::statement::{JoinTree, Level, LevelId, Mention, Origin, Use};
use pgrx::pg_sys::{LockClauseStrength, Node, NodeTag, Oid, Query, RTEKind, Var, RELKIND_VIEW};

/// A level that is to be walked.
pub struct Pending<'a> {
    query: NodeRef<'a, Query>,
    parent: Option<LevelId>,
    origin: Origin,
    in_policy: bool,
    /// It stands in RETURNING, where system columns are this node's and may.
    returned: bool,
}

impl<'a> Pending<'a> {
    pub fn statement(query: NodeRef<'a, Query>) -> Self {
        Pending {
            query,
            parent: None,
            origin: Origin::Statement,
            in_policy: false,
            returned: false,
        }
    }
}

/// The walk over a level.
struct Walk<'w, 'a, 'm> {
    collector: &'w mut Collector<'a, 'm>,
    number: LevelId,
    /// What the walk has entered last that may hold a query.
    origin: Origin,
    returned: bool,
    in_policy: bool,
    /// The queries of row security at this level.
    policies: Vec<NodeRef<'a, Query>>,
    /// The list that the walk leaves out.
    left_out: Option<NodeRef<'a>>,
    inner: Vec<Pending<'a>>,
}

impl<'a> Collector<'a, '_> {
    pub fn take_level(&mut self, at: Pending<'a>) {
        let (query, number) = (at.query, self.facts.queries.len());
        self.facts.queries.push(query.as_ptr());
        let mentions = mentions(query, self.metadata);
        let mut level = Level {
            parent: at.parent,
            origin: at.origin,
            in_policy: at.in_policy,
            mentions,
            session_rows: query.range_table().iter().any(returned_here),
            join_tree: JoinTree::default(),
            excludes: query
                .row_marks()
                .iter()
                .any(|mark| mark.strength > LockClauseStrength::LCS_FORSHARE),
            has_with: query.hasModifyingCTE || !query.with().is_empty(),
        };
        self.walk(&at, number);
        // After PostgreSQL's own walk, which has seen to it that the tree is not too deep.
        level.join_tree = self.join_tree(query);
        self.facts.query.order_dependent |= query.limit_count().is_some()
            || query.limit_offset().is_some()
            || query.hasDistinctOn
            || query.hasWindowFuncs;
        self.facts.query.levels.push(level);
    }

    fn walk(&mut self, at: &Pending<'a>, number: LevelId) {
        let query = at.query;
        let returning = query.returning();
        let policies = policy_queries(query, self.metadata);
        let mut walk = Walk {
            collector: self,
            number,
            origin: Origin::From,
            returned: at.returned,
            in_policy: at.in_policy,
            policies,
            left_out: at.parent.is_none().then(|| returning.node()).flatten(),
            inner: Vec::new(),
        };
        walk_query(query, RANGE_TABLE_TOO, &mut |node| walk.visit(node));
        if walk.left_out.is_some() {
            walk.returned = true;
            walk_list(returning, &mut |node| walk.visit(node));
        }
        let inner = walk.inner;
        self.pending.extend(inner.into_iter().rev());
    }
}

impl<'a> Walk<'_, 'a, '_> {
    fn visit(&mut self, node: NodeRef<'a>) -> Step {
        match node.tag() {
            NodeTag::T_Query => {
                self.inner.extend(self.pending(node));
                return Step::Over;
            }
            NodeTag::T_RangeTblEntry => self.origin = Origin::From,
            NodeTag::T_CommonTableExpr => self.origin = Origin::With,
            NodeTag::T_SubLink => self.origin = Origin::Sublink,
            NodeTag::T_List if self.left_out.is_some_and(|list| list.is_same(node)) => {
                return Step::Over
            }
            NodeTag::T_Var => {
                let system = node.cast::<Var>().is_some_and(|var| var.varattno < 0);
                self.facts().system_columns |= system && !self.returned;
            }
            NodeTag::T_CurrentOfExpr => self.facts().current_of |= self.number == 0,
            NodeTag::T_NextValueExpr => {
                self.facts().functions.volatile = true;
                self.facts().functions.bound_to_node = true;
            }
            NodeTag::T_List
            | NodeTag::T_TargetEntry
            | NodeTag::T_Const
            | NodeTag::T_Param
            | NodeTag::T_FromExpr
            | NodeTag::T_JoinExpr
            | NodeTag::T_RangeTblRef
            | NodeTag::T_BoolExpr
            | NodeTag::T_SortGroupClause => {}
            _ => {
                node.calls(&mut |function| self.called(function));
            }
        }
        Step::Into
    }

    fn facts(&mut self) -> &mut expanse_core::statement::QueryFacts {
        &mut self.collector.facts.query
    }

    fn pending(&self, node: NodeRef<'a>) -> Option<Pending<'a>> {
        let query = node.cast::<Query>()?;
        Some(Pending {
            query,
            parent: Some(self.number),
            origin: self.origin,
            in_policy: self.in_policy || self.policies.iter().any(|other| other.is_same(query)),
            returned: self.returned,
        })
    }

    /// Notes what a function may do. False: the search for functions goes on.
    fn called(&mut self, function: Oid) -> bool {
        let functions = &mut self.facts().functions;
        if is_volatile(function) {
            functions.volatile = true;
            functions.bound_to_node |= is_volatile_of_node(function);
        }
        self.collector.calls_reading |= function_may_read_tables(function);
        false
    }
}

/// The relations of a level. The rewriter leaves views in the range table, next to their queries.
fn mentions(query: NodeRef<'_, Query>, metadata: &Metadata) -> Vec<Mention> {
    let entries = query.range_table().iter().zip(1_u32..);
    let relations = entries.filter(|(entry, _)| {
        entry.rtekind == RTEKind::RTE_RELATION
            && (entry.relkind as u8 != RELKIND_VIEW || metadata.table(entry.relid).is_some())
    });
    let used = |index| {
        if i64::from(index) == i64::from(query.resultRelation) {
            Use::Written
        } else if query.row_marks().iter().any(|mark| mark.rti == index) {
            Use::Locked
        } else {
            Use::Read
        }
    };
    relations
        .map(|(entry, index)| Mention {
            relation: entry.relid.to_u32(),
            index,
            used: used(index),
        })
        .collect()
}

/// The queries in the policies of a level's tables, and in the checks of what is written.
fn policy_queries<'a>(query: NodeRef<'a, Query>, metadata: &Metadata) -> Vec<NodeRef<'a, Query>> {
    let mut found = Vec::new();
    for entry in query.range_table().iter() {
        let (policies, checks) = (entry.security_quals(), query.check_options());
        if policies.is_empty() && checks.is_empty() || metadata.table(entry.relid).is_none() {
            continue;
        }
        add_queries(policies, &mut found);
        for check in checks.iter() {
            add_queries_in(check.condition(), &mut found);
        }
    }
    found
}

fn add_queries<'a>(expressions: ListRef<'a, Node>, found: &mut Vec<NodeRef<'a, Query>>) {
    for expression in expressions.iter() {
        add_queries_in(Some(expression), found);
    }
}

/// The queries of an expression's sublinks.
fn add_queries_in<'a>(expression: Option<NodeRef<'a>>, found: &mut Vec<NodeRef<'a, Query>>) {
    let Some(expression) = expression else { return };
    crate::pg::tree::walk(expression, &mut |node| match node.cast::<Query>() {
        Some(query) => {
            found.push(query);
            Step::Over
        }
        None => Step::Into,
    });
}
