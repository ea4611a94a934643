//! A node does not answer: it is not given up after all, it is given up and comes back, it dies in the middle of a move.

use std::time::Duration;

use super::Shrinking;
use crate::kit::{let_pass, until, until_done, Outcome, State};

/// How long a sidecar that is back would need to set its data aside.
const SETTLED: Duration = Duration::from_secs(3);

/// Has it been noted in the store that the node is to be given up?
fn noted(shrinking: &Shrinking, node: &str) -> Outcome<bool> {
    let entry = format!("\"node_name\":\"{node}\"");
    shrinking.scenario.cluster.stored("removed", &entry)
}

/// The removal is cancelled while a long writer stands in its way.
pub fn kept(shrinking: &Shrinking) -> Outcome {
    let (scenario, cluster) = (shrinking.scenario, &shrinking.scenario.cluster);
    let lost = cluster.node(4);
    let key = shrinking
        .first
        .ask("SELECT min(key) FROM app.item WHERE cluster_owner('app.item', key) = 'n1'")?;
    let writes = shrinking.first.session()?;
    let update = format!("UPDATE app.item SET kind = kind WHERE key = {key}");
    writes.run_each(&["BEGIN", &update])?;
    lost.kill_server()?;
    let shrink = cluster.start("cluster_shrink('n4', lose_data => true)")?;
    until("n4 is noted", || noted(shrinking, "n4"))?;
    shrink.cancel()?;
    shrink.until_state(State::Cancelled)?;
    writes.run("COMMIT")?;
    writes.close()?;
    scenario.check(
        "its note is gone",
        noted(shrinking, "n4").map(|noted| !noted),
    );
    cluster.restart()?;
    until("n4 answers", || {
        lost.ask("SELECT count(*) FROM app.item").map(|_| true)
    })?;
    let_pass(SETTLED);
    let aside = "SELECT count(*) FROM pg_namespace WHERE nspname = 'expanse_lost'";
    scenario.equal("it was not set aside", lost.internal().ask(aside), "0");
    Ok(())
}

pub fn lost(shrinking: &Shrinking) -> Outcome {
    let (scenario, cluster) = (shrinking.scenario, &shrinking.scenario.cluster);
    let first = &shrinking.first;
    cluster.node(4).kill_server()?;
    let without_loss = "SELECT cluster_shrink('n4')";
    scenario.refused("a node that does not answer", first, "XP134", without_loss);
    let shrink = cluster.carry_out("cluster_shrink('n4', lose_data => true)")?;
    let result = shrink.shown("result ~ 'lost: .* buckets of table app.word with about'");
    scenario.equal("it says what was lost", result, "t");
    scenario.check(
        "reads and writes go on",
        first.run(&[
            "SELECT count(*) FROM app.item",
            "INSERT INTO app.word SELECT 'new ' || i, 0 FROM generate_series(1, 1000) i",
            "UPDATE app.kind SET name = name",
        ]),
    );
    Ok(())
}

/// A server that was taken out while it was away comes back and believes that it is a node.
pub fn set_aside(shrinking: &Shrinking) -> Outcome {
    let cluster = &shrinking.scenario.cluster;
    cluster.restart()?;
    let server = cluster.node(4).internal();
    until("its data is set aside", || {
        server.says(
            "SELECT (SELECT count(*) FROM expanse.node), (SELECT count(*) FROM pg_class
                WHERE relnamespace = to_regnamespace('expanse_lost') AND relname = 'word')",
            "0|1",
        )
    })
}

/// A node dies for good while a group moves onto it: it can be given up, and the move ends by itself.
pub fn while_it_gets_rows(shrinking: &Shrinking) -> Outcome {
    let (scenario, cluster) = (shrinking.scenario, &shrinking.scenario.cluster);
    let first = &shrinking.first;
    let entries = first.number("SELECT count(*) FROM app.entry")?;
    let new = cluster.grow()?;
    let rebind = cluster.start("cluster_rebind('app.entry', max_rate => '50kB')")?;
    rebind.until_done("copy")?;
    new.kill_sidecar()?;
    new.kill_server()?;
    let call = format!("cluster_shrink('{}', lose_data => true)", new.name);
    let shrink = until_done("the shrink is started, once a node leads", || {
        cluster.start(&call)
    })?;
    shrink.until_state(State::Succeeded)?;
    shrinking.until_nothing_runs()?;
    scenario.check("the move has ended", rebind.is(State::Failed));
    scenario.check(
        "nothing of it is left",
        cluster.all_there("app.entry", entries),
    );
    Ok(())
}
