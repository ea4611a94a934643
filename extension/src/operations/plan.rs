//! `cluster_plan_rebind`, `cluster_plan_expand`, `cluster_plan_shrink`: what an operation would move, with nothing
//! changed. Rows and bytes are estimates by the statistics of each fragment and the share of its buckets that goes.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata, Node, NodeId, TableKind};
use crate::nodes::activate::{expanded_map, parse_layout};
use crate::nodes::shrink;
use crate::operations::newcomers::Newcomer;
use crate::pg::{names, spi};
use crate::remote::autonomous::run_at;
use expanse_core::hash_map::{HashMap, NodeWeight};
use expanse_core::{Layout, MovePlan};
use pgrx::pg_sys::Oid;
use std::collections::BTreeMap;

/// Rows of the result: relation, source, target, buckets, rows, bytes.
type Rows = Vec<Vec<Option<String>>>;

crate::sql_function! {
    /// `cluster_plan_rebind(relation regclass)`: the group's way to the current hash map.
    fn cluster_plan_rebind(args) {
        let relation = args.required::<Oid>(0, "relation");
        let metadata = cluster();
        let group = metadata.table(relation).filter(|table| table.distribution_column().is_some());
        let Some(group) = group.map(|table| table.group) else {
            Error::NotDistributed { relation: names::bare(relation) }.raise()
        };
        let mut estimate = Estimate::new(&metadata);
        estimate.group(group, metadata.current_map());
        args.set(&estimate.rows)
    }
}

crate::sql_function! {
    /// `cluster_plan_rebind_all()`: every group's way to the current hash map.
    fn cluster_plan_rebind_all(args) {
        let metadata = cluster();
        let mut estimate = Estimate::new(&metadata);
        estimate.all(metadata.current_map());
        args.set(&estimate.rows)
    }
}

crate::sql_function! {
    /// `cluster_plan_expand(nodes jsonb, layout text)`: an expansion and the rebinds after it.
    fn cluster_plan_expand(args) {
        let new = Newcomer::all(&args.required::<pgrx::JsonB>(0, "nodes").0);
        let layout = parse_layout(&args.required::<String>(1, "layout"));
        args.set(&expansion(&new, layout))
    }
}

fn expansion(new: &[Newcomer], layout: Layout) -> Rows {
    let metadata = cluster();
    let mut estimate = Estimate::new(&metadata);
    let free = metadata.nodes.keys().last().copied().unwrap_or(0) + 1;
    let mut weights = Vec::new();
    for (id, node) in (free..).zip(new) {
        if metadata.nodes.values().any(|n| n.name == node.node_name) {
            Error::NodeExists {
                node: node.node_name.clone(),
            }
            .raise();
        }
        estimate.new_names.insert(id, node.node_name.clone());
        weights.push(NodeWeight {
            node: id,
            weight: node.weight,
        });
    }
    for node in &weights {
        estimate.replicated(node.node);
    }
    estimate.all(&expanded_map(&metadata, &weights, layout));
    estimate.rows
}

crate::sql_function! {
    /// `cluster_plan_shrink(node_names text[], layout text)`: what leaves with these nodes, and for where.
    fn cluster_plan_shrink(args) {
        let leaving = args.required::<Vec<String>>(0, "node_names");
        let layout = parse_layout(&args.required::<String>(1, "layout"));
        let metadata = cluster();
        let (map, ids) = shrink::planned(&metadata, &leaving, layout);
        let mut estimate = Estimate::new(&metadata);
        for group in estimate.groups() {
            let bound = metadata.map_of(group);
            if bound.is_some_and(|bound| bound.nodes().iter().any(|owner| ids.contains(owner))) {
                estimate.group(group, &map);
            }
        }
        args.set(&estimate.rows)
    }
}

/// Rows and bytes of one fragment.
type Size = (f64, f64);

struct Estimate<'a> {
    metadata: &'a Metadata,
    /// Nodes that do not exist yet.
    new_names: BTreeMap<NodeId, String>,
    sizes: BTreeMap<NodeId, BTreeMap<u32, Size>>,
    rows: Rows,
}

impl<'a> Estimate<'a> {
    fn new(metadata: &'a Metadata) -> Self {
        Estimate {
            metadata,
            new_names: BTreeMap::new(),
            sizes: BTreeMap::new(),
            rows: Rows::new(),
        }
    }

