//! Colocation groups: finding the one a new table joins, or making it.

use crate::catalog::everywhere::{cluster, on_all_nodes};
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata, TableKind};
use crate::metadata::catalog_table;
use crate::pg::session::locks::lock_relation;
use crate::pg::spi;
use pgrx::pg_sys::{self, Oid};

/// The operation that has locked the schema.
pub fn schema_locked_by() -> Option<i64> {
    let mut holder = None;
    catalog_table::read(c"cluster", |table| {
        let column = table.column("schema_locked_by");
        table.rows(|row| holder = row.get(column));
    });
    holder
}

/// Refused while an operation has locked the schema.
pub fn refuse_if_locked() {
    if let Some(operation) = schema_locked_by() {
        Error::OperationRunning {
            operation,
            what: "schema changes of distributed tables have to wait".into(),
        }
        .raise();
    }
}

/// Refused while a rebind moves the group.
pub fn refuse_in_motion(metadata: &Metadata, group: GroupId) {
    if metadata.group(group).moving_to.is_some() {
        Error::GroupInMotion { group }.raise();
    }
}

/// Takes the group lock here against switches and other schema changes, until the transaction ends.
pub fn lock(metadata: &Metadata, group: GroupId) {
    let mode = pg_sys::ShareUpdateExclusiveLock as i32;
    lock_relation(metadata.group(group).lock, mode);
}

/// Takes the group lock here as a writer does.
pub fn lock_for_writing(metadata: &Metadata, group: GroupId) {
    let mode = pg_sys::RowExclusiveLock as i32;
    lock_relation(metadata.group(group).lock, mode);
}

/// The group of tables with this type and the current hash map, made if there is none.
pub fn find_or_make(distribution_type: Oid) -> GroupId {
    let metadata = cluster();
    let fits = |group: &&crate::metadata::cache::Group| {
        group.version == Some(metadata.current_version)
            && group.moving_to.is_none()
            && group.distribution_type == Some(distribution_type)
    };
    match best(&metadata, metadata.groups.values().filter(fits)) {
        Some(group) => group.id,
        None => make(&metadata, metadata.current_version, distribution_type),
    }
}

/// The group with tables, if there is one: that is where a new table has company.
pub fn best<'a>(
    metadata: &Metadata,
    groups: impl Iterator<Item = &'a crate::metadata::cache::Group>,
) -> Option<&'a crate::metadata::cache::Group> {
    groups.min_by_key(|group| (metadata.is_deserted(group.id), group.id))
}

/// A new group on all nodes.
pub fn make(metadata: &Metadata, version: i32, distribution_type: Oid) -> GroupId {
    let id = spi::value("SELECT max(group_id) + 1 FROM expanse.colocation_group")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    on_all_nodes(
        metadata,
        &format!(
            "SELECT expanse.add_group({id}, {version}, {})",
            spi::literal(&type_text(distribution_type))
        ),
    );
    id
}

/// The group of another table, which a new one with this column type is to join.
pub fn of_table(other: Oid, bare: &str, distribution_type: Oid) -> GroupId {
    let metadata = cluster();
    let other_name = crate::pg::names::bare(other);
    let refuse = |reason: &str| -> ! {
        Error::NotColocatable {
            relation: bare.into(),
            other: other_name.clone(),
            reason: reason.into(),
        }
        .raise()
    };
    let Some(table) = metadata.table(other) else {
        Error::NotDistributed {
            relation: other_name,
        }
        .raise()
    };
    if table.kind == TableKind::Replicated {
        refuse("a replicated table is together with every table already");
    }
    refuse_in_motion(&metadata, table.group);
    if metadata.group(table.group).distribution_type != Some(distribution_type) {
        refuse("their distribution columns have different types");
    }
    table.group
}

fn type_text(type_oid: Oid) -> String {
    // SAFETY: gives a palloc'd string for an existing type.
    unsafe { std::ffi::CStr::from_ptr(pg_sys::format_type_be_qualified(type_oid)) }
        .to_string_lossy()
        .into_owned()
}

/// Makes writers of the group wait on every node, in the order of the nodes' ids, until the transaction ends.
pub fn freeze_everywhere(metadata: &Metadata, group: GroupId) {
    let lock = format!("SELECT expanse.lock_gate({group})");
    for node in metadata.active_nodes() {
        if node == metadata.local_node {
            spi::execute(&lock);
        } else {
            crate::catalog::everywhere::on_others(&[node], &lock);
        }
    }
}
