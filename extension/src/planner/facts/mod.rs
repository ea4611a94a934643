//! The facts of an analysed query, for the decision in `expanse_core::statement`.
//!
//! # How it works
//! [`collect`] walks each query level once ([`level`]): relations, functions, system columns, and the queries inside of it,
//! which follow. Conditions become equalities ([`conditions`]); what a write assigns to the distribution column is looked up
//! for the statement itself ([`assignments`]). Two things are rare and have walks of their own, only when the walk over all
//! has met what they need: rows that are told apart by system columns ([`places`]), and users' functions that may read tables.
//!
//! # Invariants
//! Facts refer to no node of the query, which may be changed afterwards: keys are copies, and the addresses of the levels'
//! queries are compared, never read.

pub mod assignments;
mod conditions;
mod level;
pub mod places;

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::tree::{copy, NodeRef};
use crate::plan::deparse::{may_read_tables, parameterize};
use expanse_core::statement::{
    Command, Functions, Inserted, KeyId, LevelId, Placement, QueryFacts, Table,
};
use pgrx::pg_sys::{CmdType, Oid, Query, RTEKind, WCOKind};

pub struct Facts {
    pub query: QueryFacts,
    /// The expressions that are keys, by their numbers.
    keys: Vec<NodeRef<'static>>,
    /// The queries of the levels, by their numbers.
    queries: Vec<*const Query>,
}

impl Facts {
    pub fn key(&self, number: KeyId) -> NodeRef<'static> {
        self.keys[number]
    }

    /// The level that a part of the query is.
    pub fn level_of(&self, query: NodeRef<'_, Query>) -> Option<LevelId> {
        let address = query.as_ptr().cast_const();
        self.queries.iter().position(|&other| other == address)
    }

    /// Where the query's relations are.
    pub fn placement(&self, metadata: &Metadata) -> Placement {
        let tables = self.query.mentions().filter_map(|mention| {
            let table = metadata.table(Oid::from(mention.relation))?;
            let table = match table.kind {
                TableKind::Distributed { column, .. } => Table::Distributed {
                    column,
                    group: table.group,
                },
                TableKind::Replicated => Table::Replicated,
            };
            Some((mention.relation, table))
        });
        tables.collect()
    }
}

/// Collects them from PostgreSQL's analysed query.
pub fn collect(query: NodeRef<'_, Query>, metadata: &Metadata) -> Facts {
    let mut collector = Collector {
        metadata,
        facts: Facts {
            query: of_statement(query),
            keys: Vec::new(),
            queries: Vec::new(),
        },
        pending: vec![level::Pending::statement(query)],
        calls_reading: false,
    };
    while let Some(next) = collector.pending.pop() {
        collector.take_level(next);
    }
    collector.assignments(query);
    let mut facts = collector.facts;
    facts.query.rows_by_place = facts.query.system_columns && places::tell_rows_apart(query);
    facts.query.functions.may_read_tables =
        collector.calls_reading && may_read_tables_elsewhere(query);
    facts
}

struct Collector<'a, 'm> {
    metadata: &'m Metadata,
    facts: Facts,
    /// Levels that are still to be walked, the next one last.
    pending: Vec<level::Pending<'a>>,
    /// A function of a user that may read tables is called.
    calls_reading: bool,
}

/// What the statement itself says.
fn of_statement(query: NodeRef<'_, Query>) -> QueryFacts {
    let command = match query.commandType {
        CmdType::CMD_INSERT => Command::Insert,
        CmdType::CMD_UPDATE => Command::Update,
        CmdType::CMD_DELETE => Command::Delete,
        CmdType::CMD_MERGE => Command::Merge,
        _ => Command::Select,
    };
    let mut checks = query.check_options().iter();
    QueryFacts {
        command,
        levels: Vec::new(),
        target: u32::try_from(query.resultRelation)
            .ok()
            .filter(|&index| index > 0),
        names_only: command != Command::Insert && names_only(query),
        modifying_with: query.hasModifyingCTE,
        functions: Functions::default(),
        system_columns: false,
        rows_by_place: false,
        order_dependent: false,
        view_check: checks.any(|check| check.kind == WCOKind::WCO_VIEW_CHECK),
        current_of: false,
        assigned_key: None,
        conflict_key: None,
        inserted: Inserted::Other,
        merge_actions: Vec::new(),
    }
}

/// Are all tables named by ONLY? The target of an INSERT always looks so.
fn names_only(query: NodeRef<'_, Query>) -> bool {
    query
        .range_table()
        .iter()
        .all(|entry| entry.rtekind != RTEKind::RTE_RELATION || !entry.inh)
}

/// Do functions that may read tables remain once what depends on the moment has been computed? The rewriter's checks have no
/// text for other nodes.
fn may_read_tables_elsewhere(query: NodeRef<'_, Query>) -> bool {
    let mut rest = copy(query);
    rest.withCheckOptions = std::ptr::null_mut();
    let (rest, _) = parameterize(rest);
    may_read_tables(rest.as_ref())
}
