//! `rebind`: a table's group moves to the current hash map.

use clap::Args;

use super::{wait, CliError, Target};

#[derive(Args)]
pub struct Rebind {
    /// A table of the group
    pub relation: String,
    /// Longest time that writes may wait for the switch, such as "500 ms"
    #[arg(long, default_value = "500 ms")]
    pub max_write_freeze: String,
    /// How long the old copies are kept current after the switch, such as "1 hour"
    #[arg(long, default_value = "0")]
    pub reversible_for: String,
    /// Return at once with the operation's number
    #[arg(long)]
    pub no_wait: bool,
}

/// Starts the rebind and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, rebind: &Rebind) -> Result<(), CliError> {
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_rebind($1::text::regclass, 'move', $2::text::interval, $3::text::interval)",
            &[
                &rebind.relation,
                &rebind.max_write_freeze,
                &rebind.reversible_for,
            ],
        )
        .await?;
    wait::finish(&client, row.get(0), json, rebind.no_wait).await
}
