//! Which foreign keys a distributed or replicated table may have: those that every node can check on its own rows.

use crate::catalog::everywhere::cluster;
use crate::metadata::cache::{GroupId, TableKind, REPLICATED_GROUP};
use crate::objects::checks::Subject;
use crate::pg::{names, spi};
use pgrx::pg_sys::Oid;

/// One foreign key that the table has, or that points to it.
struct ForeignKey {
    name: String,
    from: Oid,
    to: Oid,
    /// Pairs of column names (from, to).
    columns: Vec<(String, String)>,
}

/// Checks the foreign keys of a table that is to be (or is) in `group`, by `column` unless replicated.
pub fn check(subject: &Subject, group: GroupId, column: Option<&str>) {
    for key in foreign_keys(subject.relation) {
        let place = |relation: Oid| place_of(relation, subject, group, column);
        let (from, to) = (place(key.from), place(key.to));
        if !local(&key, from.as_ref(), to.as_ref()) {
            subject.refuse(
                format!(
                    "foreign key \"{}\" from \"{}\" to \"{}\" would cross nodes",
                    key.name,
                    names::bare(key.from),
                    names::bare(key.to)
                ),
                "A foreign key must be inside one colocation group and contain both distribution columns, \
                 or point to a replicated table. Drop it, distribute or replicate both tables, and add it again.",
            );
        }
    }
}

/// Where a table's rows live: group and distribution column.
type Place = (GroupId, Option<String>);

fn place_of(
    relation: Oid,
    subject: &Subject,
    group: GroupId,
    column: Option<&str>,
) -> Option<Place> {
    if relation == subject.relation {
        return Some((group, column.map(str::to_owned)));
    }
    let metadata = cluster();
    let table = metadata.table(relation)?;
    Some(match &table.kind {
        TableKind::Distributed { column_name, .. } => (table.group, Some(column_name.clone())),
        TableKind::Replicated => (REPLICATED_GROUP, None),
    })
}

/// Does every row lie on the same node as the row it points to?
fn local(key: &ForeignKey, from: Option<&Place>, to: Option<&Place>) -> bool {
    match (from, to) {
        // A local table points to a copy that is also here.
        (_, Some((REPLICATED_GROUP, None))) => true,
        (Some((a, Some(x))), Some((b, Some(y)))) => {
            a == b && key.columns.iter().any(|(from, to)| from == x && to == y)
        }
        (None, None) => true,
        _ => false,
    }
}

fn foreign_keys(relation: Oid) -> Vec<ForeignKey> {
    let oid = relation.to_u32();
    let rows = spi::query(&format!(
        "SELECT k.conname, k.conrelid::oid, k.confrelid::oid, f.attname, t.attname \
         FROM pg_constraint k, unnest(k.conkey, k.confkey) AS pair (f, t), pg_attribute f, pg_attribute t \
         WHERE k.contype = 'f' AND {oid} IN (k.conrelid, k.confrelid) \
           AND f.attrelid = k.conrelid AND f.attnum = pair.f AND t.attrelid = k.confrelid AND t.attnum = pair.t \
         ORDER BY k.oid"
    ));
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in rows {
        let mut fields = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || fields.next().unwrap_or_default();
        let (name, from, to, column) = (next(), oid_of(&next()), oid_of(&next()), (next(), next()));
        match keys.last_mut() {
            Some(last) if last.name == name && last.from == from => last.columns.push(column),
            _ => keys.push(ForeignKey {
                name,
                from,
                to,
                columns: vec![column],
            }),
        }
    }
    keys
}

fn oid_of(text: &str) -> Oid {
    spi::parse_oid(text).unwrap_or(Oid::INVALID)
}
