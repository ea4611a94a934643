//! The other nodes do what this one has done, in the same transaction.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::ddl::classify::shared;
use crate::ddl::classify::shared::{Shared, When};
use crate::ddl::classify::{Action, Concern, Needs};
use crate::ddl::forget::Notes;
use crate::ddl::tablespace;
use crate::error::Error;
use crate::metadata::cache::{metadata, NodeId};
use crate::objects::{creation, definition, dependencies, portable};
use crate::pg::spi;
use crate::remote::autonomous::run_internally_at;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// Sends what the statement means for other nodes.
pub fn send(concern: &Concern, notes: &Notes) {
    match &concern.action {
        Action::Own | Action::Check | Action::Shared | Action::Plain | Action::Rebuild(_) => {}
        Action::Schema(sql) => send_schema(concern, sql),
        Action::Index { newest, if_missing } => match new_index(&concern.tables, *newest) {
            Some((_, sql)) => send_schema(concern, &sql),
            None if *if_missing => {}
            None => Error::Internal("the new index is not found".into()).raise(),
        },
        Action::Drop { cascade } => {
            if notes.dropped.is_empty() {
                if let Some(metadata) = metadata() {
                    notes.check_lessened(&metadata);
                }
            } else {
                let tail = if *cascade { " CASCADE" } else { "" };
                let sql = format!("DROP TABLE IF EXISTS {}{tail}", notes.dropped.join(", "));
                on_others(&others(&cluster()), &sql);
            }
        }
        Action::Truncate(sql) | Action::Maintain(sql) => on_others(&others(&cluster()), sql),
        Action::Vacuum(sql) => vacuum(sql),
    }
    if let Some(shared) = &concern.shared {
        send_shared(shared, &notes.functions);
    }
}

/// An object that every node has.
fn send_shared(shared: &Shared, made: &[Oid]) {
    let metadata = cluster();
    let nodes = others(&metadata);
    if nodes.is_empty() {
        return;
    }
    match &shared.when {
        When::Always => on_others(&nodes, &shared.sql),
        When::View(schema, name) => {
            let view = shared::view_named(schema.as_deref(), name);
            if view.is_some_and(|view| portable::is_shared_view(view, &metadata)) {
                on_others(&nodes, &shared.sql);
            }
        }
        When::Functions => {
            let anywhere = |&oid: &Oid| portable::stands_anywhere("pg_proc", oid, &metadata);
            if made.iter().all(anywhere) {
                send_function(&nodes, &shared.sql);
            }
        }
    }
}

/// A body may name tables of this node alone: it was checked here, and is not there.
fn send_function(nodes: &[NodeId], sql: &str) {
    // SAFETY: a setting's current value, NUL-terminated.
    let check = unsafe {
        let value = pg_sys::GetConfigOption(c"check_function_bodies".as_ptr(), false, false);
        CStr::from_ptr(value).to_string_lossy().into_owned()
    };
    on_others(nodes, "SET LOCAL check_function_bodies = off");
    on_others(nodes, sql);
    on_others(nodes, &format!("SET LOCAL check_function_bodies = {check}"));
}

/// First what the tables need by now (types, functions, sequences, schemas), then the statement.
pub fn send_schema(concern: &Concern, sql: &str) {
    let metadata = cluster();
    let nodes = others(&metadata);
    if !nodes.is_empty() {
        let of = |&table: &Oid| match concern.needs {
            Needs::Nothing => Vec::new(),
            Needs::Schemas => dependencies::schemas(table),
            Needs::Everything => dependencies::of(table),
        };
        let needed: Vec<String> = spi::qualified(|| concern.tables.iter().flat_map(of).collect());
        if !needed.is_empty() {
            on_others(&nodes, &definition::block(&needed));
        }
        // Under this session's search path, which its connections share: names mean the same there.
        on_others(&nodes, sql);
    }
    if concern.sequences {
        for &table in &concern.tables {
            spi::qualified(|| creation::sequences(&metadata, table));
        }
    }
}

/// The index that the statement has made, and its definition under the name that it was given here.
pub fn new_index(tables: &[Oid], newest: u32) -> Option<(Oid, String)> {
    let table = tables.first()?;
    let index = spi::value(&format!(
        "SELECT indexrelid::pg_catalog.int8 FROM pg_catalog.pg_index \
         WHERE indrelid = {} AND indexrelid > {newest} ORDER BY indexrelid LIMIT 1",
        table.to_u32()
    ))?;
    let index = Oid::from(index.parse::<u32>().ok()?);
    Some((index, tablespace::index_definition(index)))
}

/// VACUUM can not be part of a transaction: each node does it by itself.
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
