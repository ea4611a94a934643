//! What a statement names gets another meaning while it waits, or becomes a distributed table.

use std::time::Duration;

use super::{hold, on_all, release};
use crate::kit::{let_pass, until, Failure, Outcome, Scenario};

const TOLD: &str = "table \"p\" has been distributed meanwhile";

/// Statements about a plain table p that becomes a distributed one meanwhile.
const STATEMENTS: [&str; 20] = [
    "CREATE INDEX ON p (k)",
    "ALTER TABLE p ADD w int",
    "TRUNCATE p",
    "ALTER TABLE p RENAME TO q",
    "ALTER TABLE p RENAME v TO w",
    "ALTER TABLE p RENAME CONSTRAINT positive TO pc",
    "ALTER INDEX pi RENAME TO pj",
    "ALTER TABLE p SET SCHEMA apart",
    "CREATE TRIGGER pu BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER TRIGGER pt ON p RENAME TO pu",
    "DROP TRIGGER pt ON p",
    "CREATE POLICY pz ON p",
    "ALTER POLICY py ON p TO postgres",
    "DROP POLICY py ON p",
    "CREATE RULE pr AS ON DELETE TO p DO ALSO NOTIFY p",
    "CREATE STATISTICS pv ON v, k FROM p",
    "COMMENT ON TABLE p IS NULL",
    "DROP INDEX pi",
    "DROP INDEX CONCURRENTLY pi",
    "CREATE INDEX CONCURRENTLY pj ON p (k)",
];

pub fn run(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    n1.run(&[
        "CREATE TABLE p (k int)",
        "CREATE TABLE new (k int NOT NULL, v int)",
        "SELECT cluster_distribute_table('new', 'k')",
    ])?;
    renamed(scenario);
    n1.ask("CREATE SCHEMA apart")?;
    n1.ask("DROP TABLE p")?;
    for statement in STATEMENTS {
        plain_table(scenario)?;
        let distribute = "SELECT cluster_distribute_table('p', 'k')";
        let told = match meanwhile(scenario, &[distribute], statement) {
            Err(error) if error.to_string().contains(TOLD) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Err(Failure::wrong("it was done")),
        };
        scenario.check(format_args!("{statement} is told"), told);
        n1.ask("DROP TABLE p")?;
    }
    plain_table(scenario)?;
    scenario.check(
        "alone, an index is made concurrently",
        n1.ask("CREATE INDEX CONCURRENTLY pj ON p (k)"),
    );
    scenario.check("and dropped", n1.ask("DROP INDEX CONCURRENTLY pj"));
    n1.ask("DROP TABLE p").map(drop)
}

/// A table of the same name is another one by then.
fn renamed(scenario: &Scenario) {
    let cases: [(&str, &[&str], &str); 3] = [
        (
            "the table of that name by then",
            &["ALTER TABLE a RENAME TO old", "ALTER TABLE new RENAME TO a"],
            "CREATE INDEX i1 ON a (v)",
        ),
        (
            "and concurrently",
            &["ALTER TABLE a RENAME TO new", "ALTER TABLE old RENAME TO a"],
            "CREATE INDEX CONCURRENTLY i2 ON a (v)",
        ),
        (
            "its own index",
            &["CREATE INDEX i3 ON a (v)"],
            "CREATE INDEX i4 ON a (v)",
        ),
    ];
    for (name, changes, statement) in cases {
        scenario.check(name, meanwhile(scenario, changes, statement));
    }
    for index in ["i1", "i2", "i3", "i4"] {
        scenario.check(
            format_args!("{index} is on all nodes"),
            on_all(scenario, index, "valid"),
        );
    }
    scenario.equal(
        "each on its table",
        scenario.cluster.node(1).ask(
            "SELECT string_agg(indrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text)
             FROM pg_index WHERE indexrelid::regclass::text ~ '^i[0-9]'",
        ),
        "new a a a",
    );
}

/// Makes changes in a transaction that ends while the statement waits; fails as the statement does.
fn meanwhile(scenario: &Scenario, changes: &[&str], statement: &str) -> Outcome {
    let n1 = scenario.cluster.node(1);
    let holder = hold(&n1, "READ COMMITTED", changes)?;
    let waiting = n1.begin(statement)?;
    let asked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $${statement}$$"
    );
    if let Err(late) = until("the statement is there", || n1.says(&asked, "1")) {
        scenario.note(late);
    }
    let_pass(Duration::from_millis(500));
    release(holder)?;
    waiting.wait().map(drop)
}

fn plain_table(scenario: &Scenario) -> Outcome {
    scenario
        .cluster
        .node(1)
        .run(&[
            "CREATE TABLE p (k int NOT NULL CONSTRAINT positive CHECK (k > 0), v int)",
            "CREATE INDEX pi ON p (v)",
            "CREATE STATISTICS ps ON k, v FROM p",
            "CREATE POLICY py ON p",
            "CREATE TRIGGER pt BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        ])
        .map(drop)
}
