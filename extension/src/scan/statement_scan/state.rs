//! The state of a Route or Modify scan, and which nodes it runs on.

use crate::dispatch::stream::Stream;
use crate::error::{Error, Raised};
use crate::exchange::deliver::{deliver, Value};
use crate::metadata::cache::{metadata, Metadata, NodeId};
use crate::pg::entry::guarded;
use crate::plan::remote_rows;
use crate::plan::statement::Place;
use crate::remote::command::{Access, Command};
use crate::scan::pending;
use crate::scan::pending::Pending;
use crate::scan::rows::to_text;
use crate::scan::statement_scan::prepared::{prepared, Prepared};
use crate::transaction::serializable::refuse_several;
use pgrx::pg_sys::{self, CustomScan, CustomScanState, ExprState, Oid};
use std::collections::VecDeque;
use std::rc::Rc;

/// What PostgreSQL sees, with our part behind it.
#[repr(C)]
pub struct ScanState {
    pub custom: CustomScanState,
    /// The child plan's state; null when this node does not take part.
    pub child: *mut pg_sys::PlanState,
    /// Removes the child's hidden columns; null when it has none.
    pub junk: *mut pg_sys::JunkFilter,
    /// The child has given all its rows.
    pub child_done: bool,
    pub inner: *mut Inner,
}

