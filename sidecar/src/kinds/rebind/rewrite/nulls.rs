//! The new distribution column has no nulls.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::{alter, column, relation, CHANGE};
use crate::kinds::rebind::refusal::Refusal;
use crate::kinds::rebind::state::Rebind;
use crate::operations::{maintenance, Context, Result};
use crate::postgres::{identifier, NodeAddress};

/// The constraint by which a column is shown to have no null before it is declared so.
const NOT_NULL: &str = "expanse_not_null";
/// Checking takes as long as there are rows.
const SCAN_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Declares it NOT NULL, without a lock that is held for longer than a moment.
///
/// # Errors
/// [`Refusal::Null`]; those of the node.
pub async fn forbid(context: &Context, home: &NodeAddress, column: &str) -> Result<()> {
    const SQL: &str = "SELECT attnotnull FROM pg_attribute \
        WHERE attrelid = $1::text::regclass AND attname = $2::text AND NOT attisdropped";
    let relation = relation(context);
    let look = maintenance("look at the column");
    let declared: bool = context
        .executor()
        .value(home, look, SQL, &[&relation, &column])
        .await?;
    if declared {
        return Ok(());
    }
    context
        .change_state::<Rebind>(|state| state.was_nullable = Some(true))
        .await?;
    let id = identifier(column);
    let constraint = format!(
        "DROP CONSTRAINT IF EXISTS {NOT_NULL}, ADD CONSTRAINT {NOT_NULL} CHECK ({id} IS NOT NULL) NOT VALID"
    );
    alter(context, home, &relation, &constraint).await?;
    let validate = format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {NOT_NULL}");
    let checked = context
        .executor()
        .batch(home, CHANGE.limit(SCAN_LIMIT), &validate)
        .await;
    match checked {
        Err(error) if error.has_code(SqlState::CHECK_VIOLATION.code()) => {
            let column = column.to_owned();
            return Err(Refusal::Null { relation, column }.into());
        }
        other => other?,
    }
    let declare = format!("ALTER COLUMN {id} SET NOT NULL, DROP CONSTRAINT {NOT_NULL}");
    alter(context, home, &relation, &declare).await
}

/// Undoes [`forbid`].
///
/// # Errors
/// Those of the node.
pub async fn allow_again(context: &Context, home: &NodeAddress) -> Result<()> {
    let was_nullable = context.state::<Rebind>()?.was_nullable;
    let (Some(column), Some(true)) = (column(context)?, was_nullable) else {
        return Ok(());
    };
    let id = identifier(&column);
    let undo = format!("DROP CONSTRAINT IF EXISTS {NOT_NULL}, ALTER COLUMN {id} DROP NOT NULL");
    alter(context, home, &relation(context), &undo).await
}
