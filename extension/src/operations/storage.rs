//! `cluster_add_storage`, `cluster_drop_storage`, `cluster_move_table`: tablespaces that all nodes have, and what lies in
//! them.

use crate::catalog::everywhere::cluster;
use crate::catalog::groups;
use crate::error::Error;
use crate::metadata::storages;
use crate::pg::{names, spi};
use crate::storage::check;
use expanse_core::storage;
use expanse_core::wire::OperationKind;
use pgrx::pg_sys::Oid;
use serde_json::json;

crate::sql_function! {
    /// `cluster_add_storage(name text, directory text) -> bigint`: the operation's id.
    fn cluster_add_storage(args) {
        crate::operations::outside_of_transaction(c"cluster_add_storage()");
        let name = args.required::<String>(0, "name");
        let directory = args.required::<String>(1, "directory");
        cluster();
        let directory = check::checked(&name, &directory);
        if storages::exists(&name) {
            Error::StorageExists { storage: name, place: String::new() }.raise();
        }
        let parameters = json!({ "directory": directory });
        Some(crate::operations::submit(OperationKind::AddStorage, name, parameters))
    }
}

crate::sql_function! {
    /// `cluster_drop_storage(name text) -> bigint`: the operation's id.
    fn cluster_drop_storage(args) {
        crate::operations::outside_of_transaction(c"cluster_drop_storage()");
        let name = args.required::<String>(0, "name");
        cluster();
        let Some((_, directory)) = storages::all().into_iter().find(|(storage, _)| *storage == name) else {
            Error::UnknownStorage { storage: name }.raise()
        };
        let parameters = json!({ "directory": directory });
        Some(crate::operations::submit(OperationKind::DropStorage, name, parameters))
    }
}

crate::sql_function! {
    /// `cluster_move_table(relation regclass, storage text, cluster_on regclass) -> bigint`: the operation's id.
    fn cluster_move_table(args) {
        crate::operations::outside_of_transaction(c"cluster_move_table()");
        let relation = args.required::<Oid>(0, "relation");
        let storage = args.required::<String>(1, "storage");
        let cluster_on = args.get::<Oid>(2);
        check_move(relation, &storage);
        if let Some(index) = cluster_on {
            check_order(relation, index);
        }
        let target = names::qualified(relation).expect("a spread relation exists");
        let parameters = json!({ "storage": storage, "cluster_on": cluster_on.and_then(names::qualified) });
        Some(crate::operations::submit(OperationKind::MoveTable, target, parameters))
    }
}

fn check_move(relation: Oid, storage: &str) {
    let metadata = cluster();
    let Some(table) = metadata.table(relation) else {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise()
    };
    if storage != storage::DEFAULT && !storages::exists(storage) {
        Error::UnknownStorage {
            storage: storage.into(),
        }
        .raise();
    }
    groups::refuse_in_motion(&metadata, table.group);
}

/// What CLUSTER asks of an index.
fn check_order(relation: Oid, index: Oid) {
    const TESTS: [(&str, &str); 4] = [
        ("i.indexrelid IS NULL", "it is not one of its indexes"),
        ("NOT i.indisvalid", "it is not valid"),
        ("i.indpred IS NOT NULL", "it is partial"),
        (
            "NOT pg_index_has_property(c.oid, 'clusterable')",
            "its method has no order",
        ),
    ];
    for (test, reason) in TESTS {
        let sql = format!(
            "SELECT {test} FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid AND i.indrelid = {} \
             WHERE c.oid = {}",
            relation.to_u32(),
            index.to_u32()
        );
        // An index that does not exist is none of its own.
        if spi::value(&sql).as_deref() != Some("f") {
            Error::NotAnOrder {
                index: names::bare(index),
                relation: names::bare(relation),
                reason,
            }
            .raise();
        }
    }
}
