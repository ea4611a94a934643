//! Nodes leave the cluster: `begin_shrink`, `undo_shrink`, `remove_nodes`, `forget_nodes`, `lose_nodes`.
//!
//! # How it works
//! A new current hash map without the nodes comes first, so that nothing new is put on them; then the sidecar rebinds
//! every group that still has buckets there. When none has, `remove_nodes` takes the nodes out in one transaction over
//! all nodes, the leaving ones included: these lose the metadata and the distributed tables, the others note the state
//! `leaving`, which counts for nothing but the recovery of transactions. `forget_nodes` removes the entries once nothing
//! is prepared on the servers any more.
//!
//! # Invariants
//! A server that has left has no distributed table any more: a client that is still connected there gets an error, and never
//! a part of a table for the whole. The id of a node is never given again: sequences and transactions carry it.

use crate::catalog::everywhere::{cluster, lock_metadata, lock_schema_of, on_all_nodes, on_others};
use crate::catalog::{groups, maps};
use crate::dispatch::run::run_on;
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata, Node, NodeId, REPLICATED_GROUP};
use crate::nodes::activate::{parse_layout, weight_of};
use crate::nodes::join;
use crate::pg::session::transaction;
use crate::pg::spi;
use crate::remote::command::Access;
use expanse_core::hash_map::{HashMap, Layout, NodeWeight};
use std::rc::Rc;

crate::sql_function! {
    /// `expanse.begin_shrink(node_names text[], layout text) -> int`: the version of the current hash map, in which the
    /// nodes own nothing.
    fn begin_shrink(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let layout = parse_layout(&args.required::<String>(1, "layout"));
        let metadata = lock_metadata(&cluster());
        Some(begin(&metadata, &leaving(&metadata, &names), layout))
    }
}

/// The nodes of these names that are active; refused unless others stay.
fn leaving(metadata: &Metadata, names: &[String]) -> Vec<Node> {
    let nodes: Vec<Node> = names
        .iter()
        .filter_map(|name| {
            let node = join::find(name);
            let Some(node) = node else {
                Error::UnknownNode { node: name.clone() }.raise()
            };
            (node.state == "active").then_some(node)
        })
        .collect();
    if !nodes.is_empty() && metadata.active_nodes().len() <= nodes.len() {
        Error::NoNodeLeft {
            nodes: names.join("\", \""),
        }
        .raise();
    }
    nodes
}

/// The hash map after a shrink, and the ids of the nodes that leave; refused unless they are there and others stay.
pub fn planned(metadata: &Metadata, names: &[String], layout: Layout) -> (HashMap, Vec<NodeId>) {
    let ids = ids(&leaving(metadata, names));
    let map = without(
        metadata,
        metadata.current_map(),
        maps::next_version(),
        &ids,
        layout,
    );
    (map, ids)
}

fn ids(nodes: &[Node]) -> Vec<NodeId> {
    nodes.iter().map(|node| node.id).collect()
}

fn begin(metadata: &Metadata, leaving: &[Node], layout: Layout) -> i32 {
    let current = metadata.current_map();
    let ids = ids(leaving);
    if current.nodes().iter().all(|owner| !ids.contains(owner)) {
        return metadata.current_version;
    }
    let map = without(metadata, current, maps::next_version(), &ids, layout);
    on_all_nodes(metadata, &maps::insert_sql(&map));
    on_all_nodes(metadata, &maps::make_current_sql(map.version()));
    on_all_nodes(metadata, maps::DROP_UNUSED);
    map.version()
}

fn without(
    metadata: &Metadata,
    map: &HashMap,
    version: i32,
    leaving: &[NodeId],
    layout: Layout,
) -> HashMap {
    // Nodes that came after an old map do not count in it.
    let known = map.nodes();
    let weights: Vec<NodeWeight> = metadata
        .nodes
        .values()
        .filter(|node| node.state == "active")
        .filter(|node| version_counts(metadata, map, &known, node))
        .map(weight_of)
        .collect();
    let gone: Vec<NodeId> = leaving
        .iter()
        .copied()
        .filter(|id| weights.iter().any(|weight| weight.node == *id))
        .collect();
    let usable = if weights.len() > gone.len() {
        weights
    } else {
        // Every owner of this old map leaves: all who stay share it.
        metadata
            .nodes
            .values()
            .filter(|node| node.state == "active")
            .map(weight_of)
            .collect()
    };
    match map.shrink(version, &gone, &usable, layout) {
        Ok(map) => map,
        Err(error) => Error::Internal(format!("no hash map can be made: {error}")).raise(),
    }
}

