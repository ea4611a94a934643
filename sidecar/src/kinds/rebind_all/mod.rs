//! `rebind_all`: every group that is not on the current hash map moves there, what gives most relief first.

mod order;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rebind::Limits;
use crate::kinds::children;
use crate::operations::state::optional;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::operations::{Plan, Step, Typed};
use order::{order, Candidate};

struct RebindAll;

impl Typed for RebindAll {
    type Parameters = Parameters;
    type State = State;
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    /// Groups that are rebound at once.
    #[serde(deserialize_with = "optional")]
    at_once: Option<usize>,
    #[serde(flatten)]
    limits: Limits,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// A table of each group.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<String>>,
}

pub static PLAN: Plan = Plan {
    steps: &[
        Step {
            name: "order",
            phase: "order",
            action: |c| Box::pin(make_order(c)),
            undo: None,
        },
        Step {
            name: "rebind",
            phase: "rebind",
            action: |c| Box::pin(rebind(c)),
            undo: Some(|c| Box::pin(children::cancel(c))),
        },
        Step {
            name: "end",
            phase: "end",
            action: |_| Box::pin(async { Ok(()) }),
            undo: None,
        },
    ],
    turning_point: "end",
    turned: |_| Box::pin(async { Ok(false) }),
    uninterruptible: &[],
    suspend: Some(|c| Box::pin(children::pause(c))),
    resume: Some(|c| Box::pin(children::resume(c))),
    reversal: None,
};

async fn make_order(context: &Context) -> Result<()> {
    let candidates = candidates(context).await?;
    let fill = fill(context).await?;
    context
        .change_state::<RebindAll>(|state| state.order = Some(order(candidates, fill)))
        .await
}

async fn rebind(context: &Context) -> Result<()> {
    let relations = context.noted(context.state::<RebindAll>()?.order, "order")?;
    let wanted = context.parameters::<RebindAll>()?;
    let at_once = wanted.at_once.unwrap_or(1).max(1);
    children::rebind(context, &relations, at_once, &wanted.limits).await
}

/// What every group has to move, and a table of each to name it by.
async fn candidates(context: &Context) -> Result<Vec<Candidate>> {
    const SQL: &str = "SELECT t.group_id, \
        (SELECT min(expanse.qualified_name(o.relation)) FROM expanse.distributed_table o WHERE o.group_id = t.group_id), \
        p.source_node, p.target_node, sum(coalesce(p.byte_estimate, 0))::float8 \
        FROM cluster_plan_rebind_all() p JOIN expanse.distributed_table t USING (relation) \
        GROUP BY t.group_id, p.source_node, p.target_node ORDER BY 1, 3, 4";
    let command = maintenance("plan all moves").in_cluster();
    let rows = context
        .executor()
        .query(context.local(), command, SQL, &[])
        .await?;
    let mut groups: BTreeMap<i32, Candidate> = BTreeMap::new();
    for row in &rows {
        let group = groups.entry(row.get(0)).or_insert_with(|| Candidate {
            relation: row.get(1),
            moves: Vec::new(),
        });
        group.moves.push((row.get(2), row.get(3), row.get(4)));
    }
    Ok(groups.into_values().collect())
}

/// Bytes of distributed tables on every node that answers.
async fn fill(context: &Context) -> Result<BTreeMap<String, f64>> {
    const SQL: &str =
        "SELECT node_name, coalesce(sum(bytes), 0)::float8 FROM cluster_fragments GROUP BY 1";
    let command = maintenance("look at the fragments").in_cluster();
    let rows = context
        .executor()
        .query(context.local(), command, SQL, &[])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
