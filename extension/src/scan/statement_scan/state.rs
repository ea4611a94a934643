//! A Route or Modify scan while it runs: what it sends, and what the nodes answer.

use crate::dispatch::stream::Stream;
use crate::error::{Error, Raised};
use crate::exchange::deliver::{deliver, Value};
use crate::metadata::cache::{metadata, NodeId};
use crate::metadata::node_session::is_internal;
use crate::pg::executor::expression::Expression;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::session::transaction::subtransaction;
use crate::plan::remote_rows;
use crate::plan::statement::Place;
use crate::remote::command::{Access, Command};
use crate::remote::exact_values::exact_text;
use crate::scan::pending;
use crate::scan::pending::Pending;
use crate::scan::statement_scan::places;
use crate::scan::statement_scan::prepared::{prepared, Prepared};
use crate::transaction::serializable::refuse_several;
use pgrx::pg_sys::{self, Oid};
use std::collections::VecDeque;
use std::rc::Rc;

/// A Route or Modify that runs.
pub struct StatementScan {
    pub plan: Rc<Prepared>,
    /// Nodes that get the text, in the order of their ids.
    pub others: Vec<NodeId>,
    pub local: bool,
    /// `$1`, `$2`, ...
    parameters: Vec<Expression>,
    /// Those of the sources' queries, one source after the other.
    for_sources: VecDeque<Expression>,
    sources_delivered: bool,
    streams: VecDeque<Stream>,
    /// What comes before this node's own plan has been done.
    pub prepared: bool,
    started: bool,
    /// Everywhere: how many rows the nodes that are done have changed.
    changed: Option<u64>,
    local_first: bool,
    /// The subtransaction in which the scan began.
    begun_in: pg_sys::SubTransactionId,
    /// Of a read, until it starts.
    pub pending: Option<Pending>,
    /// It was to start before its first row was asked for, and could not.
    failed: bool,
}

impl StatementScan {
    /// Decides the nodes. With `explain_only`, values may be missing; then the child stands for all.
    pub fn new(node: ScanNode<'_>, explain_only: bool) -> StatementScan {
        let plan = prepared(node.plan());
        let mut expressions: VecDeque<Expression> =
            node.expressions(node.plan().expressions()).into();
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let nodes = match plan.statement.place {
            Place::Key { group } => {
                let key = expressions.pop_front().expect("Route has a key");
                let no_values = explain_only && !node.has_parameters();
                vec![places::owner(key, no_values, &plan, &metadata, group)]
            }
            Place::Owners { group } => places::owners(&metadata, group),
            Place::Everywhere => places::everywhere(&metadata),
        };
        let count: usize = plan.statement.sources.iter().map(|s| s.parameters).sum();
        let for_sources = expressions.split_off(expressions.len() - count);
        let local = nodes.contains(&metadata.local_node);
        if !local && !explain_only && is_internal() {
            let first = node.range_table().first();
            remote_rows::refuse(first.map_or(pg_sys::InvalidOid, |entry| entry.relid));
        }
        StatementScan {
            local_first: nodes.first() == Some(&metadata.local_node),
            others: nodes
                .into_iter()
                .filter(|&id| id != metadata.local_node)
                .collect(),
            plan,
            local,
            parameters: expressions.into(),
            for_sources,
            sources_delivered: false,
            streams: VecDeque::new(),
            prepared: false,
            started: false,
            changed: None,
            begun_in: subtransaction(),
            pending: None,
            failed: false,
        }
    }

    /// The nodes that take part, for EXPLAIN.
    pub fn node_names(&self) -> Vec<String> {
        let Some(metadata) = metadata() else {
            return Vec::new();
        };
        let here = self.local.then_some(metadata.local_node);
        let mut nodes: Vec<NodeId> = here
            .into_iter()
            .chain(self.others.iter().copied())
            .collect();
        nodes.sort_unstable();
        nodes
            .iter()
            .filter_map(|id| metadata.nodes.get(id))
            .map(|node| node.name.clone())
            .collect()
    }

    /// Is there something to do before this node's own plan runs?
    pub fn begins_elsewhere(&self) -> bool {
        !self.others.is_empty() || !self.plan.statement.sources.is_empty()
    }

    /// Must other nodes finish before the child may begin (the first node of a replicated table is elsewhere)?
    pub fn waits_for_first(&self) -> bool {
        self.plan.statement.place == Place::Everywhere && !self.local_first
    }

    /// Reads what the statement needs besides its target and sends it to the nodes, once.
    pub fn deliver_sources(&mut self) {
        if std::mem::replace(&mut self.sources_delivered, true) {
            return;
        }
        let plan = self.plan.clone();
        for source in &plan.statement.sources {
            let values: Vec<Value> = self
                .for_sources
                .drain(..source.parameters)
                .map(Value::of)
                .collect();
            deliver(source, &values, &self.others);
        }
    }

