//! Triggers that watch the distribution column.
//!
//! # How it works
//! A BEFORE trigger of a user's may give a row another distribution key when its node has been chosen already. Tables with such
//! triggers therefore have triggers of ours, AFTER INSERT and AFTER UPDATE, which refuse a row that would lie on a node
//! that does not own it. All other tables have none, and pay nothing.

use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, NodeId, TableKind};
use crate::pg::{names, spi};
use pgrx::pg_sys::{self, HeapTuple, Oid, TriggerData};

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

/// A plain table needs none.
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
        // SAFETY: a trigger function is called with the trigger's data, and this one only AFTER a row was written.
        unsafe { check((*args.fcinfo()).context.cast()) };
        // No tuple, which is not SQL NULL: a trigger may not give that.
        Some(0_i32)
    }
}

unsafe fn check(data: *mut TriggerData) {
    // SAFETY: as the caller says; the relation is open.
    unsafe {
        let relation = (*(*data).tg_relation).rd_id;
        let Some(known) = metadata() else { return };
        let Some(table) = known.table(relation) else {
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
        let belongs_to = |tuple| bucket(data, tuple, *column).map(|bucket| map.owner(bucket));
        let updated =
            (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE;
        let owner: Option<NodeId> = if updated {
            belongs_to((*data).tg_newtuple)
        } else {
            belongs_to((*data).tg_trigtuple)
        };
        if owner.is_some_and(|owner| owner != known.local_node) {
            Error::KeyChanged {
                relation: names::bare(relation),
                column: column_name.clone(),
            }
            .raise();
        }
    }
}

unsafe fn bucket(data: *mut TriggerData, tuple: HeapTuple, column: i16) -> Option<u32> {
    // SAFETY: a tuple of the relation, which has the column.
    unsafe {
        let described = (*(*data).tg_relation).rd_att;
        let attribute = &*(*described).attrs.as_ptr().add(column as usize - 1);
        let mut null = false;
        let value = pg_sys::SPI_getbinval(tuple, described, column.into(), &mut null);
        let mut bucketer = Bucketer::new(attribute.atttypid, attribute.attcollation)?;
        (!null).then(|| bucketer.bucket(value))
    }
}