fn version_counts(metadata: &Metadata, map: &HashMap, known: &[NodeId], node: &Node) -> bool {
    map.version() == metadata.current_version || known.contains(&node.id)
}

crate::sql_function! {
    /// `expanse.undo_shrink(node_names text[], hash_map_version int) -> int`: the nodes own buckets of the current hash map
    /// again; that version becomes current once more if it is still there.
    fn undo_shrink(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let before = args.required::<i32>(1, "hash_map_version");
        let metadata = lock_metadata(&cluster());
        let nodes: Vec<Node> = names.iter().filter_map(|name| join::find(name)).collect();
        Some(undo(&metadata, &nodes, before))
    }
}

fn undo(metadata: &Metadata, nodes: &[Node], before: i32) -> i32 {
    let current = metadata.current_map();
    let back: Vec<NodeWeight> = nodes
        .iter()
        .filter(|node| node.state == "active" && current.ranges_of(node.id).is_empty())
        .map(weight_of)
        .collect();
    if back.is_empty() {
        return metadata.current_version;
    }
    if !metadata.maps.contains_key(&before) {
        let staying: Vec<NodeWeight> = metadata
            .nodes
            .values()
            .filter(|node| node.state == "active" && back.iter().all(|b| b.node != node.id))
            .map(weight_of)
            .collect();
        let version = maps::next_version();
        let map = current.expand(version, &back, &staying, Layout::Minimal);
        let map = map.unwrap_or_else(|error| {
            Error::Internal(format!("no hash map can be made: {error}")).raise()
        });
        on_all_nodes(metadata, &maps::insert_sql(&map));
        on_all_nodes(metadata, &maps::make_current_sql(version));
        on_all_nodes(metadata, maps::DROP_UNUSED);
        return version;
    }
    on_all_nodes(metadata, &maps::make_current_sql(before));
    on_all_nodes(metadata, maps::DROP_UNUSED);
    before
}

crate::sql_function! {
    /// `expanse.remove_nodes(node_names text[])`: the nodes are part of nothing any more. Called on a node that stays.
    fn remove_nodes(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let metadata = lock_metadata(&cluster());
        let nodes = leaving(&metadata, &names);
        if !nodes.is_empty() {
            remove(&metadata, &nodes);
        }
        Some(())
    }
}

fn remove(metadata: &Metadata, leaving: &[Node]) {
    let ids = ids(leaving);
    if ids.contains(&metadata.local_node) {
        Error::InvalidParameter {
            parameter: "node_names",
            reason: "a node is removed by one that stays".into(),
        }
        .raise();
    }
    refuse_bound(metadata, leaving);
    // Writers of replicated tables wait: they count the nodes. Sessions that write through a leaving node have ended.
    groups::freeze_everywhere(metadata, REPLICATED_GROUP);
    on_others(&ids, "SELECT expanse.lock_all_gates()");
    refuse_undecided(metadata, &ids);
    on_others(&ids, "SELECT expanse.leave_cluster()");
    for node in leaving {
        on_staying(
            metadata,
            &ids,
            &format!("SELECT expanse.set_node_state({}, 'leaving')", node.id),
        );
    }
}

/// Runs a statement on every active node but these.
fn on_staying(metadata: &Metadata, leaving: &[NodeId], sql: &str) {
    spi::with_settings(&[(c"expanse.internal", c"on")], || spi::execute(sql));
    let others: Vec<NodeId> = metadata
        .active_nodes()
        .into_iter()
        .filter(|id| *id != metadata.local_node && !leaving.contains(id))
        .collect();
    on_others(&others, sql);
}

/// Refused while a group is bound to the nodes, or moves to or from them.
fn refuse_bound(metadata: &Metadata, leaving: &[Node]) {
    for node in leaving {
        if let Some(group) = groups_on(metadata, node.id).first() {
            Error::StillBound {
                node: node.name.clone(),
                group: *group,
            }
            .raise();
        }
    }
}

/// Groups whose bound version has buckets on the node, and those in motion if any version has: where a group comes from
/// is not known any more once its rebind has switched.
fn groups_on(metadata: &Metadata, node: NodeId) -> Vec<GroupId> {
    let owns = |map: &Rc<HashMap>| !map.ranges_of(node).is_empty();
    let bound = |version: Option<i32>| {
        version
            .and_then(|version| metadata.maps.get(&version))
            .is_some_and(owns)
    };
    let any = metadata.maps.values().any(owns);
    metadata
        .groups
        .values()
        .filter(|group| bound(group.version) || group.moving_to.is_some() && any)
        .filter(|group| {
            group.moving_to.is_some() || metadata.tables.values().any(|t| t.group == group.id)
        })
        .map(|group| group.id)
        .collect()
}

