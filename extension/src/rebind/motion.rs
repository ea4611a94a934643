//! A group goes into motion and comes to rest: `begin_move`, `end_move`, and the plan between two hash maps.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::maps;
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata};
use crate::pg::{names, spi};
use expanse_core::MovePlan;
use pgrx::pg_sys::Oid;

crate::sql_function! {
    /// `expanse.move_plan(relation regclass, target_version int DEFAULT NULL)`: which buckets of the relation's group go
    /// from where to where.
    fn move_plan(args) {
        let relation = args.required::<Oid>(0, "relation");
        let target = args.get::<i32>(1);
        args.set(&plan(relation, target))
    }
}

fn plan(relation: Oid, target: Option<i32>) -> Vec<Vec<Option<String>>> {
    let metadata = cluster();
    let bound = metadata
        .table(relation)
        .and_then(|table| metadata.map_of(table.group));
    let Some(from) = bound else {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise()
    };
    let version = target.unwrap_or(metadata.current_version);
    let Some(to) = metadata.maps.get(&version) else {
        Error::UnknownHashMap { version }.raise()
    };
    let name = |id: i32| metadata.nodes.get(&id).map(|node| node.name.clone());
    MovePlan::between(from, to)
        .iter()
        .map(|step| {
            vec![
                name(step.source),
                name(step.target),
                Some(step.first.to_string()),
                Some(step.last.to_string()),
            ]
        })
        .collect()
}

crate::sql_function! {
    /// `expanse.begin_move(group_id int, target_version int)`: from its commit on, all nodes filter by ownership.
    fn begin_move(args) {
        let group = args.required::<i32>(0, "group_id");
        let target = args.required::<i32>(1, "target_version");
        let metadata = lock_metadata(&cluster());
        let moving_to = distributed_group(&metadata, group).moving_to;
        if !metadata.maps.contains_key(&target) {
            Error::UnknownHashMap { version: target }.raise();
        }
        match moving_to {
            Some(version) if version == target => {}
            Some(_) => Error::GroupInMotion { group }.raise(),
            None => {
                check_replica_identity(group);
                on_all_nodes(&metadata, &format!("SELECT expanse.set_motion({group}, {target})"));
            }
        }
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.end_move(group_id int)`: surplus rows have gone, ownership needs no filter any more.
    fn end_move(args) {
        let group = args.required::<i32>(0, "group_id");
        let metadata = lock_metadata(&cluster());
        if distributed_group(&metadata, group).moving_to.is_some() {
            on_all_nodes(&metadata, &format!("SELECT expanse.set_motion({group}, NULL)"));
            on_all_nodes(&metadata, maps::DROP_UNUSED);
        }
        Some(())
    }
}

/// The group, which must exist and have a hash map.
pub fn distributed_group(metadata: &Metadata, group: GroupId) -> &crate::metadata::cache::Group {
    match metadata.groups.get(&group) {
        Some(found) if found.version.is_some() => found,
        _ => Error::InvalidParameter {
            parameter: "group_id",
            reason: format!("colocation group {group} does not exist"),
        }
        .raise(),
    }
}

/// Changes can be followed only where PostgreSQL can say which row they change and which bucket it has.
pub fn check_replica_identity(group: GroupId) {
    let unusable = spi::value(&format!(
        "SELECT t.relation::oid FROM expanse.distributed_table t JOIN pg_class c ON c.oid = t.relation \
         WHERE t.group_id = {group} AND NOT (c.relreplident = 'f' \
             OR c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary) \
             OR c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisreplident)) \
         LIMIT 1"
    ));
    if let Some(oid) = unusable {
        let relation = names::bare(Oid::from(oid.parse::<u32>().unwrap_or(0)));
        Error::Unsupported {
            what: "a rebind without a replica identity".into(),
            kind: "distributed",
            hint: format!("Run ALTER TABLE {relation} REPLICA IDENTITY FULL first, or rebind it with strategy => 'rewrite'."),
            relation,
        }
        .raise();
    }
}
