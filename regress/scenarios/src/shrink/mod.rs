//! Several nodes come in one map, nodes leave, come again, and one is lost for good.
//!
//! Writers run meanwhile; no statement of theirs may fail.

mod lost;
mod members;

use rand::Rng;

use crate::kit::{until, Failure, Node, Outcome, Scenario, Writer};

const ROWS: i64 = 20_000;
const ITEMS: &str = "SELECT count(*), sum(key), count(DISTINCT id) FROM app.item";

/// What the parts of the scenario work on.
struct Shrinking<'a> {
    scenario: &'a Scenario,
    first: Node,
    /// What all items have in common at the beginning.
    items: String,
}

pub fn run(scenario: &Scenario) -> Outcome {
    let first = scenario.cluster.node(1);
    filled(&first)?;
    let items = first.ask(ITEMS)?;
    let shrinking = Shrinking {
        scenario,
        first,
        items,
    };
    shrinking.refused();
    members::come_and_leave(&shrinking)?;
    scenario.check("a shrink is undone", members::undone(&shrinking));
    scenario.check("still four", shrinking.balanced(4));
    shrinking.whole("undone");
    scenario.check("a node is not given up after all", lost::kept(&shrinking));
    shrinking.whole("kept");
    scenario.check("a node is lost", lost::lost(&shrinking));
    scenario.check("three share what is left", shrinking.balanced(3));
    scenario.check(
        "a lost node that comes back is set aside",
        lost::set_aside(&shrinking),
    );
    scenario.check(
        "a node is lost while it gets rows",
        lost::while_it_gets_rows(&shrinking),
    );
    scenario.check("three share again", shrinking.balanced(3));
    // Where the first node is the leader, the second one is asked from then on.
    let mut shrinking = shrinking;
    scenario.check("the leader leaves", members::leader_leaves(&mut shrinking));
    scenario.check("two share", shrinking.balanced(2));
    Ok(())
}

fn filled(first: &Node) -> Outcome {
    first
        .run(&[
            "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('good', 'bad')",
            "CREATE COLLATION app.german (locale = 'C'); CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple)",
            "CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
            "CREATE TABLE app.kind (id int PRIMARY KEY, name text)",
            "SELECT cluster_replicate_table('app.kind')",
            "INSERT INTO app.kind SELECT i, 'kind ' || i FROM generate_series(1, 10) i",
            "CREATE TABLE app.item (id bigint GENERATED ALWAYS AS IDENTITY, key int PRIMARY KEY, kind int, mood app.mood DEFAULT 'good')",
            "SELECT cluster_distribute_table('app.item', 'key')",
            "CREATE TABLE app.entry (key int, n int, note text, PRIMARY KEY (key, n))",
            "SELECT cluster_distribute_table('app.entry', 'key', 'app.item')",
            "CREATE TABLE app.word (word text PRIMARY KEY, n int)",
            "SELECT cluster_distribute_table('app.word', 'word')",
            &format!("INSERT INTO app.item (key, kind) SELECT i, 1 + i % 10 FROM generate_series(1, {ROWS}) i"),
            &format!("INSERT INTO app.entry SELECT i, 1, repeat('x', 100) FROM generate_series(1, {ROWS}) i"),
            &format!("INSERT INTO app.word SELECT 'word ' || i, 0 FROM generate_series(1, {ROWS}) i"),
            "ANALYZE app.item",
            "ANALYZE app.entry",
            "ANALYZE app.word",
        ])
        .map(drop)
}

impl Shrinking<'_> {
    fn refused(&self) {
        let cases = [
            (
                "to zero",
                "XP040",
                "cluster_shrink(ARRAY['n1', 'n2', 'n3'])",
            ),
            ("unknown", "XP004", "cluster_shrink('n9')"),
            ("no node", "XP025", "cluster_shrink(ARRAY[]::text[])"),
            (
                "named twice",
                "XP025",
                r#"cluster_expand('[{"node_name":"x","host":"h"},{"node_name":"x","host":"i"}]')"#,
            ),
        ];
        for (name, sqlstate, call) in cases {
            let statement = format!("SELECT {call}");
            self.scenario
                .refused(name, &self.first, sqlstate, &statement);
        }
    }

    /// So many nodes share the current map, within one bucket of each other.
    fn balanced(&self, nodes: u16) -> Outcome {
        let shared =
            "SELECT count(*), max(buckets) - min(buckets) <= 1, sum(buckets) FROM cluster_nodes";
        let found = self.first.ask(shared)?;
        if found == format!("{nodes}|t|65536") {
            return Ok(());
        }
        Err(Failure::Wrong(found))
    }

    /// All rows are there, once, and all copies are alike.
    fn whole(&self, when: &str) {
        let (scenario, cluster) = (self.scenario, &self.scenario.cluster);
        scenario.equal(
            format_args!("items: {when}"),
            self.first.ask(ITEMS),
            &self.items,
        );
        let words = cluster.all_there("app.word", ROWS);
        scenario.check(format_args!("words: {when}"), words);
        let entries = self.first.number("SELECT count(*) FROM app.entry");
        let entries = entries.and_then(|rows| cluster.all_there("app.entry", rows));
        scenario.check(format_args!("entries: {when}"), entries);
        scenario.check(format_args!("kinds: {when}"), self.same_kinds());
    }

    fn same_kinds(&self) -> Outcome {
        let mut copies = Vec::new();
        for node in self.scenario.cluster.nodes()? {
            copies.push(node.ask("SELECT * FROM app.kind ORDER BY id")?);
        }
        copies.dedup();
        if copies.len() == 1 {
            return Ok(());
        }
        Err(Failure::wrong("the copies differ"))
    }

    fn until_moved_to_current(&self) -> Outcome {
        until("all tables are on the current map", || {
            self.first.says(
                "SELECT count(*) FROM cluster_tables WHERE kind = 'distributed' AND hash_map_version <>
                    (SELECT hash_map_version FROM cluster_hash_maps WHERE current)",
                "0",
            )
        })
    }

    fn until_nothing_runs(&self) -> Outcome {
        until("no operation runs", || {
            let unfinished = "SELECT count(*) FROM cluster_operations WHERE finished_at IS NULL";
            self.first.says(unfinished, "0")
        })
    }

    /// Updates and inserts of all kinds of tables, one after the other.
    fn writer(&self) -> Writer {
        let first = self.first.clone();
        Writer::start(move |_| {
            let mut random = rand::rng();
            let (key, n) = (
                random.random_range(1..=ROWS),
                random.random_range(0..1 << 30),
            );
            first
                .run(&[
                    &format!("UPDATE app.word SET n = n + 1 WHERE word = 'word {key}'"),
                    &format!(
                        "INSERT INTO app.entry VALUES ({key}, {n}, 'more') ON CONFLICT DO NOTHING"
                    ),
                    &format!("UPDATE app.kind SET name = name || '' WHERE id = 1 + {n} % 10"),
                ])
                .map(drop)
        })
    }
}
