//! Waiting for an operation, with a progress bar on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_postgres::Client;

use super::CliError;

const POLL: Duration = Duration::from_millis(200);

/// Waits for the end of an operation and says how it went.
///
/// # Errors
/// [`CliError::Sql`] with the operation's own error.
pub async fn finish(
    client: &Client,
    operation: i64,
    json: bool,
    no_wait: bool,
) -> Result<(), CliError> {
    if no_wait {
        if json {
            println!("{}", serde_json::json!({"operation_id": operation}));
        } else {
            println!("operation {operation} has been started");
        }
        return Ok(());
    }
    let bar = progress_bar(json);
    loop {
        let row = client
            .query_opt(
                "SELECT state, concat_ws(', ', phase, pg_size_pretty(nullif(bytes_per_second, 0)) || '/s', \
                     date_trunc('second', nullif(time_left, '0')) || ' left', \
                     CASE WHEN freeze_attempts > 1 THEN 'freeze attempt ' || freeze_attempts || ': ' \
                         || freeze_outcome END), \
                 coalesce(rows_done, 0), coalesce(rows_total, 0), finished_at IS NOT NULL FROM cluster_operations WHERE operation_id = $1",
                &[&operation],
            )
            .await?;
        if let Some(row) = row {
            let (done, total): (i64, i64) = (row.get(2), row.get(3));
            bar.set_length(total.max(1) as u64);
            bar.set_position(done.clamp(0, total.max(0)) as u64);
            bar.set_message(row.get::<_, String>(1));
            if row.get(4) {
                break;
            }
        }
        tokio::time::sleep(POLL).await;
    }
    bar.finish_and_clear();
    // Raises the operation's own error.
    client
        .execute("SELECT cluster_wait($1)", &[&operation])
        .await?;
    if json {
        println!(
            "{}",
            serde_json::json!({"operation_id": operation, "state": "succeeded"})
        );
    } else {
        println!("operation {operation} has succeeded");
    }
    Ok(())
}

fn progress_bar(json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} rows  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar
}
