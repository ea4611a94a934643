//! ALTER TABLE of a spread table: which of its commands are possible.

use crate::ddl::{fills, refuse};
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::parse_tree::{list, names, text};
use pgrx::pg_sys::{self, AlterTableCmd, AlterTableType, ConstrType, Oid};

/// Refuses (raises) a statement with a command that can not be spread.
pub fn check(stmt: &pg_sys::AlterTableStmt, metadata: &Metadata, table: Oid) {
    for command in commands(stmt) {
        let refuse = |what: &str, hint: &str| refuse::raise(metadata, table, what, hint);
        match command.subtype {
            AlterTableType::AT_AddInherit | AlterTableType::AT_DropInherit => {
                refuse("inheritance", "Only ordinary tables can be spread.")
            }
            AlterTableType::AT_AttachPartition
            | AlterTableType::AT_DetachPartition
            | AlterTableType::AT_DetachPartitionFinalize => {
                refuse("partitioning", "Only ordinary tables can be spread.")
            }
            AlterTableType::AT_SetLogged | AlterTableType::AT_SetUnLogged => {
                refuse("SET LOGGED or UNLOGGED", "A spread table is always logged.")
            }
            AlterTableType::AT_AddOf | AlterTableType::AT_DropOf => {
                refuse("OF a type", "Only ordinary tables can be spread.")
            }
            AlterTableType::AT_EnableRule
            | AlterTableType::AT_EnableAlwaysRule
            | AlterTableType::AT_EnableReplicaRule
            | AlterTableType::AT_DisableRule => refuse("a rule", "A trigger can do its work."),
            AlterTableType::AT_SetTableSpace => {
                refuse(
                    "SET TABLESPACE",
                    "Run SELECT cluster_move_table('table', 'storage'), which moves its whole colocation group on every node.",
                )
            }
            AlterTableType::AT_SetIdentity => refuse(
                "ALTER of an identity column's sequence",
                "Every node gives its own values; they stay unique only as they are.",
            ),
            AlterTableType::AT_AddColumn => check_new_column(command, &refuse),
            AlterTableType::AT_DropColumn | AlterTableType::AT_DropNotNull => {
                check_distribution_column(command, metadata, table, &refuse)
            }
            AlterTableType::AT_AlterColumnType => {
                check_distribution_column(command, metadata, table, &refuse);
                // SAFETY: ALTER COLUMN TYPE carries a ColumnDef.
                let using = unsafe { (*command.def.cast::<pg_sys::ColumnDef>()).raw_default };
                fills::check_using(metadata, table, using);
            }
            _ => {}
        }
    }
}

/// Can the statement give a column a sequence?
pub fn may_add_sequence(stmt: &pg_sys::AlterTableStmt) -> bool {
    commands(stmt).any(|command| {
        matches!(
            command.subtype,
            AlterTableType::AT_AddColumn
                | AlterTableType::AT_ColumnDefault
                | AlterTableType::AT_AddIdentity
        )
    })
}

/// Names of the columns that the statement adds.
pub fn new_columns(stmt: &pg_sys::AlterTableStmt) -> Vec<String> {
    commands(stmt)
        .filter(|command| command.subtype == AlterTableType::AT_AddColumn)
        // SAFETY: ADD COLUMN carries a ColumnDef.
        .filter_map(|command| text(unsafe { (*command.def.cast::<pg_sys::ColumnDef>()).colname }))
        .collect()
}

fn commands(stmt: &pg_sys::AlterTableStmt) -> impl Iterator<Item = &AlterTableCmd> {
    // SAFETY: the parser's list of commands lives as long as the statement.
    list::<AlterTableCmd>(stmt.cmds)
        .into_iter()
        .map(|command| unsafe { &*command })
}

fn check_distribution_column(
    command: &AlterTableCmd,
    metadata: &Metadata,
    table: Oid,
    refuse: &impl Fn(&str, &str),
) {
    let Some(TableKind::Distributed { column_name, .. }) =
        metadata.table(table).map(|table| &table.kind)
    else {
        return;
    };
    if text(command.name).as_ref() != Some(column_name) {
        return;
    }
    let hint =
        "Its bucket says on which node a row lives. Make a new table with the column you want.";
    match command.subtype {
        AlterTableType::AT_DropColumn => refuse("DROP COLUMN of the distribution column", hint),
        AlterTableType::AT_AlterColumnType => refuse("ALTER TYPE of the distribution column", hint),
        _ => refuse(
            "DROP NOT NULL of the distribution column",
            "A row without a value has no bucket.",
        ),
    }
}

/// Every node would number the rows that are there from the same value on.
fn check_new_column(command: &AlterTableCmd, refuse: &impl Fn(&str, &str)) {
    // SAFETY: ADD COLUMN carries a ColumnDef, whose type and constraints the parser made.
    let serial = unsafe {
        let column = &*command.def.cast::<pg_sys::ColumnDef>();
        let type_name = if column.typeName.is_null() {
            String::new()
        } else {
            names((*column.typeName).names).pop().unwrap_or_default()
        };
        let identity = list::<pg_sys::Constraint>(column.constraints)
            .into_iter()
            .any(|constraint| (*constraint).contype == ConstrType::CONSTR_IDENTITY);
        identity
            || matches!(
                type_name.as_str(),
                "serial" | "serial2" | "serial4" | "serial8" | "smallserial" | "bigserial"
            )
    };
    let what = "ADD COLUMN with a sequence";
    if serial {
        refuse(
            what,
            "Add a bigint column first, fill it, and then run ALTER COLUMN ... ADD GENERATED BY DEFAULT AS IDENTITY.",
        );
    }
    // SAFETY: as above.
    if fills::from_sequence(unsafe { &*command.def.cast::<pg_sys::ColumnDef>() }) {
        refuse(
            what,
            "Add a bigint column without a default first, fill it, and then run ALTER COLUMN ... SET DEFAULT nextval(...).",
        );
    }
}
