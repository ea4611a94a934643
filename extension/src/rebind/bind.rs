//! `expanse.bind_group`: the switch of a rebind.

use crate::catalog::everywhere::{cluster, on_all_nodes};
use crate::catalog::groups::freeze_everywhere;
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata, Table, TableKind};
use crate::pg::session::transaction;
use crate::pg::spi;
use crate::rebind::freeze;
use crate::rebind::motion::distributed_group;

crate::sql_function! {
    /// `expanse.hold_writers(group_id int)`: writers of the group wait on every node until the transaction ends; also of
    /// the replicated tables (group 0).
    fn hold_writers(args) {
        let group = args.required::<i32>(0, "group_id");
        freeze_everywhere(&cluster(), group);
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.bind_group(group_id int, hash_map_version int, distribution_column text)`: binds the group to the version it
    /// moves to, by that column of its only table if one is given, with writers waiting on every node until the commit.
    /// Ownership stays filtered until `end_move`. In a transaction that holds the group frozen (`freeze_group`) it has the
    /// time that is left of that.
    fn bind_group(args) {
        let group = args.required::<i32>(0, "group_id");
        let version = args.required::<i32>(1, "hash_map_version");
        let column = args.get::<String>(2);
        let hold = freeze::go_on();
        if hold.is_none() {
            freeze_everywhere(&cluster(), group);
        }
        // Under the locks: no other session changes this group's binding now.
        transaction::accept_invalidations();
        let metadata = cluster();
        let found = distributed_group(&metadata, group);
        if found.version != Some(version) || !distributed_by(&metadata, group, column.as_deref()) {
            if !metadata.maps.contains_key(&version) {
                Error::UnknownHashMap { version }.raise();
            }
            if found.moving_to.is_none() {
                Error::InvalidParameter {
                    parameter: "group_id",
                    reason: format!("colocation group {group} is not in motion"),
                }
                .raise();
            }
            let hold = hold.unwrap_or_else(|| "NULL".into());
            let column = column.map_or("NULL".into(), |name| spi::literal(&name));
            let bind = format!("SELECT {hold}, expanse.set_binding({group}, {version}, {column})");
            on_all_nodes(&metadata, &bind);
        }
        Some(())
    }
}

/// Are all tables of the group distributed by `column`, if one is given?
fn distributed_by(metadata: &Metadata, group: GroupId, column: Option<&str>) -> bool {
    let of_group = |table: &&Table| table.group == group;
    column.is_none_or(|wanted| {
        metadata.tables.values().filter(of_group).all(|table| {
            matches!(&table.kind, TableKind::Distributed { column_name, .. } if column_name == wanted)
        })
    })
}
