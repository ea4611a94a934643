//! Statements that change tables, their indexes, names and privileges.

use crate::ddl::classify::objects::{
    in_schema, joined, oids, spread_names, statistics_table, using_type, with_type,
};
use crate::ddl::classify::{Action, Concern};
use crate::ddl::names::{spread_table, table_of};
use crate::ddl::{alter, refuse, rules};
use crate::metadata::cache::Metadata;
use crate::objects::portable::is_shared_view;
use crate::pg::parse_tree::{list, names, relation, relation_before_last, relation_named, text};
use pgrx::pg_sys::{self, DropBehavior, ObjectType, Oid, RangeVar};

pub fn alter_table(
    stmt: &pg_sys::AlterTableStmt,
    metadata: &Metadata,
    source: impl Fn() -> String,
) -> Option<Concern> {
    let target = relation(stmt.relation)?;
    if stmt.objtype == ObjectType::OBJECT_TYPE {
        // SAFETY: a system-cache lookup of a relation that exists.
        let using = with_type(metadata, unsafe { pg_sys::get_rel_type_id(target) });
        return (!using.is_empty()).then(|| Concern::new(using, Action::Schema(source())));
    }
    let Some(table) = spread_table(metadata, target) else {
        return Concern::plain(vec![target], Action::Check);
    };
    alter::check(stmt, metadata, table);
    let mut concern = Concern::new(vec![table], Action::Schema(source()));
    concern.sequences = alter::may_add_sequence(stmt);
    concern.new_columns = alter::new_columns(stmt);
    Some(concern)
}

/// Refuses (raises) a new table that inherits from a spread one; only what `counts` is looked at.
pub fn check_parents(
    stmt: &pg_sys::CreateStmt,
    metadata: &Metadata,
    counts: impl Fn(*mut RangeVar) -> bool,
) {
    for parent in list::<RangeVar>(stmt.inhRelations) {
        if counts(parent) {
            let hint = "Only ordinary tables can be spread.";
            refuse::if_spread(metadata, relation(parent), "inheritance", hint);
        }
    }
}

pub fn index(stmt: &pg_sys::IndexStmt, metadata: &Metadata) -> Option<Concern> {
    let table = relation(stmt.relation)?;
    if metadata.table(table).is_none() {
        return match stmt.concurrent {
            true => Concern::plain_concurrently(vec![table]),
            false => Concern::plain(vec![table], Action::Plain),
        };
    }
    let newest = rules::newest_index(table);
    let if_missing = stmt.if_not_exists;
    let mut concern = Concern::new(vec![table], Action::Index { newest, if_missing });
    concern.concurrently = stmt.concurrent;
    Some(concern)
}

pub fn rename(
    stmt: &pg_sys::RenameStmt,
    metadata: &Metadata,
    one: impl Fn(Option<Oid>) -> Option<Concern>,
    about: impl Fn(Vec<Oid>) -> Option<Concern>,
) -> Option<Concern> {
    match stmt.renameType {
        ObjectType::OBJECT_SCHEMA => about(in_schema(metadata, &text(stmt.subname)?)),
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN | ObjectType::OBJECT_DOMCONSTRAINT => {
            about(using_type(metadata, stmt.object.cast()))
        }
        ObjectType::OBJECT_COLUMN => {
            let table = relation(stmt.relation);
            let mut concern = one(table)?;
            if !concern.tables.is_empty() {
                concern.renamed_column = Some((table?, text(stmt.subname)?, text(stmt.newname)?));
            }
            Some(concern)
        }
        ObjectType::OBJECT_STATISTIC_EXT => one(statistics_table(stmt.object.cast())),
        _ => one(relation(stmt.relation)),
    }
}

