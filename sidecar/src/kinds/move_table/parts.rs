//! What there is to move on one node, and the statements that move it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::executor::Executor;
use crate::operations::maintenance;
use crate::operations::Result;
use crate::postgres::{identifier, NodeAddress};

/// A table's part on a node, or an index of it. Names are qualified, and the same on all nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub table: String,
    pub name: String,
    pub index: bool,
    /// The tablespace it lies in.
    pub storage: String,
    pub bytes: i64,
    /// The index that CLUSTER would use.
    pub clustered: bool,
}

/// What is there of the tables on a node. It waits for no lock: of a table that is locked, the size is what
/// VACUUM or ANALYZE has found last.
///
/// # Errors
/// Those of the node.
pub async fn look(executor: &Executor, node: &NodeAddress, tables: &[String]) -> Result<Vec<Part>> {
    const SQL: &str = "SELECT expanse.qualified_name(t.oid), expanse.qualified_name(o.oid), o.relkind = 'i', \
        expanse.storage_of(o.oid), \
        CASE WHEN EXISTS (SELECT FROM pg_locks l WHERE l.relation IN (t.oid, o.oid) AND l.mode = 'AccessExclusiveLock') \
             THEN o.relpages::int8 * current_setting('block_size')::int8 \
             WHEN o.relkind = 'i' THEN pg_relation_size(o.oid) ELSE pg_table_size(o.oid) END, \
        coalesce(p.clustered, false) \
        FROM unnest($1::text[]) AS n (name) JOIN pg_class t ON t.oid = to_regclass(n.name) \
        CROSS JOIN LATERAL (SELECT t.oid, NULL::boolean UNION ALL \
            SELECT indexrelid, indisclustered FROM pg_index WHERE indrelid = t.oid) AS p (oid, clustered) \
        JOIN pg_class o ON o.oid = p.oid ORDER BY 1, o.relkind = 'i', 2";
    let command = maintenance("look where tables lie");
    let rows = executor.query(node, command, SQL, &[&tables]).await?;
    let part = |row: &tokio_postgres::Row| Part {
        table: row.get(0),
        name: row.get(1),
        index: row.get(2),
        storage: row.get(3),
        bytes: row.get(4),
        clustered: row.get(5),
    };
    Ok(rows.iter().map(part).collect())
}

/// The tables that move together.
///
/// # Errors
/// Those of the server.
pub async fn tables(
    executor: &Executor,
    local: &NodeAddress,
    group_id: i32,
    target: &str,
) -> Result<Vec<String>> {
    const SQL: &str = "SELECT expanse.qualified_name(relation) FROM expanse.distributed_table \
        WHERE group_id = $1 AND ($1 <> 0 OR relation = to_regclass($2::text)) ORDER BY relation::oid";
    let command = maintenance("look for the group's tables");
    let rows = executor
        .query(local, command, SQL, &[&group_id, &target])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The statements for each table that has a part which lies elsewhere than `wanted` says; parts that it does not speak of
/// stay. Bytes that move come with them.
pub fn moves<'a>(
    parts: &[Part],
    wanted: impl Fn(&Part) -> Option<&'a str>,
) -> BTreeMap<String, (Vec<String>, i64)> {
    let mut moves: BTreeMap<String, (Vec<String>, i64)> = BTreeMap::new();
    for part in parts {
        let Some(storage) = wanted(part).filter(|storage| *storage != part.storage) else {
            continue;
        };
        let (statements, bytes) = moves.entry(part.table.clone()).or_default();
        let kind = if part.index { "INDEX" } else { "TABLE" };
        statements.push(format!(
            "ALTER {kind} {} SET TABLESPACE {}",
            part.name,
            identifier(storage)
        ));
        *bytes += part.bytes;
    }
    moves
}

/// The statement that gives a table the mark of the index it was clustered on before.
pub fn mark(table: &str, before: &[Part]) -> String {
    match before
        .iter()
        .find(|part| part.table == table && part.clustered)
    {
        Some(index) => format!("ALTER TABLE {table} CLUSTER ON {}", bare(&index.name)),
        None => format!("ALTER TABLE {table} SET WITHOUT CLUSTER"),
    }
}

/// The statement that rewrites a table in the order of an index.
pub fn cluster(table: &str, index: &str) -> String {
    format!("CLUSTER {table} USING {}", bare(index))
}

/// `name` of `schema.name`, both quoted where needed.
pub fn bare(qualified: &str) -> &str {
    let mut quoted = false;
    let dot = qualified.char_indices().find(|&(_, c)| {
        quoted ^= c == '"';
        c == '.' && !quoted
    });
    dot.map_or(qualified, |(at, _)| &qualified[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(table: &str, name: &str, storage: &str, clustered: bool) -> Part {
        Part {
            table: table.into(),
            name: name.into(),
            index: table != name,
            storage: storage.into(),
            bytes: 10,
            clustered,
        }
    }

    #[test]
    fn only_what_lies_elsewhere_moves() {
        let parts = [
            part("a.t", "a.t", "pg_default", false),
            part("a.t", "a.t_pkey", "pg_default", false),
            part("a.t", "a.there", "fast disk", true),
            part("a.u", "a.u", "fast disk", false),
        ];
        let found = moves(&parts, |_| Some("fast disk"));
        let expected = vec![
            "ALTER TABLE a.t SET TABLESPACE \"fast disk\"".to_owned(),
            "ALTER INDEX a.t_pkey SET TABLESPACE \"fast disk\"".to_owned(),
        ];
        assert_eq!(found, BTreeMap::from([("a.t".to_owned(), (expected, 20))]));
        assert!(moves(&parts, |_| None).is_empty());
    }

    #[test]
    fn moving_back_restores_every_part() {
        let before = [
            part("a.t", "a.t", "one", false),
            part("a.t", "a.i", "two", true),
        ];
        let now: Vec<Part> = before
            .iter()
            .map(|part| Part {
                storage: "new".into(),
                ..part.clone()
            })
            .collect();
        let wanted = |part: &Part| {
            let was = before.iter().find(|was| was.name == part.name);
            was.map(|was| was.storage.as_str())
        };
        let (statements, _) = &moves(&now, wanted)["a.t"];
        assert_eq!(statements[0], "ALTER TABLE a.t SET TABLESPACE \"one\"");
        assert_eq!(statements[1], "ALTER INDEX a.i SET TABLESPACE \"two\"");
        assert_eq!(mark("a.t", &before), "ALTER TABLE a.t CLUSTER ON i");
        assert_eq!(mark("a.u", &before), "ALTER TABLE a.u SET WITHOUT CLUSTER");
    }

    #[test]
    fn a_dot_in_quotes_is_part_of_a_name() {
        assert_eq!(bare("a.b"), "b");
        assert_eq!(bare("\"a.b\".\"c.d\""), "\"c.d\"");
        assert_eq!(bare("\"a\"\".b\".c"), "c");
        assert_eq!(cluster("s.t", "s.\"I\""), "CLUSTER s.t USING \"I\"");
    }
}
