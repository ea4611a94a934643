//! Groups move into storages: under load, in order, through a kill, and not at all.

use super::{lies, Storages};
use crate::kit::{until, Outcome, State};

const GROUP: [&str; 2] = ["app.item", "app.entry"];

pub fn under_load(storages: &Storages) -> Outcome {
    let scenario = storages.scenario;
    let writer = storages.writer();
    let moved = storages.expansectl(&[
        "storage",
        "move",
        "app.item",
        "fast",
        "--cluster-on",
        "app.item_weight",
    ]);
    scenario.check("the group moves in order", moved);
    scenario.check(
        "the group lies in fast",
        lies::lies(storages, "fast", &GROUP),
    );
    scenario.check("no statement failed meanwhile", writer.stop_unharmed());
    let others = ["app.other", "app.kind"];
    scenario.check("others stay", lies::lies(storages, "pg_default", &others));
    storages.whole("in fast");
    let in_order = "cluster_move_table('app.item', 'fast', 'app.item_weight')";
    scenario.check("rewritten in order", storages.carry_out(in_order));
    scenario.check("in order", lies::in_order(storages));
    Ok(())
}

pub fn through_a_kill(storages: &Storages) {
    let moved = moved_through_a_kill(storages);
    storages.scenario.check("moves through a kill", moved);
    storages.whole("in slow");
}

/// The sidecar that runs the move is killed while a table is being copied; another goes on.
fn moved_through_a_kill(storages: &Storages) -> Outcome {
    let (scenario, cluster) = (storages.scenario, &storages.scenario.cluster);
    let writer = storages.writer();
    let moves = cluster.start("cluster_move_table('app.entry', 'slow')")?;
    moves.until_done("check")?;
    moves.runner()?.kill_sidecar()?;
    moves.until_state(State::Succeeded)?;
    scenario.check(
        "no statement failed while the group moved",
        writer.stop_unharmed(),
    );
    scenario.check(
        "the group lies in slow",
        lies::lies(storages, "slow", &GROUP),
    );
    cluster.restart()
}

/// A move that waits for another session's lock is cancelled: everything is where it was.
pub fn cancelled(storages: &Storages) -> Outcome {
    let (cluster, first) = (&storages.scenario.cluster, &storages.first);
    let session = first.session()?;
    session.run_each(&["SET expanse.internal = on", "BEGIN", "LOCK TABLE app.item"])?;
    let holder = session.send("SELECT pg_sleep(60)");
    let moves = cluster.start("cluster_move_table('app.item', 'fast')")?;
    until("the operation says what it waits for", || {
        first.says(
            &format!(
                "SELECT freeze_outcome ~ 'uses app.item in a long transaction|lock timeout' FROM cluster_operations
                 WHERE operation_id = {}",
                moves.id
            ),
            "t",
        )
    })?;
    moves.cancel()?;
    first.ask(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'",
    )?;
    if let Ok(said) = holder.wait() {
        storages
            .scenario
            .note(format_args!("the lock was held to its end: {said}"));
    }
    session.close()?;
    moves.until_state(State::Cancelled)?;
    lies::lies(storages, "slow", &GROUP)
}
