//! A switch is reversed, by hand and after sidecars were killed.

use std::time::Duration;

use super::Moving;
use crate::kit::{until, Outcome, State};

pub fn reversed(moving: &Moving) -> Outcome {
    let scenario = moving.scenario;
    let old = moving.version()?;
    let rebind = moving.rebind("reversible_for => '1 hour', max_rate => '1MB'")?;
    let reverse = format!("SELECT cluster_reverse({})", rebind.id);
    scenario.refused(
        "not reversed before the switch",
        &moving.first,
        "XP129",
        &reverse,
    );
    rebind.until_done("copy")?;
    let index = || {
        moving.newest.internal().ask(
            "SELECT indisready, indisvalid, obj_description(indexrelid) FROM pg_index
             WHERE indexrelid = 'moved_rest'::regclass",
        )
    };
    let suspended = index().map(|state| state.starts_with("f|f"));
    scenario.check("the index is suspended meanwhile", suspended);
    rebind.until_done("catch_up")?;
    let took = rebind.time_between("copy", "catch_up")?;
    scenario.check(
        format_args!(
            "3 MB are not copied faster than allowed (took {} ms)",
            took.as_millis()
        ),
        took > Duration::from_millis(1500),
    );
    rebind.until_phase("reversible")?;
    scenario.equal("the index is there with its comment", index(), "t|t|kept");
    scenario.check("bound to the new map", moving.version()? != old);
    rebind.reverse()?;
    rebind.until_state(State::Cancelled)?;
    scenario.equal("bound to the old map again", moving.version(), old);
    scenario.refused("not reversed twice", &moving.first, "XP130", &reverse);
    Ok(())
}

/// The sidecar dies with the snapshots of the switch, and the next one while it goes back.
pub fn killed(moving: &Moving) -> Outcome {
    let cluster = &moving.scenario.cluster;
    let rebind = moving.rebind("reversible_for => '1 hour'")?;
    rebind.until_done("switch")?;
    rebind.runner()?.kill_sidecar()?;
    until("the copies are compared", || {
        Ok(rebind.logged("old and new copies agree"))
    })?;
    cluster.restart()?;
    rebind.until_phase("reversible")?;
    rebind.reverse()?;
    let goes_back = until("it goes back", || Ok(rebind.logged("purpose=Back")));
    goes_back.or_else(|_| rebind.until_state(State::Cancelled))?;
    rebind.runner()?.kill_sidecar()?;
    rebind.until_state(State::Cancelled)?;
    cluster.restart()
}