/// Refused while a transaction over several nodes is prepared on a leaving node, or was coordinated by one: whether it
/// has committed is written there.
fn refuse_undecided(metadata: &Metadata, leaving: &[NodeId]) {
    for node in metadata.active_nodes() {
        let whose = if leaving.contains(&node) {
            String::new()
        } else {
            let names: Vec<String> = leaving
                .iter()
                .map(|id| format!("gid LIKE 'expanse\\_{id}\\_%'"))
                .collect();
            format!(" AND ({})", names.join(" OR "))
        };
        let sql = format!(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND gid LIKE 'expanse\\_%'{whose} LIMIT 1"
        );
        let found = if node == metadata.local_node {
            spi::value(&sql).is_some()
        } else {
            run_on(&[node], Access::Write, &sql)
                .iter()
                .any(|(_, rows)| !rows.is_empty())
        };
        if found {
            let name = metadata.nodes.get(&node).map(|node| node.name.clone());
            Error::InDoubt {
                node: name.unwrap_or_default(),
            }
            .raise();
        }
    }
}

crate::sql_function! {
    /// `expanse.forget_nodes(node_names text[])`: removes the entries of nodes that have left; nothing to do for others.
    fn forget_nodes(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let metadata = lock_metadata(&cluster());
        let gone: Vec<NodeId> = names
            .iter()
            .filter_map(|name| join::find(name))
            .filter(|node| node.state == "leaving")
            .map(|node| node.id)
            .collect();
        on_all_nodes(&metadata, maps::DROP_UNUSED);
        for id in gone {
            on_all_nodes(&metadata, &format!("SELECT expanse.remove_node({id})"));
        }
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.lose_nodes(node_names text[], layout text)`: nodes that do not come back leave without being asked; their
    /// buckets go to the others, empty.
    fn lose_nodes(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let layout = parse_layout(&args.required::<String>(1, "layout"));
        let metadata = cluster();
        let nodes = leaving(&metadata, &names);
        if !nodes.is_empty() {
            lose(&metadata, &nodes, layout);
        }
        Some(())
    }
}

fn lose(metadata: &Metadata, lost: &[Node], layout: Layout) {
    let ids = ids(lost);
    if ids.contains(&metadata.local_node) {
        Error::InvalidParameter {
            parameter: "node_names",
            reason: "a node is removed by one that stays".into(),
        }
        .raise();
    }
    let staying: Vec<NodeId> = metadata
        .active_nodes()
        .into_iter()
        .filter(|id| !ids.contains(id))
        .collect();
    lock_schema_of(metadata, staying[0]);
    for group in metadata.groups.values() {
        let lock = format!("SELECT expanse.lock_gate({})", group.id);
        staying
            .iter()
            .for_each(|node| lock_on(metadata, &[*node], &lock));
    }
    transaction::accept_invalidations();
    let metadata = cluster();
    for statement in losing(&metadata, &ids, layout) {
        on_staying(&metadata, &ids, &statement);
    }
}

fn lock_on(metadata: &Metadata, nodes: &[NodeId], sql: &str) {
    if nodes == [metadata.local_node] {
        spi::execute(sql);
    } else {
        on_others(nodes, sql);
    }
}

/// Every map with buckets of lost nodes is replaced by one without, no matter which groups are bound to it.
fn losing(metadata: &Metadata, lost: &[NodeId], layout: Layout) -> Vec<String> {
    let mut statements: Vec<String> = lost
        .iter()
        .map(|id| format!("SELECT expanse.set_node_state({id}, 'leaving')"))
        .collect();
    let mut next = maps::next_version();
    for (&version, map) in &metadata.maps {
        if map.nodes().iter().all(|owner| !lost.contains(owner)) {
            continue;
        }
        let map = without(metadata, map, next, lost, layout);
        statements.push(maps::insert_sql(&map));
        if version == metadata.current_version {
            statements.push(maps::make_current_sql(next));
        }
        for group in metadata.groups.values() {
            if group.version == Some(version) {
                statements.push(format!("SELECT expanse.set_binding({}, {next})", group.id));
            }
            if group.moving_to == Some(version) {
                statements.push(format!("SELECT expanse.set_motion({}, {next})", group.id));
            }
        }
        next += 1;
    }
    statements.push(maps::DROP_UNUSED.to_owned());
    statements
}
