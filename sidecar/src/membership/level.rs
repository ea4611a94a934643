//! Whether a node that was away has all that the others have.
//!
//! Schema and metadata change on all active nodes in one transaction, so a node that comes back can only have missed its
//! end: it holds the transaction prepared until the recovery of the node that coordinated it has ended it. That, and that
//! its metadata and the shape of its tables are those of most others that answer, is what [`behind`] looks at.
//!
//! # What is not guaranteed
//! Nodes that do not answer are not compared: the last one of a cluster may always come back.

use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster;
use crate::executor::{Command, Executor, Weight};
use crate::postgres::{NodeAddress, Result};

const COMPARE: Command = Command::new("compare the metadata", Weight::Interactive)
    .once()
    .limit(Duration::from_secs(2))
    // That another node does not answer is said elsewhere.
    .alarm(Weight::Background);

/// Prepared transactions of the cluster that have changed metadata or the schema.
const IN_DOUBT: &str = "SELECT x.gid FROM pg_prepared_xacts x \
    JOIN pg_locks l ON l.virtualtransaction = '-1/' || x.transaction::text \
    WHERE x.database = current_database() AND starts_with(x.gid, 'expanse_') AND (l.mode = 'AccessExclusiveLock' OR l.mode = 'RowExclusiveLock' \
        AND l.relation IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'expanse'::regnamespace \
                           AND c.relname <> 'commit_record')) \
    ORDER BY x.prepared LIMIT 1";

/// The metadata and the columns of all distributed tables, in terms that are the same on every node.
const DIGEST: &str = "SELECT md5(concat_ws('/', \
    (SELECT string_agg(n::text, ',' ORDER BY node_id) FROM expanse.node n), \
    (SELECT string_agg(concat_ws(' ', hash_map_version, current), ',' ORDER BY hash_map_version) FROM expanse.hash_map), \
    (SELECT string_agg(r::text, ',' ORDER BY hash_map_version, first_bucket) FROM expanse.hash_map_range r), \
    (SELECT string_agg(concat_ws(' ', group_id, hash_map_version, moving_to), ',' ORDER BY group_id) \
     FROM expanse.colocation_group), \
    (SELECT string_agg(s::text, ',' ORDER BY storage_name) FROM expanse.storage s), \
    (SELECT string_agg(concat_ws(' ', s.nspname, c.relname, t.group_id, t.distribution_column, \
         (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ',' \
                            ORDER BY a.attname) \
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), \
         ';' ORDER BY s.nspname, c.relname) \
     FROM expanse.distributed_table t JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace s ON s.oid = c.relnamespace)))";

/// What keeps `local` from being level with the others; `None` if nothing does.
///
/// # Errors
/// Those of the local server.
pub async fn behind(executor: &Executor, local: &NodeAddress) -> Result<Option<String>> {
    let held = executor.query(local, COMPARE, IN_DOUBT, &[]).await?;
    if let Some(row) = held.first() {
        let gid: String = row.get(0);
        return Ok(Some(format!(
            "prepared transaction {gid} may have changed the schema or the metadata"
        )));
    }
    let own: String = executor.value(local, COMPARE, DIGEST, &[]).await?;
    let nodes = cluster::nodes_by(executor, local, COMPARE).await?;
    let others = nodes
        .into_iter()
        .filter(|node| node.active() && node.name() != local.node_name);
    let said = join_all(others.map(|node| async move {
        let digest = executor.value::<String>(&node.address, COMPARE, DIGEST, &[]);
        (node.name().to_owned(), digest.await.ok())
    }))
    .await;
    Ok(outvoted(&own, &said)
        .map(|other| format!("its metadata or tables differ from those of node \"{other}\"")))
}

/// A node that says otherwise, unless as many nodes, this one among them, say the same.
fn outvoted<'a>(own: &str, said: &'a [(String, Option<String>)]) -> Option<&'a str> {
    let answers = || {
        said.iter()
            .filter_map(|(name, said)| Some((name, said.as_ref()?)))
    };
    let alike = 1 + answers().filter(|(_, said)| *said == own).count();
    let mut other = answers().filter(|(_, said)| *said != own);
    let first = other.next()?.0;
    (alike <= 1 + other.count()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(digests: &[Option<&str>]) -> Vec<(String, Option<String>)> {
        let name = |at: usize| format!("n{}", at + 2);
        let said = digests.iter().enumerate();
        said.map(|(at, digest)| (name(at), digest.map(str::to_owned)))
            .collect()
    }

    #[test]
    fn most_nodes_are_right() {
        assert_eq!(outvoted("a", &said(&[])), None);
        assert_eq!(outvoted("a", &said(&[None, None])), None);
        assert_eq!(outvoted("a", &said(&[Some("a"), Some("b")])), None);
        assert_eq!(outvoted("b", &said(&[Some("a"), Some("a")])), Some("n2"));
        assert_eq!(
            outvoted("b", &said(&[Some("b"), Some("a"), Some("a")])),
            Some("n3")
        );
        // Of two that differ it is not known which one is right.
        assert_eq!(outvoted("a", &said(&[None, Some("b")])), Some("n3"));
    }
}
