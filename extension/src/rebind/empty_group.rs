//! `expanse.rebind_empty`: a group without any row is bound to another hash map at once.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::{groups, maps};
use crate::dispatch::run::run_on;
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata};
use crate::pg::{names, spi};
use crate::rebind::motion::distributed_group;
use crate::remote::command::Access;

crate::sql_function! {
    /// `expanse.rebind_empty(group_id int, hash_map_version int) -> boolean`: whether the group is bound to that version
    /// now; false if it has a row, or a transaction may be about to write one.
    fn rebind_empty(args) {
        let group = args.required::<i32>(0, "group_id");
        let version = args.required::<i32>(1, "hash_map_version");
        let metadata = lock_metadata(&cluster());
        let found = distributed_group(&metadata, group);
        if !metadata.maps.contains_key(&version) {
            Error::UnknownHashMap { version }.raise();
        }
        if found.moving_to.is_some() {
            Some(false)
        } else if found.version == Some(version) {
            Some(true)
        } else if holds_rows(&metadata, group) {
            // Seen without making a session wait.
            Some(false)
        } else {
            // Writers wait on every node until the commit, so what is empty stays empty.
            groups::freeze_everywhere(&metadata, group);
            if holds_rows(&metadata, group) {
                Some(false)
            } else {
                on_all_nodes(&metadata, &format!("SELECT expanse.set_binding({group}, {version})"));
                on_all_nodes(&metadata, maps::DROP_UNUSED);
                Some(true)
            }
        }
    }
}

/// Has any node a row of the group, or a transaction that may have written one?
fn holds_rows(metadata: &Metadata, group: GroupId) -> bool {
    let tables = metadata
        .tables
        .values()
        .filter(|table| table.group == group);
    let tests: Vec<String> = tables
        .filter_map(|table| names::qualified(table.relation))
        .map(|name| {
            format!(
                "EXISTS (SELECT FROM ONLY {name}) OR EXISTS (SELECT FROM pg_locks WHERE granted AND pid IS NULL \
                 AND relation = {}::oid)",
                names::regclass_literal(&name)
            )
        })
        .collect();
    if tests.is_empty() {
        return false;
    }
    let sql = format!("SELECT {}", tests.join(" OR "));
    let here = spi::with_settings(&[(c"expanse.internal", c"on")], || spi::holds(&sql));
    let others = crate::catalog::everywhere::others(metadata);
    here || run_on(&others, Access::Write, &sql)
        .into_iter()
        .flat_map(|(_, rows)| rows)
        .any(|row| row.first() == Some(&Some("t".to_owned())))
}

crate::sql_function! {
    /// `expanse.age_hash_maps()`: drops versions, on all nodes, that nothing is bound to and that are not current.
    fn age_hash_maps(args) {
        let _ = args;
        let metadata = lock_metadata(&cluster());
        on_all_nodes(&metadata, maps::DROP_UNUSED);
        Some(())
    }
}
