//! `status`: the cluster at a glance.

use super::views::{self, View, BLOCKED, MAPS, NODES};
use super::{CliError, Target};

const RUNNING: View = View {
    query: "SELECT operation_id AS id, kind, target, state, phase, rows_done, rows_total \
            FROM cluster_operations WHERE finished_at IS NULL ORDER BY 1",
};

/// Nodes, hash maps, running operations and what is blocked.
///
/// # Errors
/// [`CliError::Connect`], [`CliError::Sql`].
pub async fn run(target: &Target, json: bool) -> Result<(), CliError> {
    let client = target.connect().await?;
    if json {
        let status = serde_json::json!({
            "nodes": views::as_json(&client, &NODES).await?,
            "maps": views::as_json(&client, &MAPS).await?,
            "operations": views::as_json(&client, &RUNNING).await?,
            "blocked": views::as_json(&client, &BLOCKED).await?,
        });
        println!(
            "{}",
            serde_json::to_string_pretty(&status).unwrap_or_default()
        );
        return Ok(());
    }
    for (title, view) in [
        ("Nodes", &NODES),
        ("Hash maps", &MAPS),
        ("Running operations", &RUNNING),
        ("What does not happen", &BLOCKED),
    ] {
        println!("{title}");
        views::show(&client, false, view).await?;
        println!();
    }
    Ok(())
}
