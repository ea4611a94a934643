//! What the nodes say that the group is bound to.

use std::collections::BTreeMap;

use crate::kinds;
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::refusal::Refusal;
use crate::operations::{maintenance, Context, Result};

/// Whether the group is bound to `version`, and by `column` if one is given.
///
/// # Errors
/// [`Refusal::BindingInDoubt`], or that of all kinds, while a transaction that may decide it is still prepared somewhere; errors of
/// the nodes.
pub async fn bound_to(
    context: &Context,
    plan: &MovePlan,
    version: i32,
    column: Option<&str>,
) -> Result<bool> {
    const SQL: &str = "SELECT (SELECT hash_map_version FROM expanse.colocation_group WHERE group_id = $1 AND NOT EXISTS \
        (SELECT FROM expanse.distributed_table t WHERE t.group_id = $1 AND t.distribution_column <> $2)), \
        EXISTS (SELECT FROM pg_locks WHERE relation = 'expanse.colocation_group'::regclass AND pid IS NULL \
        AND mode = 'RowExclusiveLock')";
    let mut bound: BTreeMap<Option<i32>, ()> = BTreeMap::new();
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("read the binding"),
                SQL,
                &[&plan.group_id, &column],
            )
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        bound.insert(row.get(0), ());
        if row.get::<_, bool>(1) {
            let node = node.name().to_owned();
            let step = "switch";
            return Err(kinds::refusal::Refusal::InDoubt { node, step }.into());
        }
    }
    match bound.len() {
        1 => Ok(bound.contains_key(&Some(version))),
        _ => Err(Refusal::BindingInDoubt.into()),
    }
}