    /// Sends the text to the nodes whose turn it is.
    pub fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            if self.failed {
                pending::refuse_failed();
            }
            return;
        }
        self.pending = None;
        // Should an error end this before the portal runs: it is not started anew.
        self.failed = true;
        refuse_several(self.others.len() + usize::from(self.local));
        self.deliver_sources();
        let values = self.values();
        if self.waits_for_first() {
            self.send(0..1, &values);
            self.finish_first();
            self.send(1..self.others.len(), &values);
        } else {
            self.send(0..self.others.len(), &values);
        }
        self.failed = false;
    }

    /// Does it only read, and elsewhere? Then it may start before its first row is wanted.
    pub fn may_start_early(&self) -> bool {
        !self.local && !self.plan.statement.writes && self.plan.statement.sources.is_empty()
    }

    fn finish_first(&mut self) {
        for mut stream in std::mem::take(&mut self.streams) {
            while stream.advance() {}
            if self.plan.statement.writes {
                self.changed_alike(stream.affected());
            }
        }
    }

    /// Every node changes a replicated table by a snapshot of its own, one after the other. Who adds or removes rows meanwhile
    /// may come before the statement on one node and after it on another.
    fn changed_alike(&mut self, affected: u64) {
        let before = *self.changed.get_or_insert(affected);
        if before != affected {
            Raised {
                sqlstate: "40001".into(),
                message: format!(
                    "the statement would change {before} rows of a replicated table on one node and {affected} on another"
                ),
                detail: Some("Another transaction has added, changed or removed rows meanwhile.".into()),
                hint: Some("Repeat the transaction.".into()),
                ..Raised::default()
            }
            .raise();
        }
    }

    fn send(&mut self, nodes: std::ops::Range<usize>, values: &[Option<Vec<u8>>]) {
        let types: Vec<Oid> = self
            .parameters
            .iter()
            .map(|parameter| parameter.kind())
            .map(|kind| {
                if kind.to_u32() < pg_sys::FirstNormalObjectId {
                    kind
                } else {
                    pg_sys::InvalidOid
                }
            })
            .collect();
        let command = Command {
            sql: &self.plan.statement.sql,
            param_types: &types,
            params: values,
            binary: self.plan.statement.binary,
            prepare: true,
        };
        let access = if self.plan.statement.writes {
            Access::Write
        } else {
            Access::Read
        };
        for &node in &self.others[nodes] {
            self.streams
                .push_back(Stream::start(node, access, &command).of(self.begun_in));
        }
    }

    fn values(&self) -> Vec<Option<Vec<u8>>> {
        let parameters = self.parameters.iter();
        parameters
            .map(|parameter| {
                let value = parameter.value();
                value.map(|value| exact_text(value, parameter.kind()))
            })
            .collect()
    }

    /// The next row of another node into the scan's slot; false at the end.
    pub fn next(&mut self, node: ScanNode<'_>) -> bool {
        self.start();
        while let Some(stream) = self.streams.front_mut() {
            if stream.advance() {
                // A replicated table's rows are shown once, by this node.
                if self.plan.statement.place == Place::Everywhere {
                    continue;
                }
                node.row_memory()
                    .renewed(|| self.plan.store(stream, node.slot()));
                return true;
            }
            let affected = stream.affected();
            self.streams.pop_front();
            if !self.plan.statement.writes {
                continue;
            }
            if self.plan.statement.place != Place::Everywhere {
                count(node, affected);
                continue;
            }
            if let Some(here) = changed_here(node).filter(|_| self.local) {
                self.changed_alike(here);
            }
            self.changed_alike(affected);
        }
        false
    }

    /// Forgets what has been read, to run again.
    pub fn reset(&mut self) {
        self.streams.clear();
        self.changed = None;
        self.prepared = false;
        self.started = false;
        self.failed = false;
    }
}

/// What this node's own plan has changed; `None` where PostgreSQL does not count it.
fn changed_here(node: ScanNode<'_>) -> Option<u64> {
    let statement = node.statement();
    let counted =
        statement.commandType != pg_sys::CmdType::CMD_SELECT && !statement.hasModifyingCTE;
    counted.then(|| node.processed())
}

/// What a SELECT ... FOR UPDATE returns is counted by the executor.
fn count(node: ScanNode<'_>, affected: u64) {
    if node.statement().commandType != pg_sys::CmdType::CMD_SELECT {
        node.add_processed(affected);
    }
}
