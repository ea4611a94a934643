//! The switch of the group to the new map, and back: freezes in short attempts ([`attempts`]), each as [`attempt`] has it.

mod attempt;
pub mod attempts;
mod bound;
pub mod reverse;

use attempts::{until_done, Patience};
use bound::bound_to;

use super::copy::progress::catch_up;
use super::plan::route::{Direction, Purpose};
use super::plan::MovePlan;
use super::verify::HeldSnapshots;
use crate::operations::{Context, Result};

/// Binds the group to the new map.
///
/// # Errors
/// Those of [`until_done`].
pub async fn run(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    until_done(context, &plan, Purpose::Switch, Patience::Limited).await
}

/// Binds the group to the old map again, if it is bound to the new one: with what has been written
/// since, and by the same kind of freeze.
///
/// # Errors
/// Those of the nodes.
pub async fn undo(context: &Context) -> Result<()> {
    let Ok(plan) = MovePlan::of(context) else {
        return Ok(());
    };
    context.kept::<HeldSnapshots>().take().await;
    let column = Purpose::Back.binds_by(&plan);
    if bound_to(context, &plan, plan.from_version, column).await? {
        return Ok(());
    }
    reverse::start(context).await?;
    context.phase("reverse").await?;
    catch_up(context, &plan, Direction::Back).await?;
    until_done(context, &plan, Purpose::Back, Patience::Endless).await
}