/// The Rust part.
pub struct Inner {
    pub plan: Rc<Prepared>,
    /// Nodes that get the text, in the order of their ids.
    pub others: Vec<NodeId>,
    pub local: bool,
    /// Evaluators of `$1`, `$2`, ... and their types.
    parameters: Vec<(*mut ExprState, Oid)>,
    /// Those of the sources' queries, one source after the other.
    for_sources: VecDeque<(*mut ExprState, Oid)>,
    sources_delivered: bool,
    streams: VecDeque<Stream>,
    started: bool,
    /// Everywhere: the first node's turn is over.
    first_done: bool,
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

impl Inner {
    /// Decides the nodes. With `explain_only`, values may be missing; then the child stands for all.
    ///
    /// # Safety
    /// `node` is the custom scan state that PostgreSQL begins.
    pub unsafe fn new(node: *mut CustomScanState, explain_only: bool) -> Inner {
        // SAFETY: the plan is the one that planner::statement made.
        unsafe {
            let scan = (*node).ss.ps.plan.cast::<CustomScan>();
            let plan = prepared(scan);
            let mut expressions: VecDeque<(*mut ExprState, Oid)> =
                crate::pg::list::nodes::<pg_sys::Expr>((*scan).custom_exprs)
                    .map(|expr| {
                        let state =
                            pg_sys::ExecInitExpr(expr, std::ptr::from_mut(&mut (*node).ss.ps));
                        (state, pg_sys::exprType(expr.cast()))
                    })
                    .collect();
            let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
            let nodes = match plan.statement.place {
                Place::Key { group } => {
                    let key = expressions.pop_front().expect("Route has a key");
                    vec![owner(node, key.0, &plan, &metadata, group, explain_only)]
                }
                Place::Owners { group } => owners(&metadata, group),
                Place::Everywhere => everywhere(&metadata),
            };
            let count: usize = plan.statement.sources.iter().map(|s| s.parameters).sum();
            let for_sources = expressions.split_off(expressions.len() - count);
            let local = nodes.contains(&metadata.local_node);
            if !local && !explain_only && crate::metadata::peer::internal_session() {
                let entries = (*(*node).ss.ps.state).es_range_table;
                let first = crate::pg::list::nodes::<pg_sys::RangeTblEntry>(entries).next();
                remote_rows::refuse(first.map_or(pg_sys::InvalidOid, |entry| (*entry).relid));
            }
            Inner {
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
                started: false,
                first_done: false,
                changed: None,
                begun_in: pg_sys::GetCurrentSubTransactionId(),
                pending: None,
                failed: false,
            }
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
    ///
    /// # Safety
    /// `node` is this state's custom scan state.
    pub unsafe fn deliver_sources(&mut self, node: *mut CustomScanState) {
        if std::mem::replace(&mut self.sources_delivered, true) {
            return;
        }
        let plan = self.plan.clone();
        for source in &plan.statement.sources {
            let values: Vec<Value> = self
                .for_sources
                .drain(..source.parameters)
                .map(|(state, kind)| Value {
                    kind,
                    // SAFETY: expressions of this scan.
                    value: unsafe { evaluate(node, state) },
                })
                .collect();
            deliver(source, &values, &self.others);
        }
    }

    /// Sends the text to the nodes whose turn it is.
    ///
    /// # Safety
    /// `node` is this state's custom scan state.
    pub unsafe fn start(&mut self, node: *mut CustomScanState) {
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
        // SAFETY: as promised by the caller.
        let values = unsafe {
            self.deliver_sources(node);
            self.values(node)
        };
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
        self.first_done = true;
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
            .map(|&(_, oid)| {
                if oid.to_u32() < pg_sys::FirstNormalObjectId {
                    oid
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

    unsafe fn values(&mut self, node: *mut CustomScanState) -> Vec<Option<Vec<u8>>> {
        self.parameters
            .iter()
            // SAFETY: expressions of this scan, evaluated in its own context.
            .map(|&(state, oid)| unsafe { evaluate(node, state).map(|value| to_text(value, oid)) })
            .collect()
    }

    /// The next row of another node into the scan's slot; false at the end.
    ///
    /// # Safety
    /// `node` is this state's custom scan state.
    pub unsafe fn next(&mut self, node: *mut CustomScanState) -> bool {
        // SAFETY: as promised by the caller.
        unsafe { self.start(node) };
        while let Some(stream) = self.streams.front_mut() {
            if stream.advance() {
                // A replicated table's rows are shown once, by this node.
                if self.plan.statement.place == Place::Everywhere {
                    continue;
                }
                // SAFETY: the scan slot is a virtual slot of the scan's shape; values live until the next row.
                unsafe {
                    let slot = (*node).ss.ss_ScanTupleSlot;
                    let context = (*(*node).ss.ps.ps_ExprContext).ecxt_per_tuple_memory;
                    pg_sys::MemoryContextReset(context);
                    let old = pg_sys::MemoryContextSwitchTo(context);
                    self.plan.store(stream, slot);
                    pg_sys::MemoryContextSwitchTo(old);
                }
                return true;
            }
            let affected = stream.affected();
            self.streams.pop_front();
            if self.plan.statement.writes {
                // SAFETY: the executor's state of this very query.
                unsafe {
                    if self.plan.statement.place != Place::Everywhere {
                        count(node, affected);
                    } else {
                        if let Some(here) = changed_here(node).filter(|_| self.local) {
                            self.changed_alike(here);
                        }
                        self.changed_alike(affected);
                    }
                }
            }
        }
        false
    }

    /// Forgets what has been read, to run again.
    pub fn restart(&mut self) {
        self.streams.clear();
        self.changed = None;
        self.started = false;
        self.failed = false;
    }
}

/// What this node's own plan has changed; `None` where PostgreSQL does not count it.
unsafe fn changed_here(node: *mut CustomScanState) -> Option<u64> {
    // SAFETY: the caller's query is running.
    unsafe {
        let estate = (*node).ss.ps.state;
        let stmt = &*(*estate).es_plannedstmt;
        let counted = stmt.commandType != pg_sys::CmdType::CMD_SELECT && !stmt.hasModifyingCTE;
        counted.then_some((*estate).es_processed)
    }
}

unsafe fn count(node: *mut CustomScanState, affected: u64) {
    // SAFETY: the caller's query is running. What a SELECT ... FOR UPDATE returns is counted by the executor.
    unsafe {
        let estate = (*node).ss.ps.state;
        if (*(*estate).es_plannedstmt).commandType != pg_sys::CmdType::CMD_SELECT {
            (*estate).es_processed += affected;
        }
    }
}

/// An expression's value; `None` is NULL.
unsafe fn evaluate(node: *mut CustomScanState, state: *mut ExprState) -> Option<pg_sys::Datum> {
    // SAFETY: a ready expression without columns; the guard keeps an error in it from jumping over this function's callers.
    unsafe {
        let context = (*node).ss.ps.ps_ExprContext;
        let compute = (*state).evalfunc.expect("a ready expression");
        let mut null = false;
        let value = guarded(|| compute(state, context, &mut null));
        (!null).then_some(value)
    }
}

unsafe fn owner(
    node: *mut CustomScanState,
    key: *mut ExprState,
    plan: &Prepared,
    metadata: &Metadata,
    group: i32,
    explain_only: bool,
) -> NodeId {
    // SAFETY: reads the executor's state.
    let no_values = explain_only && unsafe { (*(*node).ss.ps.state).es_param_list_info.is_null() };
    // A constant needs no values.
    // SAFETY: the key's own expression.
    let constant = crate::is_a!(unsafe { (*key).expr.cast::<pg_sys::Node>() }, T_Const);
    if no_values && !constant {
        return metadata.local_node;
    }
    // SAFETY: the key expression of this scan.
    match unsafe { evaluate(node, key) } {
        Some(value) => owner_of(plan, value, metadata, group),
        // Equal to NULL is nothing: no node has such rows.
        None => metadata.local_node,
    }
}

/// The node that has the rows with this key; this one when nothing can be said.
pub fn owner_of(plan: &Prepared, key: pg_sys::Datum, metadata: &Metadata, group: i32) -> NodeId {
    match (&plan.bucketer, metadata.map_of(group)) {
        (Some(bucketer), Some(map)) => map.owner(bucketer.borrow_mut().bucket(key)),
        _ => metadata.local_node,
    }
}

/// All nodes that own buckets of the group, in id order.
fn owners(metadata: &Metadata, group: i32) -> Vec<NodeId> {
    let Some(map) = metadata.map_of(group) else {
        return vec![metadata.local_node];
    };
    let all = metadata.nodes.keys().copied();
    all.filter(|&node| !map.ranges_of(node).is_empty())
        .collect()
}

/// All nodes with copies of replicated tables; raises when one can not be written.
pub fn everywhere(metadata: &Metadata) -> Vec<NodeId> {
    if let Some(node) = metadata
        .nodes
        .values()
        .find(|node| node.state == "inactive")
    {
        Error::NodeInactive {
            node: node.name.clone(),
        }
        .raise();
    }
    metadata.active_nodes()
}