    /// Distributed groups that have tables.
    fn groups(&self) -> Vec<GroupId> {
        let of_tables = self.metadata.tables.values().map(|table| table.group);
        let groups: std::collections::BTreeSet<GroupId> = of_tables.collect();
        groups
            .into_iter()
            .filter(|group| self.metadata.map_of(*group).is_some())
            .collect()
    }

    fn all(&mut self, to: &HashMap) {
        for group in self.groups() {
            self.group(group, to);
        }
    }

    fn group(&mut self, group: GroupId, to: &HashMap) {
        let metadata = self.metadata;
        let from = metadata.map_of(group).expect("a distributed group");
        let counts = from.bucket_counts();
        let tables: Vec<Oid> = metadata
            .tables
            .values()
            .filter(|table| table.group == group)
            .map(|table| table.relation)
            .collect();
        for ((source, target), moves) in MovePlan::by_pair(&MovePlan::between(from, to)) {
            let buckets = MovePlan::buckets(&moves);
            let share = f64::from(buckets) / f64::from(counts[&source]);
            for &relation in &tables {
                let size = self.size(source, relation);
                self.push(relation, source, target, Some(buckets), share, size);
            }
        }
    }

    /// A new node gets a copy of every replicated table.
    fn replicated(&mut self, target: NodeId) {
        let local = self.metadata.local_node;
        let tables = self.metadata.tables.values();
        let tables: Vec<Oid> = tables
            .filter(|table| table.kind == TableKind::Replicated)
            .map(|table| table.relation)
            .collect();
        for relation in tables {
            let size = self.size(local, relation);
            self.push(relation, local, target, None, 1.0, size);
        }
    }

    fn push(
        &mut self,
        relation: Oid,
        source: NodeId,
        target: NodeId,
        buckets: Option<u32>,
        share: f64,
        size: Option<Size>,
    ) {
        let estimate = |of: Option<f64>| of.map(|of| format!("{:.0}", of * share));
        self.rows.push(vec![
            Some(relation.to_u32().to_string()),
            Some(self.name(source)),
            Some(self.name(target)),
            buckets.map(|buckets| buckets.to_string()),
            estimate(size.map(|size| size.0)),
            estimate(size.map(|size| size.1)),
        ]);
    }

    fn name(&self, node: NodeId) -> String {
        let known = self.metadata.nodes.get(&node).map(|node| node.name.clone());
        known
            .or_else(|| self.new_names.get(&node).cloned())
            .unwrap_or_default()
    }

    /// `None` when the node does not answer.
    fn size(&mut self, node: NodeId, relation: Oid) -> Option<Size> {
        let metadata = self.metadata;
        let sizes = self.sizes.entry(node).or_insert_with(|| {
            metadata
                .nodes
                .get(&node)
                .map_or_else(BTreeMap::new, |node| sizes(metadata, node))
        });
        sizes.get(&relation.to_u32()).copied()
    }
}

fn sizes(metadata: &Metadata, node: &Node) -> BTreeMap<u32, Size> {
    // A table that has never been analysed: about 100 bytes a row.
    const SQL: &str = "\
        SELECT n.place, CASE WHEN c.reltuples < 0 THEN pg_table_size(c.oid) / 100 ELSE c.reltuples::bigint END, \
        pg_table_size(c.oid) FROM (VALUES $names) AS n (place, name) JOIN pg_class c ON c.oid = to_regclass(n.name)";
    let named = metadata.tables.values().filter_map(|table| {
        let name = names::qualified(table.relation)?;
        Some(format!(
            "({}, {})",
            table.relation.to_u32(),
            spi::literal(&name)
        ))
    });
    let list: Vec<String> = named.collect();
    if list.is_empty() {
        return BTreeMap::new();
    }
    let sql = SQL.replace("$names", &list.join(", "));
    let rows = if node.id == metadata.local_node {
        spi::query(&sql)
    } else {
        run_at(&node.host, node.port, &sql).unwrap_or_default()
    };
    let number = |row: &[Option<String>], n: usize| row.get(n)?.as_ref()?.parse::<f64>().ok();
    rows.iter()
        .filter_map(|row| {
            let size = (number(row, 1)?, number(row, 2)?);
            Some((number(row, 0)? as u32, size))
        })
        .collect()
}
