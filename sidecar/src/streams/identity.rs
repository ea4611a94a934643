//! Whether tables can be published.

use super::Refusal;
use crate::operations::{maintenance, Context, Result};

/// Publishing UPDATE and DELETE of a table without one would make them fail.
///
/// # Errors
/// [`Refusal::NoReplicaIdentity`]; those of the local server.
pub async fn check_replica_identity(context: &Context, relations: &[String]) -> Result<()> {
    const SQL: &str = "SELECT r.name FROM unnest($1::text[]) AS r(name) JOIN pg_class c ON c.oid = r.name::regclass \
        WHERE CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true \
        WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) \
        ELSE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) END LIMIT 1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("check replica identity"),
            SQL,
            &[&relations],
        )
        .await?;
    match rows.first() {
        None => Ok(()),
        Some(row) => {
            let relation: String = row.get(0);
            Err(Refusal::NoReplicaIdentity { relation }.into())
        }
    }
}
