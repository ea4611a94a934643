//! `cluster_replicate_table`: an ordinary table of this node gets a full copy on every node.

use super::checks::Subject;
use super::everywhere::{cluster, lock_metadata, on_all_nodes};
use super::triggers::{self, Of};
use super::{definition, foreign_keys, groups, rows, spread, views, REPLICATED_GROUP};
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
    groups::lock_gate(&metadata, REPLICATED_GROUP);
    spread::prepare(&subject);

    let definition = definition::of(relation, &subject.name);
    spread::create(&metadata, &definition.before_rows);
    if !spread::empty(&subject.name) {
        let columns = rows::stored_columns(relation);
        for node in super::everywhere::others(&metadata) {
            rows::copy_to(node, &subject.name, &columns, "true");
        }
    }
    spread::complete(&metadata, &definition.after_rows);
    spread::sequences(&metadata, relation);
    on_all_nodes(
        &metadata,
        &format!(
            "SELECT expanse.add_table({}, {REPLICATED_GROUP}, NULL)",
            super::names::regclass_literal(&subject.name)
        ),
    );
    views::spread_over(relation);
    spread::forget_plans(relation);
}
