//! `cluster_distribute_table`: an ordinary table of this node becomes a distributed one.
//!
//! One transaction over all nodes: checks; the column becomes NOT NULL; colocation group; the table on the other nodes;
//! rows to their owners; keys, indexes and triggers there; metadata everywhere.

use crate::catalog::bucket_condition::condition;
use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::groups;
use crate::objects::checks::Subject;
use crate::objects::triggers;
use crate::objects::triggers::Of;
use crate::objects::{creation, definition, foreign_keys, rows, views};
use crate::pg::names::stored_columns;
use crate::pg::session::transaction;
use crate::pg::{catalog, spi};
use pgrx::pg_sys::Oid;

crate::sql_function! {
    /// `cluster_distribute_table(relation regclass, distribution_column text, colocate_with regclass)`.
    fn cluster_distribute_table(args) {
        let relation = args.required::<Oid>(0, "relation");
        let column = args.required::<String>(1, "distribution_column");
        distribute(relation, &column, args.get::<Oid>(2));
        Some(())
    }
}

fn distribute(relation: Oid, column: &str, colocate_with: Option<Oid>) {
    cluster();
    let subject = Subject::lock(relation);
    subject.check_kind();
    let (number, type_oid) = subject.check_column(column);
    subject.check_keys(column, number);
    triggers::check(&subject, &Of::Distributed(relation));
    subject.check_no_nulls(column);
    let metadata = lock_metadata(&cluster());
    groups::refuse_if_locked();
    let group = match colocate_with {
        Some(other) => groups::of_table(other, &subject.bare, type_oid),
        None => groups::find_or_make(type_oid),
    };
    foreign_keys::check(&subject, group, Some(column));
    groups::lock(&cluster(), group);
    prepare(&subject, column, number);

    let definition = definition::of(relation, &subject.name);
    creation::create(&metadata, &definition.before_rows);
    move_rows(&subject, column, type_oid, group);
    creation::complete(&metadata, &definition.after_rows);
    creation::sequences(&metadata, relation);
    on_all_nodes(
        &metadata,
        &format!(
            "SELECT expanse.add_table({}, {group}, {})",
            crate::pg::names::regclass_literal(&subject.name),
            spi::literal(column)
        ),
    );
    views::create_over(relation);
    catalog::invalidate(relation);
}

/// Makes the local table what a fragment has to be, before its definition is read.
fn prepare(subject: &Subject, column: &str, number: i16) {
    let oid = subject.relation.to_u32();
    let name = &subject.name;
    if !spi::holds(&format!(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = {oid} AND attnum = {number}"
    )) {
        spi::execute(&format!(
            "ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL",
            spi::identifier(column)
        ));
    }
    creation::prepare(subject);
}

/// Sends every row to its owner and deletes here what others own.
fn move_rows(
    subject: &Subject,
    column: &str,
    type_oid: Oid,
    group: crate::metadata::cache::GroupId,
) {
    let metadata = cluster();
    let map = metadata
        .map_of(group)
        .expect("a group with a type has a hash map")
        .clone();
    let filter = |node| {
        let ranges: Vec<(u32, u32)> = map
            .ranges_of(node)
            .iter()
            .map(|r| (r.first, r.last))
            .collect();
        condition(column, type_oid, &ranges)
    };
    if creation::empty(&subject.name) {
        return;
    }
    let columns = stored_columns(subject.relation);
    for node in map
        .nodes()
        .into_iter()
        .filter(|&node| node != metadata.local_node)
    {
        rows::copy_to(node, &subject.name, &columns, &filter(node));
    }
    // As replication would: no triggers, no foreign keys; the rows have not gone, they have moved.
    spi::with_settings(&[(c"session_replication_role", c"replica")], || {
        spi::execute(&format!(
            "DELETE FROM ONLY {} WHERE NOT {}",
            subject.name,
            filter(metadata.local_node)
        ));
    });
    transaction::command_done();
}
