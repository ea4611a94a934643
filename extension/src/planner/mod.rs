//! From an analysed query to a plan over nodes. `docs/architecture/reads.md`, The way of a statement.
//!
//! # How it works
//! [`decide`] runs before PostgreSQL's planner. It collects the facts of the query ([`facts`]), lets
//! `expanse_core::statement` choose one way for them, and prepares the query for that way; what a way needs of the tree
//! is here (`route`, `modify`, `distribute`, `exchange`, `prior_writes`, `fragment`). [`finish`] runs after PostgreSQL's planner and
//! turns its plan into that way's.

pub mod binding;
pub mod distribute;
pub mod exchange;
pub mod facts;
pub mod fragment;
pub mod group_lock;
pub mod merge;
pub mod modify;
pub mod nested;
pub mod ownership;
pub mod prior_writes;
pub mod refusals;
pub mod route;
pub mod tables;
pub mod wrap;

use crate::metadata::cache::{metadata, Metadata};
use crate::metadata::node_session;
use crate::pg::tree::NodeMut;
use crate::planner::exchange::Exchange;
use crate::planner::facts::Facts;
use crate::planner::group_lock::{Groups, Locked};
use crate::planner::prior_writes::{moved_rows, PriorWrites};
use crate::state::local_planning;
use expanse_core::statement::{self, Placement, Reads, Refusal, Way};
use pgrx::pg_sys::{PlannedStmt, Query};
use std::rc::Rc;

/// What has been prepared for the way of a statement.
enum Prepared {
    /// PostgreSQL's plan for this node is the plan.
    Local,
    /// PostgreSQL plans, over fragments offered by the path hooks.
    Fragments,
    /// One node, or several, run the statement as it is.
    Statement(wrap::Plan),
    /// Rows are computed here and sent to the nodes that they belong to.
    Distribute(distribute::Plan),
}

impl Prepared {
    /// Is PostgreSQL's plan to be one for this node alone?
    fn plans_locally(&self) -> bool {
        matches!(self, Prepared::Local | Prepared::Statement(_))
    }
}

/// A statement between [`decide`] and [`finish`].
pub struct Planning {
    prepared: Prepared,
    prior: PriorWrites<'static>,
    groups: Groups,
    metadata: Rc<Metadata>,
    reads: Reads,
    /// A DELETE whose rows are inserted elsewhere.
    moves: bool,
}

/// What the planner hook carries over PostgreSQL's planner.
#[derive(Clone, Copy)]
pub enum Decision {
    PassThrough,
    /// A statement for this node alone, a DELETE whose rows are inserted elsewhere.
    Moving,
    Plan(*mut Planning),
}

/// Chooses the way of a statement and prepares the query for it. An error between here and [`finish`] leaks the
/// (small) planning state.
pub fn decide(mut query: NodeMut<'_, Query>) -> Decision {
    let works_for_another = node_session::is_internal();
    let nested = works_for_another && nested::of_function();
    if local_planning::announced() || works_for_another && !nested {
        return if moved_rows::take_mark(&mut query) {
            Decision::Moving
        } else {
            Decision::PassThrough
        };
    }
    let Some(known) = metadata().filter(|known| !known.tables.is_empty()) else {
        return Decision::PassThrough;
    };
    if !tables::names_table(query.as_ref(), &known) {
        return Decision::PassThrough;
    }
    let locked = group_lock::lock(query.as_ref(), known);
    if locked.groups.is_empty() {
        return Decision::PassThrough;
    }
    binding::refuse_newer(&locked.facts.query, &locked.metadata);
    let planning = plan(&mut query, locked, nested);
    Decision::Plan(Box::into_raw(Box::new(planning)))
}

fn plan(query: &mut NodeMut<'_, Query>, locked: Locked, nested: bool) -> Planning {
    let Locked {
        facts,
        groups,
        metadata,
    } = locked;
    let placement = facts.placement(&metadata);
    let mut choice = Choice {
        query,
        metadata: &metadata,
        placement: &placement,
        prior: PriorWrites::default(),
        exchange: Exchange::default(),
    };
    let (prepared, reads) = if nested::of_foreign_key(&facts.query) {
        (Prepared::Local, Reads::default())
    } else if nested {
        let plan = nested::prepare(choice.query.as_ref(), &facts, &placement);
        let prepared = plan.map_or(Prepared::Local, Prepared::Statement);
        (prepared, Reads::default())
    } else {
        choice.prepare(facts)
    };
    let prior = choice.prior;
    if prepared.plans_locally() {
        local_planning::enter();
    } else {
        local_planning::enter_distributed();
    }
    Planning {
        // The text for other nodes has been written.
        moves: moved_rows::take_mark(query),
        prepared,
        prior,
        groups,
        metadata,
        reads,
    }
}

