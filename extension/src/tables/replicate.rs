//! `cluster_replicate_table`: an ordinary table of this node gets a full copy on every node.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::groups;
use crate::metadata::cache::REPLICATED_GROUP;
use crate::objects::checks::Subject;
use crate::objects::triggers;
use crate::objects::triggers::Of;
use crate::objects::{creation, definition, foreign_keys, rows, views};
use crate::pg::catalog;
use crate::pg::names::stored_columns;
use pgrx::pg_sys::Oid;

crate::sql_function! {
    /// `cluster_replicate_table(relation regclass)`.
    fn cluster_replicate_table(args) {
        replicate(args.required::<Oid>(0, "relation"));
        Some(())
    }
}

fn replicate(relation: Oid) {
    cluster();
    let subject = Subject::lock(relation);
    subject.check_kind();
    foreign_keys::check(&subject, REPLICATED_GROUP, None);
    triggers::check(&subject, &Of::Replicated(relation));
    let metadata = lock_metadata(&cluster());
    groups::refuse_if_locked();
    groups::lock(&metadata, REPLICATED_GROUP);
    creation::prepare(&subject);

    let definition = definition::of(relation, &subject.name);
    creation::create(&metadata, &definition.before_rows);
    if !creation::empty(&subject.name) {
        let columns = stored_columns(relation);
        for node in crate::catalog::everywhere::others(&metadata) {
            rows::copy_to(node, &subject.name, &columns, "true");
        }
    }
    creation::complete(&metadata, &definition.after_rows);
    creation::sequences(&metadata, relation);
    on_all_nodes(
        &metadata,
        &format!(
            "SELECT expanse.add_table({}, {REPLICATED_GROUP}, NULL)",
            crate::pg::names::regclass_literal(&subject.name)
        ),
    );
    views::create_over(relation);
    catalog::invalidate(relation);
}
