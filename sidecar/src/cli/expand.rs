//! `expand`: a server joins the cluster.

use clap::Args;

use super::{wait, CliError, Target};

#[derive(Args)]
pub struct Expand {
    /// Name of the new node
    pub node_name: String,
    /// Its address, as the other nodes reach it
    pub node_host: String,
    /// Its port
    #[arg(default_value_t = 5432)]
    pub node_port: u16,
    /// `minimal` moves the least, `contiguous` keeps one range a node
    #[arg(long, default_value = "minimal", value_parser = ["minimal", "contiguous"])]
    pub layout: String,
    /// Also move all tables to the new hash map
    #[arg(long)]
    pub rebind: bool,
    /// Return at once with the operation's number
    #[arg(long)]
    pub no_wait: bool,
}

/// Starts the expansion and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, expand: &Expand) -> Result<(), CliError> {
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_expand($1::text, $2::text, $3::int, $4::text, $5::bool)",
            &[
                &expand.node_name,
                &expand.node_host,
                &i32::from(expand.node_port),
                &expand.layout,
                &expand.rebind,
            ],
        )
        .await?;
    wait::finish(&client, row.get(0), json, expand.no_wait).await
}
