//! Tables whose rows PostgreSQL cannot tell apart move too: their changes are followed by the whole row.

use std::collections::BTreeMap;

use super::{alter, column, relation};
use crate::kinds::rebind::state::Rebind;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;

/// Gives every table that moves a replica identity, if it has none: the one that is named, or all of its group.
///
/// # Errors
/// Those of the node.
pub async fn give(context: &Context, home: &NodeAddress) -> Result<()> {
    const SQL: &str = "SELECT format('%I.%I', n.nspname, c.relname), c.relreplident::text \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (c.oid = $1::text::regclass \
            OR c.oid IN (SELECT relation FROM expanse.distributed_table WHERE group_id = $2)) \
        AND CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true \
            WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) \
            ELSE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) END";
    let group: Option<i32> = match column(context)? {
        // The others of its group stay where they are.
        Some(_) => None,
        None => context.parameters::<Rebind>()?.group_id,
    };
    let look = maintenance("look at the replica identity");
    let rows = context
        .executor()
        .query(home, look, SQL, &[&relation(context), &group])
        .await?;
    for row in &rows {
        let (relation, identity): (String, String) = (row.get(0), row.get(1));
        let mut before = before(context)?;
        before.insert(relation.clone(), identity);
        context
            .change_state::<Rebind>(|state| state.identity_before = Some(before))
            .await?;
        alter(context, home, &relation, "REPLICA IDENTITY FULL").await?;
    }
    Ok(())
}

fn before(context: &Context) -> Result<BTreeMap<String, String>> {
    Ok(context
        .state::<Rebind>()?
        .identity_before
        .unwrap_or_default())
}

/// Gives them back what they had. A distributed table without a primary key keeps FULL, as it gets when it is `distributed`.
///
/// # Errors
/// Those of the node.
pub async fn restore(context: &Context, home: &NodeAddress, distributed: bool) -> Result<()> {
    const THERE: &str = "SELECT to_regclass($1) IS NOT NULL";
    for (relation, identity) in before(context)? {
        let look = maintenance("look for the table");
        let there: bool = context
            .executor()
            .value(home, look, THERE, &[&relation])
            .await?;
        let action = match identity.as_str() {
            "n" => "REPLICA IDENTITY NOTHING",
            _ if !distributed => "REPLICA IDENTITY DEFAULT",
            _ => continue,
        };
        if there {
            alter(context, home, &relation, action).await?;
        }
    }
    Ok(())
}