/// A statement of a client, until its way is prepared.
struct Choice<'c, 'q> {
    query: &'c mut NodeMut<'q, Query>,
    metadata: &'c Metadata,
    placement: &'c Placement,
    prior: PriorWrites<'static>,
    /// What is read here and sent along.
    exchange: Exchange<'static>,
}

impl Choice<'_, '_> {
    /// Rewrites the query until its way is known, and prepares that.
    fn prepare(&mut self, original: Facts) -> (Prepared, Reads) {
        let mut rest = None;
        let mut way = self.choose(&original);
        while let Some(changed) = self.rewrite(&way, rest.as_ref().unwrap_or(&original)) {
            way = match way {
                Way::Exchange { .. } => statement::decide_exchanged(&changed.query, self.placement),
                _ => self.choose(&changed),
            };
            rest = Some(changed);
        }
        let facts = rest.as_ref().unwrap_or(&original);
        let reads = Reads::of(&way, &original.query, &facts.query, self.placement);
        (self.prepare_way(way, facts), reads)
    }

    fn choose(&self, facts: &Facts) -> Way {
        statement::decide(&facts.query, self.placement)
    }

    /// Rewrites the query when the way says so; gives the facts of what is left.
    fn rewrite(&mut self, way: &Way, facts: &Facts) -> Option<Facts> {
        match *way {
            Way::WritesFirst => self.prior = prior_writes::extract(self.query, self.metadata),
            Way::MoveRows => self.move_rows(facts),
            Way::Exchange { anchor } => {
                let found =
                    exchange::replace_remote_reads(self.query, facts, self.placement, anchor);
                self.exchange = found.unwrap_or_else(|| self.refuse_exchange(facts));
            }
            _ => return None,
        }
        Some(facts::collect(self.query.as_ref(), self.metadata))
    }

    fn move_rows(&mut self, facts: &Facts) {
        let several = statement::refuse_several(&facts.query, self.placement);
        let change = prior_writes::change_key(self.query, self.metadata);
        if let Some(refusal) = several {
            self.refuse(&refusal);
        }
        self.prior.exchange.append(change.exchange);
        self.prior.shown_as = change.shown_as;
    }

    fn prepare_way(&mut self, way: Way, facts: &Facts) -> Prepared {
        match way {
            Way::Local => Prepared::Local,
            Way::Route { group, key } => {
                let query = self.query.as_ref();
                Prepared::Statement(route::prepare(query, facts, self.placement, group, key))
            }
            Way::Fragments { writes_here } => {
                if writes_here {
                    fragment::local_write::set(self.query, self.metadata);
                }
                Prepared::Fragments
            }
            Way::Owners { group, restrict } => {
                let exchange = std::mem::take(&mut self.exchange);
                let plan = modify::on_owners(self.query, self.metadata, group, restrict, exchange);
                Prepared::Statement(plan)
            }
            Way::Everywhere => {
                let exchange = std::mem::take(&mut self.exchange);
                Prepared::Statement(modify::everywhere(self.query.as_ref(), exchange))
            }
            Way::Distribute => {
                let query = self.query.as_ref();
                let target = facts.query.target(self.placement);
                let target = target.expect("only what has a placed target is distributed");
                Prepared::Distribute(distribute::prepare(query, &target, self.metadata))
            }
            Way::Refuse(refusal) => self.refuse(&refusal),
            Way::WritesFirst | Way::MoveRows | Way::Exchange { .. } => {
                unreachable!("rewrites are done before a way is prepared")
            }
        }
    }

    fn refuse_exchange(&self, facts: &Facts) -> ! {
        let target = facts.query.target(self.placement);
        let target = target.expect("an exchange is for a placed target");
        self.refuse(&statement::refuse_exchange(&target))
    }

    fn refuse(&self, refusal: &Refusal) -> ! {
        refusals::raise(refusal, self.metadata)
    }
}

/// Turns PostgreSQL's plan into the plan of the chosen way.
///
/// # Safety
/// `planning` was made by [`decide`] for this very statement, and is used once.
pub unsafe fn finish(stmt: &mut NodeMut<'_, PlannedStmt>, planning: *mut Planning) {
    // SAFETY: as the caller promises.
    let planning = unsafe { Box::from_raw(planning) };
    local_planning::leave();
    if planning.moves {
        moved_rows::wrap(stmt);
    }
    match &planning.prepared {
        Prepared::Local | Prepared::Fragments => {}
        Prepared::Statement(plan) => wrap::wrap(stmt, plan),
        Prepared::Distribute(plan) => distribute::wrap(stmt, plan),
    }
    prior_writes::wrap(stmt, &planning.prior);
    group_lock::add_to_plan(stmt, &planning.groups, &planning.metadata, planning.reads);
}
