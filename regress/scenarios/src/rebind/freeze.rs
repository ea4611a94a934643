//! The sidecar stands still in the middle of a freeze that cannot be drained.

use std::time::{Duration, Instant};

use super::Moving;
use crate::kit::{Outcome, Signal, State};

pub fn sidecar_stopped(moving: &Moving) -> Outcome {
    let scenario = moving.scenario;
    let rebind = moving.rebind("max_write_freeze => '2 s', reversible_for => '1 hour'")?;
    rebind.until_done("copy")?;
    // A session that may have written there, and whose coordinator does not hold the lock of the group.
    let writer = moving.lock_for_ever("ROW EXCLUSIVE")?;
    moving.until_group_locked(true)?;
    let begin = Instant::now();
    let leader = rebind.runner()?;
    leader.signal_sidecar(Signal::Stop)?;
    let unlocked = moving.until_group_locked(false);
    let took = begin.elapsed();
    scenario.check(
        "writes go on while the sidecar stands still",
        moving.quick_write(),
    );
    leader.signal_sidecar(Signal::Continue)?;
    moving.send_away()?;
    drop(writer);
    scenario.check(
        format_args!("the freeze ended by itself (after {} ms)", took.as_millis()),
        unlocked.map(|()| took < Duration::from_secs(3)),
    );
    rebind.until_phase("reversible")?;
    scenario.check(
        "the attempts are counted",
        rebind.shows("freeze_attempts > 1", "t"),
    );
    scenario.check(
        "no freeze was longer than allowed",
        rebind.shows("writes_waited_ms < 2500", "t"),
    );
    rebind.finish()?;
    rebind.until_state(State::Succeeded)
}
