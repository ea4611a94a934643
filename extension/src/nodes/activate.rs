//! `expanse.activate_nodes`: joined nodes take part in everything from the commit on.
//!
//! One transaction over all nodes: writes of replicated tables wait; the new nodes get the rows of replicated tables
//! that they do not have yet, and the final metadata; one new hash map that counts on all of them becomes the current
//! one. No row of a distributed table moves.

use crate::catalog::everywhere::{cluster, lock_metadata, on_others, others};
use crate::catalog::{groups, maps};
use crate::dispatch::run::run_on;
use crate::error::Error;
use crate::metadata::cache::{Metadata, Node, NodeId, TableKind, REPLICATED_GROUP};
use crate::nodes::join;
use crate::objects::rows;
use crate::pg::names::stored_columns;
use crate::pg::{names, spi};
use crate::remote::command::Access;
use expanse_core::hash_map::{HashMap, Layout, NodeWeight};

crate::sql_function! {
    /// `expanse.activate_nodes(node_names text[], layout text) -> int`: the version of the new current hash map.
    fn activate_nodes(args) {
        let names = args.required::<Vec<String>>(0, "node_names");
        let layout = parse_layout(&args.required::<String>(1, "layout"));
        let metadata = lock_metadata(&cluster());
        let mut nodes = Vec::new();
        for name in names {
            match join::find(&name) {
                Some(node) if node.state == "active" => {}
                Some(node) => nodes.push(node),
                None => Error::UnknownNode { node: name }.raise(),
            }
        }
        Some(if nodes.is_empty() { metadata.current_version } else { activate(&metadata, &nodes, layout) })
    }
}

/// `minimal` or `contiguous`.
pub fn parse_layout(text: &str) -> Layout {
    text.parse()
        .unwrap_or_else(|error: expanse_core::HashMapError| {
            Error::InvalidParameter {
                parameter: "layout",
                reason: error.to_string(),
            }
            .raise()
        })
}

fn activate(metadata: &Metadata, nodes: &[Node], layout: Layout) -> i32 {
    groups::freeze_everywhere(metadata, REPLICATED_GROUP);
    refuse_undecided(metadata);
    for node in nodes {
        check_tables(node);
        copy_replicated(metadata, node.id);
    }
    let new: Vec<NodeWeight> = nodes.iter().map(weight_of).collect();
    let map = expanded_map(metadata, &new, layout);
    let version = map.version();
    let mut statements: Vec<String> = nodes
        .iter()
        .map(|node| format!("SELECT expanse.set_node_state({}, 'active')", node.id))
        .collect();
    statements.extend([
        maps::insert_sql(&map),
        maps::make_current_sql(version),
        maps::DROP_UNUSED.to_owned(),
    ]);
    let elsewhere = others(metadata);
    for statement in &statements {
        spi::execute(statement);
        on_others(&elsewhere, statement);
    }
    for node in nodes {
        join::send_metadata(node.id);
    }
    version
}

/// Refused while a write of a replicated table is prepared here: it is in no copy that is made now.
fn refuse_undecided(metadata: &Metadata) {
    let undecided = format!(
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN expanse.distributed_table t ON t.relation::oid = l.relation \
         WHERE l.pid IS NULL AND t.group_id = {REPLICATED_GROUP})"
    );
    if spi::holds(&undecided) {
        let node = metadata.nodes.get(&metadata.local_node);
        Error::InDoubt {
            node: node.map(|node| node.name.clone()).unwrap_or_default(),
        }
        .raise();
    }
}

pub fn weight_of(node: &Node) -> NodeWeight {
    NodeWeight {
        node: node.id,
        weight: node.weight.unsigned_abs(),
    }
}

/// The current map with new nodes in it.
pub fn expanded_map(metadata: &Metadata, new: &[NodeWeight], layout: Layout) -> HashMap {
    let existing: Vec<NodeWeight> = metadata
        .nodes
        .values()
        .filter(|other| other.state == "active")
        .map(weight_of)
        .collect();
    let version = maps::next_version();
    match metadata
        .current_map()
        .expand(version, new, &existing, layout)
    {
        Ok(map) => map,
        Err(error) => Error::Internal(format!("no hash map can be made: {error}")).raise(),
    }
}

/// Every distributed table exists on the new node.
fn check_tables(node: &Node) {
    let names = spi::column(
        "SELECT format('(%L)', format('%I.%I', n.nspname, c.relname)) FROM expanse.distributed_table t \
         JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace n ON n.oid = c.relnamespace",
    );
    if names.is_empty() {
        return;
    }
    let sql = format!(
        "SELECT name FROM (VALUES {}) AS t (name) WHERE to_regclass(name) IS NULL LIMIT 1",
        names.join(", ")
    );
    for (_, rows) in run_on(&[node.id], Access::Write, &sql) {
        if let Some(Some(missing)) = rows.first().and_then(|row| row.first()) {
            Error::Internal(format!(
                "table {missing} does not exist on node \"{}\" yet",
                node.name
            ))
            .raise();
        }
    }
}

/// Fills replicated tables that are still empty on the new node, as replication would: without triggers.
fn copy_replicated(metadata: &Metadata, node: NodeId) {
    let tables = metadata
        .tables
        .values()
        .filter(|table| table.kind == TableKind::Replicated);
    let mut begun = false;
    for table in tables {
        let Some(name) = names::qualified(table.relation) else {
            continue;
        };
        let empty = format!("SELECT NOT EXISTS (SELECT FROM ONLY {name})");
        if spi::holds(&empty) || !answers_true(node, &empty) {
            continue;
        }
        if !begun {
            on_others(&[node], "SET LOCAL session_replication_role = replica");
            begun = true;
        }
        rows::copy_to(node, &name, &stored_columns(table.relation), "true");
    }
    if begun {
        on_others(&[node], "SET LOCAL session_replication_role = origin");
    }
}

fn answers_true(node: NodeId, sql: &str) -> bool {
    run_on(&[node], Access::Write, sql)
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .any(|row| row.first() == Some(&Some("t".to_owned())))
}
