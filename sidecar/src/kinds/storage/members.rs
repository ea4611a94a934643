//! Storages of servers that join or leave.

use super::{all, check, server, Storage};
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;

/// The storages of the cluster that a new server has already, at the right place.
///
/// # Errors
/// Why the server cannot have one.
pub async fn present(context: &Context, new: &NodeAddress) -> Result<Vec<String>> {
    let executor = context.executor();
    let mut present = Vec::new();
    for storage in all(executor, context.local()).await? {
        if check::place(executor, new, &storage).await?.present {
            present.push(storage.name);
        }
    }
    Ok(present)
}

/// Makes every storage of the cluster on a new server, which has the extension by now, with the privileges and settings
/// that it has here.
///
/// # Errors
/// Those of the servers.
pub async fn give(context: &Context, new: &NodeAddress) -> Result<()> {
    let executor = context.executor();
    for storage in all(executor, context.local()).await? {
        server::make(executor, new, &storage).await?;
        for statement in properties(context, &storage).await? {
            let command = maintenance("set up a tablespace");
            executor.batch(new, command, &statement).await?;
        }
    }
    Ok(())
}

/// Owner, options and privileges, as statements.
async fn properties(context: &Context, storage: &Storage) -> Result<Vec<String>> {
    const SQL: &str = "SELECT p.statement FROM pg_tablespace s, LATERAL ( \
            SELECT format('ALTER TABLESPACE %I OWNER TO %s', s.spcname, s.spcowner::regrole) \
            UNION ALL SELECT format('ALTER TABLESPACE %I SET (%s)', s.spcname, array_to_string(s.spcoptions, ', ')) \
                WHERE s.spcoptions IS NOT NULL \
            UNION ALL SELECT format('GRANT %s ON TABLESPACE %I TO %s%s', a.privilege_type, s.spcname, \
                    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, \
                    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) \
                FROM aclexplode(s.spcacl) AS a WHERE a.grantee <> s.spcowner) AS p (statement) \
        WHERE s.spcname = $1::text";
    let command = maintenance("look at a tablespace");
    let rows = context
        .executor()
        .query(context.local(), command, SQL, &[&storage.name])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Removes the storages of the cluster, other than those to `keep`, that hold nothing on a server that leaves, or that does
/// not join after all; it still has the extension. `member` knows them.
///
/// # Errors
/// Those of the servers.
pub async fn take(
    context: &Context,
    from: &NodeAddress,
    member: &NodeAddress,
    keep: &[String],
) -> Result<()> {
    let executor = context.executor();
    for storage in all(executor, member).await? {
        if keep.contains(&storage.name) {
            continue;
        }
        if check::used(executor, from, &storage.name).await?.is_some() {
            tracing::info!(
                operation = context.id(),
                storage = storage.name,
                server = from.node_name,
                "the server keeps its tablespace, which is in use there"
            );
            continue;
        }
        server::drop(executor, from, &storage.name).await?;
        server::clean(executor, from, &storage).await?;
    }
    Ok(())
}

/// The tables of the cluster that lie in a storage, and their indexes, as statements for a server that has them empty.
///
/// # Errors
/// Those of the local server.
pub async fn placements(context: &Context) -> Result<Vec<String>> {
    const SQL: &str = "SELECT format('ALTER %s %s SET TABLESPACE %I;', \
            CASE o.relkind WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, expanse.qualified_name(o.oid), s.spcname) \
        FROM expanse.distributed_table t \
        CROSS JOIN LATERAL (SELECT t.relation::oid UNION ALL \
            SELECT indexrelid FROM pg_index WHERE indrelid = t.relation::oid) AS p (oid) \
        JOIN pg_class o ON o.oid = p.oid JOIN pg_tablespace s ON s.oid = o.reltablespace \
        JOIN expanse.storage r ON r.storage_name = s.spcname ORDER BY t.relation::oid, o.oid";
    let command = maintenance("look for tables in storages");
    let rows = context
        .executor()
        .query(context.local(), command, SQL, &[])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
