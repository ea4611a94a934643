//! A table gets a colocation group of its own for a rewrite, and joins one again: `set_apart`, `join_group`.
//!
//! Both change no row. Writers of the groups wait on every node until the commit, for no longer than the session's
//! `lock_timeout`; readers do not wait, since the nodes that own the table's rows stay the same.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::groups;
use crate::error::Error;
use crate::metadata::cache::{Group, GroupId, Metadata, Table};
use crate::pg::names;
use crate::rebind::motion::distributed_group;
use pgrx::pg_sys::Oid;

crate::sql_function! {
    /// `expanse.set_apart(relation regclass, target_version int) -> int`: the relation's group, which has no other table
    /// and is in motion to that version from now on, so that nothing else changes it.
    fn set_apart(args) {
        let relation = args.required::<Oid>(0, "relation");
        let target = args.required::<i32>(1, "target_version");
        let metadata = lock_metadata(&cluster());
        let table = distributed(&metadata, relation);
        let found = distributed_group(&metadata, table.group);
        if !metadata.maps.contains_key(&target) {
            Error::UnknownHashMap { version: target }.raise();
        }
        if found.moving_to == Some(target) && alone(&metadata, table) {
            Some(table.group)
        } else {
            groups::refuse_if_locked();
            groups::refuse_in_motion(&metadata, table.group);
            let group = own_group(&metadata, table, found);
            on_all_nodes(&metadata, &format!("SELECT expanse.set_motion({group}, {target})"));
            Some(group)
        }
    }
}

fn own_group(metadata: &Metadata, table: &Table, found: &Group) -> GroupId {
    if alone(metadata, table) {
        return table.group;
    }
    let (version, type_oid) = match (found.version, found.distribution_type) {
        (Some(version), Some(type_oid)) => (version, type_oid),
        _ => Error::NotDistributed {
            relation: names::bare(table.relation),
        }
        .raise(),
    };
    groups::freeze_everywhere(metadata, table.group);
    let group = groups::make(metadata, version, type_oid);
    put_into(metadata, table, group);
    group
}

fn alone(metadata: &Metadata, table: &Table) -> bool {
    let of_group = |other: &&Table| other.group == table.group;
    metadata.tables.values().filter(of_group).count() == 1
}

fn put_into(metadata: &Metadata, table: &Table, group: GroupId) {
    let name = names::qualified(table.relation).expect("a distributed table exists");
    let name = names::regclass_literal(&name);
    on_all_nodes(
        metadata,
        &format!("SELECT expanse.set_group({name}, {group})"),
    );
}

fn distributed(metadata: &Metadata, relation: Oid) -> &Table {
    match metadata.table(relation) {
        Some(table) if table.distribution_column().is_some() => table,
        _ => Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise(),
    }
}

crate::sql_function! {
    /// `expanse.join_group(relation regclass, group_id int) -> boolean`: the relation joins that group, or by default the one
    /// that a new table of its kind would join. False when there is none that it is together with.
    fn join_group(args) {
        let relation = args.required::<Oid>(0, "relation");
        let wanted = args.get::<i32>(1);
        let metadata = lock_metadata(&cluster());
        let table = distributed(&metadata, relation);
        let own = distributed_group(&metadata, table.group);
        if wanted == Some(table.group) {
            Some(true)
        } else {
            groups::refuse_in_motion(&metadata, table.group);
            let joined = match wanted {
                Some(group) => metadata.groups.get(&group),
                None => {
                    let fits = |group: &&Group| {
                        group.id != own.id && together(own, group) && group.moving_to.is_none()
                    };
                    groups::best(&metadata, metadata.groups.values().filter(fits))
                }
            };
            Some(joined.is_some_and(|group| join(&metadata, table, own, group)))
        }
    }
}

/// Do equal keys of both groups live on the same node?
fn together(one: &Group, other: &Group) -> bool {
    one.version.is_some()
        && (one.version, one.distribution_type) == (other.version, other.distribution_type)
}

fn join(metadata: &Metadata, table: &Table, own: &Group, group: &Group) -> bool {
    groups::refuse_in_motion(metadata, group.id);
    if !together(own, group) {
        return false;
    }
    for id in [own.id.min(group.id), own.id.max(group.id)] {
        groups::freeze_everywhere(metadata, id);
    }
    put_into(metadata, table, group.id);
    true
}
