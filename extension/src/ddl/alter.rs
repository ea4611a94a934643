//! ALTER TABLE of a distributed table: what its commands do, for the rules of [`expanse_core::utility::alter_table`].

use crate::ddl::classify::tags;
use crate::ddl::{fills, refuse};
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::tree::analyze::{default_of_definition, uses_sequence};
use crate::pg::tree::{owned, NodeRef};
use expanse_core::utility::alter_table::{CommandFacts, SERIAL_TYPES};
use expanse_core::utility::Command;
use pgrx::pg_sys::{AlterTableCmd, AlterTableStmt, ColumnDef, ConstrType, Oid};

/// Refuses (raises) a statement with a command that a distributed table cannot have.
pub fn check(stmt: NodeRef<'_, AlterTableStmt>, metadata: &Metadata, table: Oid) {
    for (command, node) in commands(stmt) {
        let facts = facts(command, node, metadata, table);
        if let Err(refusal) = command.check(facts) {
            refuse::refuse(metadata, table, refusal);
        }
        if command == Command::AlterColumnType {
            let using = definition(node).and_then(|column| column.raw_default());
            if let Some(using) = using {
                fills::check_using(metadata, table, using);
            }
        }
    }
}

/// Can the statement give a column a sequence?
pub fn may_add_sequence(stmt: NodeRef<'_, AlterTableStmt>) -> bool {
    commands(stmt).any(|(command, _)| command.may_add_sequence())
}

/// Names of the columns that the statement adds.
pub fn new_columns(stmt: NodeRef<'_, AlterTableStmt>) -> Vec<String> {
    commands(stmt)
        .filter(|(command, _)| *command == Command::AddColumn)
        .filter_map(|(_, node)| owned(definition(node)?.name()))
        .collect()
}

fn commands<'a>(
    stmt: NodeRef<'a, AlterTableStmt>,
) -> impl Iterator<Item = (Command, NodeRef<'a, AlterTableCmd>)> {
    let nodes = stmt.commands().iter();
    nodes.filter_map(|node| Some((tags::command(node.subtype)?, node)))
}

fn definition<'a>(node: NodeRef<'a, AlterTableCmd>) -> Option<NodeRef<'a, ColumnDef>> {
    node.definition()?.cast()
}

fn facts(
    command: Command,
    node: NodeRef<'_, AlterTableCmd>,
    metadata: &Metadata,
    table: Oid,
) -> CommandFacts {
    let key = match metadata.table(table).map(|table| &table.kind) {
        Some(TableKind::Distributed { column_name, .. }) => Some(column_name),
        _ => None,
    };
    let added = (command == Command::AddColumn)
        .then(|| definition(node))
        .flatten();
    let makes_sequence = added.is_some_and(makes_sequence);
    CommandFacts {
        distribution_column: key.is_some() && owned(node.name()).as_ref() == key,
        makes_sequence,
        filled_from_sequence: !makes_sequence
            && added
                .and_then(default_of_definition)
                .is_some_and(uses_sequence),
    }
}

/// Is it an identity or a serial column?
fn makes_sequence(column: NodeRef<'_, ColumnDef>) -> bool {
    let mut constraints = column.constraints().iter();
    let type_name = column
        .type_name()
        .and_then(|name| name.names().texts().pop());
    constraints.any(|constraint| constraint.contype == ConstrType::CONSTR_IDENTITY)
        || type_name.is_some_and(|name| SERIAL_TYPES.contains(&name.as_str()))
}
