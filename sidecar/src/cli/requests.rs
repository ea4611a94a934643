//! `cancel`, `pause`, `resume`, `reverse`, `finish`: what is requested of an operation.

use super::{CliError, Target};

/// Calls the SQL function of that name.
///
/// # Errors
/// [`CliError::Sql`] with what refused it.
pub async fn run(target: &Target, json: bool, verb: &str, operation: i64) -> Result<(), CliError> {
    let client = target.connect().await?;
    client
        .execute(&format!("SELECT cluster_{verb}($1)"), &[&operation])
        .await?;
    if json {
        println!(
            "{}",
            serde_json::json!({"operation_id": operation, "asked": verb})
        );
    } else {
        println!("asked operation {operation} to {verb}");
    }
    Ok(())
}