pub fn drop(
    stmt: &pg_sys::DropStmt,
    metadata: &Metadata,
    one: impl Fn(Option<Oid>) -> Option<Concern>,
) -> Option<Concern> {
    let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
    let objects = list::<pg_sys::List>(stmt.objects);
    match stmt.removeType {
        ObjectType::OBJECT_INDEX => drop_indexes(stmt, &objects, metadata, cascade),
        ObjectType::OBJECT_TRIGGER | ObjectType::OBJECT_POLICY | ObjectType::OBJECT_RULE => {
            one(objects.into_iter().find_map(relation_before_last))
        }
        ObjectType::OBJECT_STATISTIC_EXT => one(objects.into_iter().find_map(statistics_table)),
        ObjectType::OBJECT_SEQUENCE => {
            for sequence in objects {
                let table = relation_named(sequence).and_then(|oid| spread_table(metadata, oid));
                let hint = "Drop the column, or its default first.";
                refuse::if_spread(
                    metadata,
                    table,
                    "DROP SEQUENCE of a column's sequence",
                    hint,
                );
            }
            None
        }
        ObjectType::OBJECT_TABLE => {
            let tables = spread_names(metadata, objects.into_iter().filter_map(relation_named));
            Some(Concern::new(oids(&tables), Action::Drop { cascade }))
        }
        ObjectType::OBJECT_SCHEMA => {
            let schemas = list::<pg_sys::String>(stmt.objects).into_iter();
            let tables = schemas
                // SAFETY: DROP SCHEMA lists String nodes.
                .filter_map(|name| text(unsafe { (*name).sval }))
                .flat_map(|schema| in_schema(metadata, &schema))
                .collect();
            Some(Concern::new(tables, Action::Drop { cascade }))
        }
        _ => Some(Concern::new(Vec::new(), Action::Drop { cascade })),
    }
}

pub fn drop_indexes(
    stmt: &pg_sys::DropStmt,
    objects: &[*mut pg_sys::List],
    metadata: &Metadata,
    cascade: bool,
) -> Option<Concern> {
    let indexes = objects.iter().filter_map(|&names| relation_named(names));
    let (spread, plain): (Vec<Oid>, Vec<Oid>) =
        indexes.partition(|&index| spread_table(metadata, index).is_some());
    let spread: Vec<(Oid, String)> = spread
        .into_iter()
        .filter_map(|index| {
            Some((
                spread_table(metadata, index)?,
                crate::pg::names::qualified(index)?,
            ))
        })
        .collect();
    if spread.is_empty() {
        return match stmt.concurrent {
            true => Concern::plain_concurrently(plain),
            false => Concern::plain(plain.into_iter().map(table_of).collect(), Action::Plain),
        };
    }
    if stmt.concurrent && (cascade || objects.len() > 1) {
        // PostgreSQL refuses it.
        return None;
    }
    let tail = if cascade { " CASCADE" } else { "" };
    let sql = format!("DROP INDEX IF EXISTS {}{tail}", joined(&spread));
    let mut concern = Concern::new(oids(&spread), Action::Schema(sql));
    concern.concurrently = stmt.concurrent;
    concern.plain = Concern::tables_here(plain.into_iter());
    Some(concern)
}

pub fn grant(
    stmt: &pg_sys::GrantStmt,
    metadata: &Metadata,
    about: impl Fn(Vec<Oid>) -> Option<Concern>,
) -> Option<Concern> {
    if !matches!(
        stmt.objtype,
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE
    ) {
        return None;
    }
    if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA {
        let schemas = names(stmt.objects);
        return about(
            schemas
                .iter()
                .flat_map(|schema| in_schema(metadata, schema))
                .collect(),
        );
    }
    if stmt.targtype != pg_sys::GrantTargetType::ACL_TARGET_OBJECT {
        return None;
    }
    let named: Vec<Oid> = list::<RangeVar>(stmt.objects)
        .into_iter()
        .filter_map(relation)
        .collect();
    let spread: Vec<Oid> = named
        .iter()
        .filter_map(|&oid| spread_table(metadata, oid))
        .collect();
    let Some(&first) = spread.first() else {
        return Concern::plain(named, Action::Plain);
    };
    let shared = named.iter().filter(|&&oid| is_shared_view(oid, metadata));
    if spread.len() + shared.count() < named.len() {
        let hint = "Name them in a statement of their own.";
        refuse::raise(
            metadata,
            first,
            "GRANT or REVOKE together with tables of this node",
            hint,
        );
    }
    about(spread)
}
