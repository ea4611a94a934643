//! The other nodes do what this one has done, in the same transaction.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::ddl::classify::everywhere::{ObjectStatement, When};
use crate::ddl::classify::DdlJob;
use crate::ddl::forget::Notes;
use crate::ddl::tablespace;
use crate::error::Error;
use crate::metadata::cache::{metadata, NodeId};
use crate::objects::portable::{is_portable, is_shared_view, Class};
use crate::objects::{creation, definition, dependencies};
use crate::pg::{names, session, spi};
use crate::remote::autonomous::run_internally_at;
use expanse_core::utility::{Action, Prerequisites};
use pgrx::pg_sys::Oid;

/// Sends what the statement means for other nodes.
pub fn send(job: &DdlJob, notes: &Notes) {
    match job.action {
        Action::OwnMetadata
        | Action::CheckLocal
        | Action::ObjectsOnly
        | Action::Local
        | Action::RebuildIndexes => {}
        Action::SameText | Action::DropIndexes => send_schema(job, &job.sql),
        Action::CreateIndex => send_index(job),
        Action::DropTables => send_drop(job, notes),
        Action::Truncate | Action::Maintain => on_others(&others(&cluster()), &job.sql),
        Action::EachByItself => vacuum(&job.sql),
    }
    if let Some(objects) = &job.objects {
        send_objects(objects, &notes.functions);
    }
}

fn send_index(job: &DdlJob) {
    let Some(index) = job.index else { return };
    match new_index(&job.tables, index.newest) {
        Some((_, sql)) => send_schema(job, &sql),
        None if index.if_missing => {}
        None => Error::Internal("the new index is not found".into()).raise(),
    }
}

/// Drops what was dropped here.
fn send_drop(job: &DdlJob, notes: &Notes) {
    if notes.dropped.is_empty() {
        if let Some(metadata) = metadata() {
            notes.check_lessened(&metadata);
        }
        return;
    }
    let tail = if job.cascade { " CASCADE" } else { "" };
    let sql = format!("DROP TABLE IF EXISTS {}{tail}", notes.dropped.join(", "));
    on_others(&others(&cluster()), &sql);
}

/// An object that every node has.
fn send_objects(objects: &ObjectStatement, made: &[Oid]) {
    let metadata = cluster();
    let nodes = others(&metadata);
    if nodes.is_empty() {
        return;
    }
    match &objects.when {
        When::Always => on_others(&nodes, &objects.sql),
        When::View(schema, name) => {
            let view = names::relation_called(schema.as_deref(), name);
            if view.is_some_and(|view| is_shared_view(view, &metadata)) {
                on_others(&nodes, &objects.sql);
            }
        }
        When::Functions => {
            let portable = |&oid: &Oid| is_portable(Class::Function, oid, &metadata);
            if made.iter().all(portable) {
                send_function(&nodes, &objects.sql);
            }
        }
    }
}

/// A body may name tables of this node alone: it was checked here, and is not there.
fn send_function(nodes: &[NodeId], sql: &str) {
    let check = session::setting(c"check_function_bodies");
    on_others(nodes, "SET LOCAL check_function_bodies = off");
    on_others(nodes, sql);
    on_others(nodes, &format!("SET LOCAL check_function_bodies = {check}"));
}

/// First what the tables need by now (types, functions, sequences, schemas), then the statement.
pub fn send_schema(job: &DdlJob, sql: &str) {
    let metadata = cluster();
    let nodes = others(&metadata);
    if !nodes.is_empty() {
        let of = |&table: &Oid| match job.prerequisites {
            Prerequisites::Nothing => Vec::new(),
            Prerequisites::Schemas => dependencies::schemas(table),
            Prerequisites::Everything => dependencies::of(table),
        };
        let needed: Vec<String> = spi::qualified(|| job.tables.iter().flat_map(of).collect());
        if !needed.is_empty() {
            on_others(&nodes, &definition::block(&needed));
        }
        // Under this session's search path, which its connections share: names mean the same there.
        on_others(&nodes, sql);
    }
    if job.sequences {
        for &table in &job.tables {
            spi::qualified(|| creation::sequences(&metadata, table));
        }
    }
}

/// The index that the statement has made, and its definition under the name that it was given here.
pub fn new_index(tables: &[Oid], newest: u32) -> Option<(Oid, String)> {
    let table = tables.first()?;
    let index = spi::oid(&format!(
        "SELECT indexrelid::pg_catalog.int8 FROM pg_catalog.pg_index \
         WHERE indrelid = {} AND indexrelid > {newest} ORDER BY indexrelid LIMIT 1",
        table.to_u32()
    ))?;
    Some((index, tablespace::index_definition(index)))
}

/// VACUUM cannot be part of a transaction: each node does it by itself.
fn vacuum(sql: &str) {
    let metadata = cluster();
    for id in others(&metadata) {
        let Some(node) = metadata.nodes.get(&id) else {
            continue;
        };
        if let Err(reason) = run_internally_at(&node.host, node.port, sql) {
            Error::Unreachable {
                node: node.name.clone(),
                host: node.host.clone(),
                port: node.port,
                reason,
            }
            .raise();
        }
    }
}
