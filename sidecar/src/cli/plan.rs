//! `--dry-run`: what an operation would move.

use tokio_postgres::types::ToSql;

use super::{table, CliError, Target};

/// Shows what a plan function gives. `call` is the function with its arguments as text.
///
/// # Errors
/// [`CliError::Connect`], [`CliError::Sql`] with what refused it.
pub async fn show(
    target: &Target,
    json: bool,
    call: &str,
    arguments: &[&(dyn ToSql + Sync)],
) -> Result<(), CliError> {
    let client = target.connect().await?;
    if json {
        let query = format!("SELECT coalesce(jsonb_agg(to_jsonb(p)), '[]') FROM {call} p");
        let plan: serde_json::Value = client.query_one(&query, arguments).await?.get(0);
        println!(
            "{}",
            serde_json::to_string_pretty(&plan).unwrap_or_default()
        );
        return Ok(());
    }
    // The sum comes last.
    let query = format!(
        "SELECT CASE WHEN grouping(relation) = 0 THEN relation::text ELSE 'all' END, source_node, target_node, \
         sum(buckets)::text, sum(row_estimate)::text, pg_size_pretty(sum(byte_estimate)) FROM {call} p \
         GROUP BY GROUPING SETS ((relation, source_node, target_node), ()) \
         ORDER BY grouping(relation), relation::text, source_node, target_node"
    );
    let rows: Vec<Vec<Option<String>>> = client
        .query(&query, arguments)
        .await?
        .iter()
        .map(|row| (0..row.len()).map(|n| row.get(n)).collect())
        .collect();
    let headings = ["relation", "from", "to", "buckets", "rows", "bytes"];
    table::print(&headings.map(str::to_owned), &rows);
    Ok(())
}
