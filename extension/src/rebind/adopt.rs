//! `expanse.adopt_table`: a filled table of this node becomes a distributed one that lies here as a whole.
//!
//! It is bound to a hash map of its own, in which this node has all buckets, so no row moves and nothing is copied; a
//! rebind does that afterwards. The table is locked against all other sessions only when everything else is done, for the commit.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::{groups, maps};
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata};
use crate::objects::checks::Subject;
use crate::objects::triggers;
use crate::objects::triggers::Of;
use crate::objects::{creation, definition, foreign_keys, views};
use crate::pg::session::locks::lock_relation;
use crate::pg::{catalog, names, spi};
use expanse_core::hash_map::{HashMap, NodeWeight};
use pgrx::pg_sys::{self, Oid};

/// No group has it: only foreign keys that point to replicated tables are inside.
const NO_GROUP: GroupId = GroupId::MAX;

crate::sql_function! {
    /// `expanse.check_adoption(relation regclass, distribution_column text)`: every reason why the table cannot be adopted,
    /// or its distribution column not be changed to this one.
    fn check_adoption(args) {
        let relation = args.required::<Oid>(0, "relation");
        let column = args.required::<String>(1, "distribution_column");
        let subject = Subject::with_lock(relation, pg_sys::AccessShareLock);
        check(&subject, &column, cluster().table(relation).is_none());
        Some(())
    }
}

/// The checks of a new distribution column; of the table too when it is not distributed yet. The column's type.
pub fn check(subject: &Subject, column: &str, plain: bool) -> Oid {
    if plain {
        subject.check_kind();
    }
    let (number, type_oid) = subject.check_column(column);
    subject.check_keys(column, number);
    triggers::check(subject, &Of::Distributed(subject.relation));
    foreign_keys::check(subject, NO_GROUP, Some(column));
    type_oid
}

crate::sql_function! {
    /// `expanse.adopt_table(relation regclass, distribution_column text, target_version int) -> int`: the group of the table,
    /// which has no other table and is in motion to that version. The column is NOT NULL already, and the table has a
    /// replica identity.
    fn adopt_table(args) {
        let relation = args.required::<Oid>(0, "relation");
        let column = args.required::<String>(1, "distribution_column");
        let target = args.required::<i32>(2, "target_version");
        let metadata = lock_metadata(&cluster());
        match metadata.table(relation) {
            Some(table) if metadata.group(table.group).moving_to == Some(target) => Some(table.group),
            _ => Some(adopt(&metadata, relation, &column, target)),
        }
    }
}

fn adopt(metadata: &Metadata, relation: Oid, column: &str, target: i32) -> GroupId {
    groups::refuse_if_locked();
    if !metadata.maps.contains_key(&target) {
        Error::UnknownHashMap { version: target }.raise();
    }
    // No schema change from now on; reads and writes go on.
    let subject = Subject::with_lock(relation, pg_sys::ShareUpdateExclusiveLock);
    let type_oid = check(&subject, column, true);
    check_prepared(&subject, column);

    let definition = definition::of(relation, &subject.name);
    creation::create(metadata, &definition.before_rows);
    creation::complete(metadata, &definition.after_rows);
    let version = maps::next_version();
    on_all_nodes(metadata, &maps::insert_sql(&all_here(metadata, version)));
    let group = groups::make(metadata, version, type_oid);
    on_all_nodes(
        metadata,
        &format!("SELECT expanse.set_motion({group}, {target})"),
    );

    lock_relation(relation, pg_sys::AccessExclusiveLock as i32);
    creation::sequences(metadata, relation);
    on_all_nodes(
        metadata,
        &format!(
            "SELECT expanse.add_table({}, {group}, {})",
            names::regclass_literal(&subject.name),
            spi::literal(column)
        ),
    );
    views::create_over(relation);
    catalog::invalidate(relation);
    group
}

fn check_prepared(subject: &Subject, column: &str) {
    let prepared = spi::holds(&format!(
        "SELECT a.attnotnull AND (c.relreplident = 'f' OR c.relreplident = 'i' OR c.relreplident = 'd' AND EXISTS \
             (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)) \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.oid = {} AND a.attname = {}",
        subject.relation.to_u32(),
        spi::literal(column)
    ));
    if !prepared {
        subject.refuse(
            format!("column \"{column}\" may be null, or the table has no replica identity"),
            "Do not change these while the operation runs.",
        );
    }
}

fn all_here(metadata: &Metadata, version: i32) -> HashMap {
    let node = NodeWeight {
        node: metadata.local_node,
        weight: 1,
    };
    match HashMap::initial(version, &[node]) {
        Ok(map) => map,
        Err(error) => Error::Internal(error.to_string()).raise(),
    }
}
