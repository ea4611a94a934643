//! Triggers that would not do on a distributed table what they do on a local one.
//!
//! A statement runs on every node that has rows of it: a trigger FOR EACH STATEMENT would fire on each, seeing that node's rows
//! only. A write of a replicated table runs on all nodes, and its row triggers with it: one whose function looks at anything
//! but the row, or does anything besides, would give other rows on every node, or do as often what is to be done once.

use crate::objects::checks::Subject;
use crate::pg::spi;
use pgrx::pg_sys::{self, Oid};

/// A trigger that cannot be.
pub struct Objection {
    pub relation: Oid,
    /// What it is, for messages.
    pub what: String,
    pub hint: String,
}

/// Whose triggers are looked at.
pub enum Of {
    Distributed(Oid),
    Replicated(Oid),
    /// A function may have changed.
    AllReplicated,
}

/// The first trigger that cannot be.
pub fn objection(of: &Of) -> Option<Objection> {
    let (tables, copies) = match of {
        Of::Distributed(oid) => (oid.to_u32().to_string(), false),
        Of::Replicated(oid) => (oid.to_u32().to_string(), true),
        Of::AllReplicated => (
            "SELECT relation FROM expanse.distributed_table WHERE distribution_column IS NULL"
                .into(),
            true,
        ),
    };
    // Bit 1 of pg_trigger.tgtype: for each row. The functions of PostgreSQL itself depend on the row alone.
    let rows = spi::query(&format!(
        "SELECT tgrelid::pg_catalog.oid, what, hint FROM (SELECT t.tgrelid, t.tgname, t.tgtype & 1 = 0 AS whole, \
             p.provolatile <> 'i' AND p.oid >= {own} AND p.oid <> 'expanse.check_key()'::pg_catalog.regprocedure AS uneven, \
             p.oid::pg_catalog.regprocedure AS function \
             FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
             WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid IN ({tables})) AS t, \
         LATERAL (VALUES \
             (whole, pg_catalog.format('trigger %I FOR EACH STATEMENT', tgname), \
              'It would fire on every node. A trigger FOR EACH ROW can do its work.'), \
             (uneven AND {copies}, pg_catalog.format('trigger %I with function %s, which is not IMMUTABLE,', tgname, function), \
              'It would run on every node. If the row alone decides what it does, mark its function IMMUTABLE; \
else distribute the table.')) AS o (objection, what, hint) \
         WHERE objection ORDER BY tgrelid, tgname LIMIT 1",
        own = pg_sys::FirstNormalObjectId
    ));
    let row = rows.into_iter().next()?;
    let [Some(relation), Some(what), Some(hint)] = &row[..] else {
        return None;
    };
    Some(Objection {
        relation: spi::parse_oid(relation)?,
        what: what.clone(),
        hint: hint.clone(),
    })
}

/// Refuses (raises) to distribute a table with such a trigger.
pub fn check(subject: &Subject, of: &Of) {
    if let Some(trigger) = objection(of) {
        subject.refuse(
            format!("it has {}", trigger.what.trim_end_matches(',')),
            trigger.hint,
        );
    }
}
