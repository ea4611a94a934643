//! `shrink`: nodes leave the cluster.

use clap::Args;

use super::{plan, wait, CliError, Target};

#[derive(Args)]
pub struct Shrink {
    /// Names of the nodes
    #[arg(required = true)]
    pub node_names: Vec<String>,
    /// `minimal` moves the least, `contiguous` keeps one range a node
    #[arg(long, default_value = "minimal", value_parser = ["minimal", "contiguous"])]
    pub layout: String,
    /// Give up the rows of nodes that do not come back
    #[arg(long)]
    pub lose_data: bool,
    /// Only show what would move
    #[arg(long)]
    pub dry_run: bool,
    /// Return at once with the operation's number
    #[arg(long)]
    pub no_wait: bool,
}

/// Starts the shrink and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, shrink: &Shrink) -> Result<(), CliError> {
    if shrink.dry_run {
        let call = "cluster_plan_shrink($1::text[], $2::text)";
        return plan::show(target, json, call, &[&shrink.node_names, &shrink.layout]).await;
    }
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_shrink($1::text[], $2::text, $3::bool)",
            &[&shrink.node_names, &shrink.layout, &shrink.lose_data],
        )
        .await?;
    wait::finish(&client, row.get(0), json, shrink.no_wait).await
}
