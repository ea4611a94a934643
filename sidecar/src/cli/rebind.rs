//! `rebind`: a table's group moves to the current hash map, or all groups.

use clap::Args;

use super::{plan, wait, CliError, Target};

#[derive(Args)]
pub struct Rebind {
    /// A table of the group
    #[arg(required_unless_present = "all")]
    pub relation: Option<String>,
    /// All groups that are not there yet, what gives most relief first
    #[arg(long, conflicts_with = "relation")]
    pub all: bool,
    /// With --all: how many groups move at once
    #[arg(long, default_value_t = 1)]
    pub at_once: i32,
    /// Longest time that writes may wait for the switch, such as "500 ms"
    #[arg(long, default_value = "500 ms")]
    pub max_write_freeze: String,
    /// Only show what would move
    #[arg(long)]
    pub dry_run: bool,
    /// How long the old copies are kept current after the switch, such as "1 hour"
    #[arg(long, default_value = "0")]
    pub reversible_for: String,
    /// Most that is copied a second, such as 50MB
    #[arg(long)]
    pub max_rate: Option<String>,
    /// Give the table this distribution column while it is used; on its own node also a plain table
    #[arg(long, conflicts_with = "all")]
    pub distribution_column: Option<String>,
    /// Put the table into the colocation group of this one
    #[arg(long, conflicts_with = "all")]
    pub colocate_with: Option<String>,
    /// Return at once with the operation's number
    #[arg(long)]
    pub no_wait: bool,
}

impl Rebind {
    fn strategy(&self) -> &'static str {
        match (&self.distribution_column, &self.colocate_with) {
            (None, None) => "move",
            _ => "rewrite",
        }
    }
}

/// Starts the rebind and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, rebind: &Rebind) -> Result<(), CliError> {
    let Some(relation) = &rebind.relation else {
        return run_all(target, json, rebind).await;
    };
    if rebind.dry_run {
        let call = "cluster_plan_rebind($1::text::regclass)";
        return plan::show(target, json, call, &[relation]).await;
    }
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_rebind($1::text::regclass, $2, max_write_freeze => $3::text::interval, \
             reversible_for => $4::text::interval, max_rate => $5, distribution_column => $6, \
             colocate_with => $7::text::regclass)",
            &[
                relation,
                &rebind.strategy(),
                &rebind.max_write_freeze,
                &rebind.reversible_for,
                &rebind.max_rate,
                &rebind.distribution_column,
                &rebind.colocate_with,
            ],
        )
        .await?;
    wait::finish(&client, row.get(0), json, rebind.no_wait).await
}

async fn run_all(target: &Target, json: bool, rebind: &Rebind) -> Result<(), CliError> {
    if rebind.dry_run {
        return plan::show(target, json, "cluster_plan_rebind_all()", &[]).await;
    }
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_rebind_all($1, $2::text::interval, $3::text::interval, $4)",
            &[
                &rebind.at_once,
                &rebind.max_write_freeze,
                &rebind.reversible_for,
                &rebind.max_rate,
            ],
        )
        .await?;
    wait::finish(&client, row.get(0), json, rebind.no_wait).await
}
