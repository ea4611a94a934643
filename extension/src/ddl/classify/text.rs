//! What the other nodes run about the tables of a statement, where it is not made once the statement has run here.

use crate::ddl::classify::named::Named;
use crate::ddl::classify::objects::{distributed, listed, relations, relations_listed};
use crate::ddl::refuse;
use crate::ddl::source::Source;
use crate::ddl::tables::distributed_table;
use crate::metadata::cache::Metadata;
use crate::pg::tree::{owned, ListRef, NodeRef};
use crate::pg::{names, spi};
use expanse_core::utility::{refusal, Action, LockMode};
use pgrx::pg_sys::{self, DefElem, DropBehavior, DropStmt, ReindexStmt, TruncateStmt, VacuumStmt};

/// The text; `None` where PostgreSQL is to say what is wrong.
pub fn of(
    action: Action,
    source: Source<'_>,
    named: &Named,
    metadata: &Metadata,
) -> Option<String> {
    let node = source.node()?;
    match action {
        Action::SameText => Some(source.text()),
        Action::DropIndexes => Some(drop_indexes(node.cast()?, metadata)),
        Action::Truncate => Some(truncate(node.cast()?, metadata)),
        Action::RebuildIndexes => rebuild(node.cast()?, named, metadata),
        Action::Maintain | Action::EachByItself => maintain(node, source, metadata),
        _ => Some(String::new()),
    }
}

fn cascade(behavior: DropBehavior::Type) -> &'static str {
    if behavior == DropBehavior::DROP_CASCADE {
        " CASCADE"
    } else {
        ""
    }
}

fn drop_indexes(stmt: NodeRef<'_, DropStmt>, metadata: &Metadata) -> String {
    let mut indexes = relations_listed(stmt.objects());
    indexes.retain(|&index| distributed_table(metadata, index).is_some());
    let tail = cascade(stmt.behavior);
    format!("DROP INDEX IF EXISTS {}{tail}", listed(&indexes))
}

fn truncate(stmt: NodeRef<'_, TruncateStmt>, metadata: &Metadata) -> String {
    let tables = distributed(metadata, &relations(stmt.relations()));
    let restart = if stmt.restart_seqs {
        " RESTART IDENTITY"
    } else {
        ""
    };
    let tail = cascade(stmt.behavior);
    format!("TRUNCATE TABLE {}{restart}{tail}", listed(&tables))
}

/// A REINDEX CONCURRENTLY for another session, which has a search path of its own.
fn rebuild(stmt: NodeRef<'_, ReindexStmt>, named: &Named, metadata: &Metadata) -> Option<String> {
    let kind = if stmt.kind == pg_sys::ReindexObjectType::REINDEX_OBJECT_INDEX {
        "INDEX"
    } else {
        "TABLE"
    };
    let options: Vec<String> = stmt.options().iter().map(option_text).collect();
    let moves = |option: &String| option.starts_with("tablespace");
    if let (true, Some(&table)) = (options.iter().any(moves), named.distributed.first()) {
        refuse::refuse(metadata, table, refusal::REINDEX_TABLESPACE);
    }
    let name = names::qualified(names::relation(stmt.relation()?)?)?;
    Some(format!("REINDEX ({}) {kind} {name}", options.join(", ")))
}

fn maintain(node: NodeRef<'_>, source: Source<'_>, metadata: &Metadata) -> Option<String> {
    if let Some(stmt) = node.cast::<VacuumStmt>() {
        return vacuum(stmt, metadata);
    }
    let Some(stmt) = node.cast::<pg_sys::LockStmt>() else {
        return Some(source.text());
    };
    let tables = distributed(metadata, &relations(stmt.relations()));
    let mode = LockMode::from_number(stmt.mode).unwrap_or(LockMode::AccessExclusive);
    let nowait = if stmt.nowait { " NOWAIT" } else { "" };
    Some(format!(
        "LOCK TABLE {} IN {} MODE{nowait}",
        listed(&tables),
        mode.sql()
    ))
}

fn vacuum(stmt: NodeRef<'_, VacuumStmt>, metadata: &Metadata) -> Option<String> {
    let mut targets = Vec::new();
    for target in stmt.relations().iter() {
        let table = target.relation().and_then(names::relation);
        let Some(table) = table.filter(|&table| metadata.table(table).is_some()) else {
            continue;
        };
        let columns = target.columns().texts();
        let columns = columns.iter().map(|name| spi::identifier(name));
        targets.push(format!(
            "{}{}",
            names::qualified(table)?,
            in_parentheses(columns.collect())
        ));
    }
    let verb = if stmt.is_vacuumcmd {
        "VACUUM"
    } else {
        "ANALYZE"
    };
    let options = in_parentheses(stmt.options().iter().map(option_text).collect());
    Some(format!("{verb}{options} {}", targets.join(", ")))
}

/// ` (a, b)`; nothing of nothing.
fn in_parentheses(parts: Vec<String>) -> String {
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join(", "))
}

fn option_text(option: NodeRef<'_, DefElem>) -> String {
    let name = owned(option.name()).unwrap_or_default();
    match option.text() {
        Some(value) => format!("{name} {value}"),
        None => name,
    }
}

/// Is the option given, and on?
pub fn option_is_on(options: ListRef<'_, DefElem>, name: &str) -> bool {
    let mut options = options.iter();
    options.any(|option| owned(option.name()).as_deref() == Some(name) && option.is_on())
}
