//! Triggers that watch the distribution column.
//!
//! # How it works
//! A BEFORE trigger of a user's may give a row another distribution key when its node has been chosen already. Tables with such
//! triggers therefore have triggers of ours, AFTER INSERT and AFTER UPDATE, which refuse a row that would lie on a node
//! that does not own it. All other tables have none, and pay nothing.

use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, TableKind};
use crate::pg::function::trigger::TriggerCall;
use crate::pg::{names, spi};
use pgrx::pg_sys::Oid;

/// The statements that give the relation the triggers it lacks and take away those that it needs no longer, if any. `name` is
/// its qualified name.
pub fn changes(relation: Oid, name: &str) -> Option<String> {
    // Bits of pg_trigger.tgtype (catalog/pg_trigger.h): 1 row, 2 before, 4 insert, 16 update.
    spi::value(&format!(
        "SELECT pg_catalog.string_agg(CASE WHEN needed THEN pg_catalog.format('CREATE TRIGGER %I AFTER %s ON %s \
             FOR EACH ROW EXECUTE FUNCTION expanse.check_key()', watch, event, {name}) \
             ELSE pg_catalog.format('DROP TRIGGER %I ON %s', watch, {name}) END, '; ') \
         FROM (VALUES ('INSERT', 4, 'expanse_key_insert'::pg_catalog.name), \
                      ('UPDATE', 16, 'expanse_key_update')) AS e (event, bit, watch), \
         LATERAL (SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = {oid} AND NOT tgisinternal \
                                     AND tgtype & 3 = 3 AND tgtype & bit <> 0) AS needed, \
                         EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = {oid} AND tgname = watch) AS there) AS t \
         WHERE needed <> there",
        name = spi::literal(name),
        oid = relation.to_u32(),
    ))
}

/// Gives a table of this node what it lacks, before its definition is read.
pub fn give(relation: Oid, name: &str) {
    if let Some(sql) = changes(relation, name) {
        spi::execute(&sql);
    }
}

/// A local table needs none.
pub fn take_away(relation: Oid, name: &str) {
    let ours = spi::column(&format!(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = {} AND NOT tgisinternal \
         AND tgfoid = 'expanse.check_key()'::pg_catalog.regprocedure",
        relation.to_u32()
    ));
    for trigger in ours {
        spi::execute(&format!("DROP TRIGGER {trigger} ON {name}"));
    }
}

crate::sql_function! {
    /// `expanse.guard_key(relation regclass, watch boolean)`: gives this node's table the triggers it lacks, or takes them away.
    fn guard_key(args) {
        let relation = args.required::<Oid>(0, "relation");
        let name = names::qualified(relation);
        match (name, args.required::<bool>(1, "watch")) {
            (Some(name), true) => give(relation, &name),
            (Some(name), false) => take_away(relation, &name),
            (None, _) => {}
        }
        Some(())
    }
}

crate::sql_function! {
    /// The triggers' function.
    fn check_key(args) {
        // This one is called only AFTER a row was written.
        if let Some(call) = TriggerCall::of(args) {
            check(&call);
        }
        // No tuple, which is not SQL NULL: a trigger may not give that.
        Some(0_i32)
    }
}

fn check(call: &TriggerCall<'_>) {
    let Some(known) = metadata() else { return };
    let Some(table) = known.table(call.relation()) else {
        return;
    };
    let TableKind::Distributed {
        column,
        column_name,
    } = &table.kind
    else {
        return;
    };
    let Some(map) = known.map_of(table.group) else {
        return;
    };
    let owner = bucket(call, *column).map(|bucket| map.owner(bucket));
    if owner.is_some_and(|owner| owner != known.local_node) {
        Error::KeyChanged {
            relation: names::bare(call.relation()),
            column: column_name.clone(),
        }
        .raise();
    }
}

fn bucket(call: &TriggerCall<'_>, column: i16) -> Option<u32> {
    let (value, of_type, collation) = call.written_value(column)?;
    Some(Bucketer::new(of_type, collation)?.bucket(value))
}
