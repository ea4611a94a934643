//! Statements that leave the schema as it is: TRUNCATE, VACUUM, ANALYZE, REINDEX, LOCK.

use crate::ddl::classify::objects::{joined, oids, spread_names};
use crate::ddl::classify::{Action, Concern};
use crate::ddl::names::spread_table;
use crate::ddl::refuse;
use crate::metadata::cache::Metadata;
use crate::pg::parse_tree::{list, names, relation, text};
use crate::pg::spi;
use pgrx::pg_sys::{self, DropBehavior, Oid, RangeVar};

pub fn truncate(stmt: &pg_sys::TruncateStmt, metadata: &Metadata) -> Option<Concern> {
    let named: Vec<Oid> = list::<RangeVar>(stmt.relations)
        .into_iter()
        .filter_map(relation)
        .collect();
    let spread = spread_names(metadata, named.iter().copied());
    if spread.is_empty() {
        return Concern::plain(named, Action::Plain);
    }
    let sql = format!(
        "TRUNCATE TABLE {}{}{}",
        joined(&spread),
        if stmt.restart_seqs {
            " RESTART IDENTITY"
        } else {
            ""
        },
        if stmt.behavior == DropBehavior::DROP_CASCADE {
            " CASCADE"
        } else {
            ""
        },
    );
    let mut tables = oids(&spread);
    if stmt.behavior == DropBehavior::DROP_CASCADE {
        tables.extend(pointing_to(&tables, metadata));
    }
    let mut concern = Concern::new(tables, Action::Truncate(sql));
    concern.plain =
        Concern::tables_here(named.into_iter().filter(|&t| metadata.table(t).is_none()));
    Some(concern)
}

/// The other spread tables whose foreign keys point to these, however indirectly.
fn pointing_to(tables: &[Oid], metadata: &Metadata) -> Vec<Oid> {
    let named: Vec<String> = tables.iter().map(|oid| oid.to_u32().to_string()).collect();
    let pointing = spi::qualified(|| {
        spi::column(&format!(
            "WITH RECURSIVE reached (oid) AS ( \
                SELECT unnest('{{{}}}'::oid[]) \
              UNION \
                SELECT k.conrelid FROM pg_constraint k JOIN reached r ON k.confrelid = r.oid WHERE k.contype = 'f' \
             ) SELECT oid FROM reached ORDER BY oid",
            named.join(",")
        ))
    });
    pointing
        .iter()
        .filter_map(|oid| oid.parse::<u32>().ok().map(Oid::from))
        .filter(|oid| metadata.table(*oid).is_some() && !tables.contains(oid))
        .collect()
}

pub fn reindex(
    stmt: &pg_sys::ReindexStmt,
    metadata: &Metadata,
    source: impl Fn() -> String,
) -> Option<Concern> {
    let table = relation(stmt.relation).and_then(|oid| spread_table(metadata, oid))?;
    if option_set(stmt.params, "concurrently") {
        return Some(Concern::new(
            vec![table],
            Action::Rebuild(rebuild(stmt, metadata, table)?),
        ));
    }
    Some(Concern::new(vec![table], Action::Maintain(source())))
}

/// The statement for another session, which has a search path of its own.
fn rebuild(stmt: &pg_sys::ReindexStmt, metadata: &Metadata, table: Oid) -> Option<String> {
    let kind = if stmt.kind == pg_sys::ReindexObjectType::REINDEX_OBJECT_INDEX {
        "INDEX"
    } else {
        "TABLE"
    };
    let options: Vec<String> = list::<pg_sys::DefElem>(stmt.params)
        .into_iter()
        .map(option_text)
        .collect();
    if options
        .iter()
        .any(|option| option.starts_with("tablespace"))
    {
        let hint =
            "Run it without CONCURRENTLY, or move the table with SELECT cluster_move_table(...).";
        refuse::raise(metadata, table, "REINDEX (TABLESPACE) CONCURRENTLY", hint);
    }
    let name = crate::pg::names::qualified(relation(stmt.relation)?)?;
    Some(format!("REINDEX ({}) {kind} {name}", options.join(", ")))
}

pub fn option_set(options: *mut pg_sys::List, wanted: &str) -> bool {
    list::<pg_sys::DefElem>(options).into_iter().any(|option| {
        // SAFETY: a list of options of the parser.
        unsafe {
            text((*option).defname).as_deref() == Some(wanted) && pg_sys::defGetBoolean(option)
        }
    })
}

pub fn vacuum(stmt: &pg_sys::VacuumStmt, metadata: &Metadata) -> Option<Concern> {
    let mut tables = Vec::new();
    let mut targets = Vec::new();
    for target in list::<pg_sys::VacuumRelation>(stmt.rels) {
        // SAFETY: the parser's list of relations to process.
        let target = unsafe { &*target };
        let Some(oid) = relation(target.relation).filter(|&oid| metadata.table(oid).is_some())
        else {
            continue;
        };
        let columns: Vec<String> = names(target.va_cols)
            .iter()
            .map(|name| spi::identifier(name))
            .collect();
        let columns = if columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", columns.join(", "))
        };
        targets.push(format!("{}{columns}", crate::pg::names::qualified(oid)?));
        tables.push(oid);
    }
    if tables.is_empty() {
        return None;
    }
    let options: Vec<String> = list::<pg_sys::DefElem>(stmt.options)
        .into_iter()
        .map(option_text)
        .collect();
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(" ({})", options.join(", "))
    };
    let verb = if stmt.is_vacuumcmd {
        "VACUUM"
    } else {
        "ANALYZE"
    };
    let sql = format!("{verb}{options} {}", targets.join(", "));
    let action = if stmt.is_vacuumcmd {
        Action::Vacuum(sql)
    } else {
        Action::Maintain(sql)
    };
    Some(Concern::new(tables, action))
}

pub fn option_text(option: *mut pg_sys::DefElem) -> String {
    // SAFETY: an option of the parser; defGetString gives a palloc'd or static string.
    unsafe {
        let name = text((*option).defname).unwrap_or_default();
        if (*option).arg.is_null() {
            name
        } else {
            format!(
                "{name} {}",
                text(pg_sys::defGetString(option)).unwrap_or_default()
            )
        }
    }
}

pub fn lock(stmt: &pg_sys::LockStmt, metadata: &Metadata) -> Option<Concern> {
    const MODES: [&str; 8] = [
        "ACCESS SHARE",
        "ROW SHARE",
        "ROW EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
        "SHARE",
        "SHARE ROW EXCLUSIVE",
        "EXCLUSIVE",
        "ACCESS EXCLUSIVE",
    ];
    let named: Vec<Oid> = list::<RangeVar>(stmt.relations)
        .into_iter()
        .filter_map(relation)
        .collect();
    let spread = spread_names(metadata, named.iter().copied());
    if spread.is_empty() {
        return Concern::plain(named, Action::Plain);
    }
    let mode = MODES[usize::try_from(stmt.mode - 1).unwrap_or(7).min(7)];
    let nowait = if stmt.nowait { " NOWAIT" } else { "" };
    let sql = format!("LOCK TABLE {} IN {mode} MODE{nowait}", joined(&spread));
    Some(Concern::new(oids(&spread), Action::Maintain(sql)))
}
