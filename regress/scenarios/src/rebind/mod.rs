//! A group moves, is compared, goes back and moves again while it is written to.
//!
//! Writers change a distributed table and a plain one in the same transactions, so both must always be the same. What a
//! statement changes depends on the key alone: by anything else, two statements of one transaction could see different
//! states of the row.

mod back;
mod damage;
mod freeze;
mod writers;

use writers::Writers;

use crate::kit::{until, Failure, Node, Operation, Outcome, Pending, Scenario, State};

/// Rows that the writers leave alone; the writers' keys are beyond.
const FIXED: i64 = 20_000;
/// A session that holds something until it is sent away.
const FOR_EVER: &str = "SELECT pg_sleep(600)";

/// What the parts of the scenario work on.
struct Moving<'a> {
    scenario: &'a Scenario,
    first: Node,
    /// The node that the group moves to.
    newest: Node,
    group: String,
    /// A row that moves and that the writers leave alone, and its bucket.
    row: String,
    bucket: String,
}

/// What happens to the group while it is written to.
type Part = fn(&Moving) -> Outcome;

pub fn run(scenario: &Scenario) -> Outcome {
    let first = scenario.cluster.node(1);
    filled(&first)?;
    let group = first
        .ask("SELECT colocation_group FROM cluster_tables WHERE relation = 'moved'::regclass")?;
    let newest = scenario.cluster.grow()?;
    let row = first.ask(&format!(
        "SELECT min(id) FROM moved WHERE id <= {FIXED} AND EXISTS (
            SELECT FROM expanse.move_plan('moved') WHERE cluster_bucket(id) BETWEEN first_bucket AND last_bucket)"
    ))?;
    let bucket = first.ask(&format!("SELECT cluster_bucket({row}::bigint)"))?;
    let moving = Moving {
        scenario,
        first,
        newest,
        group,
        row,
        bucket,
    };
    let mut writers = Writers::new(scenario)?;
    scenario.check("beside a stuck one", moving.beside_a_stuck_one());
    let parts: [(&str, Part); 5] = [
        ("reversed", back::reversed),
        ("sidecars killed", back::killed),
        ("one byte changed", damage::one_byte_changed),
        ("sidecar stopped in a freeze", freeze::sidecar_stopped),
        ("publications dropped", damage::publications_dropped),
    ];
    for (name, part) in parts {
        writers.on()?;
        scenario.check(name, part(&moving));
        writers.off()?;
        scenario.check(
            format_args!("{name}: the same as a plain table"),
            moving.same(),
        );
        scenario.check(format_args!("{name}: nothing is left"), moving.all_there());
    }
    scenario.check("no statement failed", writers.unharmed());
    Ok(())
}

fn filled(first: &Node) -> Outcome {
    let rows = 2 * FIXED;
    first
        .run(&[
            "CREATE TABLE moved (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, note text)",
            "CREATE INDEX moved_rest ON moved ((id % 100))",
            "COMMENT ON INDEX moved_rest IS 'kept'",
            "CREATE TABLE plain (LIKE moved INCLUDING ALL)",
            "SELECT cluster_distribute_table('moved', 'id')",
            &format!(
                "INSERT INTO moved SELECT i, 0, repeat('x', 300) FROM generate_series(1, {rows}) i"
            ),
            "INSERT INTO plain SELECT * FROM moved",
            "ANALYZE moved",
            "CREATE TABLE other (id int PRIMARY KEY)",
            "SELECT cluster_distribute_table('other', 'id')",
            "INSERT INTO other SELECT generate_series(1, 1000)",
        ])
        .map(drop)
}

impl Moving<'_> {
    fn rebind(&self, arguments: &str) -> Outcome<Operation> {
        let call = format!("cluster_rebind('moved', {arguments})");
        self.scenario.cluster.start(&call)
    }

    fn version(&self) -> Outcome<String> {
        self.first
            .ask("SELECT hash_map_version FROM cluster_tables WHERE relation = 'moved'::regclass")
    }

    /// The distributed and the plain table have the same rows; some that differ, if not.
    fn same(&self) -> Outcome {
        let differences = self.first.run(&[
            "SELECT 'moved', id, n, left(note, 40) FROM (TABLE moved EXCEPT ALL TABLE plain) a LIMIT 5",
            "SELECT 'plain', id, n, left(note, 40) FROM (TABLE plain EXCEPT ALL TABLE moved) b LIMIT 5",
        ])?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(Failure::Wrong(differences))
    }

    fn all_there(&self) -> Outcome {
        let rows = self.first.number("SELECT count(*) FROM plain")?;
        self.scenario.cluster.all_there("moved", rows)
    }

    /// A session of the first node that locks its own fragment until it is sent away.
    fn lock_for_ever(&self, mode: &str) -> Outcome<Pending> {
        let session = self.first.internal().session()?;
        session.run("BEGIN")?;
        session.run(&format!("LOCK TABLE moved IN {mode} MODE"))?;
        Ok(session.send(FOR_EVER))
    }

    /// Ends sessions that hold something for ever.
    fn send_away(&self) -> Outcome {
        let call = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = '{FOR_EVER}'"
        );
        self.first.ask(&call).map(drop)
    }

    /// A group's table is locked on one node for ever: another group moves.
    fn beside_a_stuck_one(&self) -> Outcome {
        let scenario = self.scenario;
        let holder = self.lock_for_ever("EXCLUSIVE")?;
        let stuck = self.rebind("max_write_freeze => '500 ms'")?;
        stuck.until_done("settle")?;
        let other = scenario.cluster.start("cluster_rebind('other')")?;
        scenario.check("the other group moves", other.until_state(State::Succeeded));
        scenario.equal("this one does not", stuck.shown("state"), "running");
        stuck.cancel()?;
        self.send_away()?;
        scenario.check("and is undone", stuck.until_state(State::Cancelled));
        scenario.check("nothing of it is left", self.all_there());
        // It was sent away, so it has failed.
        drop(holder);
        Ok(())
    }

    /// Does a session hold the lock of the group on every node, or on none?
    fn group_locked(&self, everywhere: bool) -> Outcome<bool> {
        let held = format!(
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'expanse.gate_{}'::regclass
                AND mode = 'ShareLock' AND granted",
            self.group
        );
        let wanted = if everywhere { "t" } else { "f" };
        for node in self.scenario.cluster.nodes()? {
            if !node.says(&held, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn until_group_locked(&self, everywhere: bool) -> Outcome {
        let what = if everywhere {
            "the group is locked"
        } else {
            "the group is not locked"
        };
        until(what, || self.group_locked(everywhere))
    }

    /// A write of a row that lies on its node takes less than a second.
    fn quick_write(&self) -> Outcome {
        let begin = std::time::Instant::now();
        self.first.ask("UPDATE moved SET n = n WHERE id = 1")?;
        let took = begin.elapsed();
        if took < std::time::Duration::from_secs(1) {
            return Ok(());
        }
        Err(Failure::Wrong(format!("it took {} ms", took.as_millis())))
    }
}
