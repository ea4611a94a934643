//! Tablespaces on all nodes come, tables move into them under load, and they go again.
//!
//! Writers run while tables move; no statement of theirs may fail. The sidecar that runs a move is killed in the middle.

mod lies;
mod members;
mod moves;

use std::path::PathBuf;

use rand::Rng;

use crate::kit::{Node, Outcome, Scenario, Writer};

const ROWS: i64 = 30_000;
const ITEMS: &str = "SELECT count(*), sum(key), sum(weight), sum(length(note)) FROM app.item";

/// What the parts of the scenario work on.
struct Storages<'a> {
    scenario: &'a Scenario,
    first: Node,
    /// A directory for each node is in it.
    disks: PathBuf,
    /// What all items have in common at the beginning.
    items: String,
}

pub fn run(scenario: &Scenario) -> Outcome {
    let cluster = &scenario.cluster;
    let first = cluster.node(1);
    let disks = cluster.file("disks");
    for directory in ["", "n1", "n2", "n3", "n4"] {
        cluster.make_directory(&disks.join(directory))?;
    }
    filled(&first)?;
    let items = first.ask(ITEMS)?;
    let storages = Storages {
        scenario,
        first,
        disks,
        items,
    };
    storages.come()?;
    moves::under_load(&storages)?;
    storages.are_used();
    moves::through_a_kill(&storages);
    storages.hold_other_tables();
    scenario.check("a move is cancelled", moves::cancelled(&storages));
    scenario.check("a node joins", members::joined(&storages));
    scenario.check("a node leaves", members::left(&storages));
    scenario.check("a node that cannot have it", members::taken_back(&storages));
    storages.go()
}

fn filled(first: &Node) -> Outcome {
    first
        .run(&[
            "CREATE SCHEMA app",
            "CREATE TABLE app.kind (id int PRIMARY KEY, name text)",
            "SELECT cluster_replicate_table('app.kind')",
            "INSERT INTO app.kind SELECT i, 'kind ' || i FROM generate_series(1, 10) i",
            "CREATE TABLE app.item (key int PRIMARY KEY, weight int, note text)",
            "SELECT cluster_distribute_table('app.item', 'key')",
            "CREATE TABLE app.entry (key int, n int, PRIMARY KEY (key, n))",
            "SELECT cluster_distribute_table('app.entry', 'key', 'app.item')",
            "ALTER TABLE app.entry ADD FOREIGN KEY (key) REFERENCES app.item",
            "CREATE INDEX item_weight ON app.item (weight, key)",
            "CREATE TABLE app.other (word text PRIMARY KEY)",
            "SELECT cluster_distribute_table('app.other', 'word')",
            &format!(
                "INSERT INTO app.item SELECT i, (i * 7919) % {ROWS}, repeat('x', 200) FROM generate_series(1, {ROWS}) i"
            ),
            &format!("INSERT INTO app.entry SELECT i, 0 FROM generate_series(1, {ROWS}) i"),
        ])
        .map(drop)
}

impl Storages<'_> {
    /// A statement on the first node that is refused.
    fn refused(&self, name: &str, sqlstate: &str, call: &str) {
        let statement = format!("SELECT {call}");
        self.scenario
            .refused(name, &self.first, sqlstate, &statement);
    }

    fn refused_saying(&self, name: &str, words: &str, call: &str) {
        let statement = format!("SELECT {call}");
        self.scenario
            .refused_saying(name, &self.first, words, &statement);
    }

    /// Storage and directories by the pattern of a storage, as in `{node}/fast`.
    fn add(&self, storage: &str, directories: &str) -> String {
        let directories = self.disks.join(directories);
        format!(
            "cluster_add_storage('{storage}', '{}')",
            directories.display()
        )
    }

    fn pattern(&self, storage: &str) -> String {
        let pattern = self.disks.join("{node}").join(storage);
        pattern.display().to_string()
    }

    fn carry_out(&self, call: &str) -> Outcome {
        self.scenario.cluster.carry_out(call).map(drop)
    }

    /// `expansectl` on the first node; what it printed.
    fn expansectl(&self, arguments: &[&str]) -> Outcome<String> {
        self.scenario.cluster.expansectl(&self.first, arguments)
    }

    /// Storages are made; what cannot be is refused.
    fn come(&self) -> Outcome {
        let scenario = self.scenario;
        let data = scenario.cluster.file("{node}/data/fast");
        let inside_data = format!("cluster_add_storage('fast', '{}')", data.display());
        self.refused("one directory for all", "XP140", &self.add("fast", "fast"));
        self.refused(
            "no parent on a node",
            "XP052",
            &self.add("fast", "{node}/no/fast"),
        );
        self.refused("inside the data directory", "XP052", &inside_data);
        scenario.check("nothing has been made", lies::no_storage(self, "fast"));
        let fast = self.pattern("fast");
        scenario.check(
            "fast comes",
            self.expansectl(&["storage", "add", "fast", &fast]),
        );
        scenario.check(
            "slow comes",
            self.carry_out(&self.add("slow", "{node}/slow")),
        );
        scenario.check("fast is everywhere", lies::has_storage(self, "fast"));
        self.refused("twice", "XP051", &self.add("fast", "{node}/fast"));
        self.refused("in use", "XP052", &self.add("third", "{node}/fast"));
        Ok(())
    }

    /// What is in use is not dropped.
    fn are_used(&self) {
        let drop = "cluster_drop_storage('fast')";
        self.refused("fast is used", "XP141", drop);
        self.refused_saying("it says where", "lies in it on node \"n1\"", drop);
    }

    /// Replicated tables, new tables, and statements about tablespaces.
    fn hold_other_tables(&self) {
        let scenario = self.scenario;
        let to_fast = "cluster_move_table('app.kind', 'fast')";
        let back = "cluster_move_table('app.kind', 'pg_default')";
        scenario.check("a replicated table moves", self.carry_out(to_fast));
        scenario.check("it lies there", lies::lies(self, "fast", &["app.kind"]));
        scenario.check("and back", self.carry_out(back));
        let born = self.first.run(&[
            "CREATE TABLE app.born (key int PRIMARY KEY USING INDEX TABLESPACE slow) TABLESPACE slow",
            "SELECT cluster_distribute_table('app.born', 'key')",
            "CREATE INDEX born_index ON app.born (key) TABLESPACE slow",
        ]);
        scenario.check("a table is distributed in a storage", born);
        scenario.check("it lies there", lies::lies(self, "slow", &["app.born"]));
        for (name, sqlstate, statement) in [
            (
                "SET TABLESPACE",
                "XP020",
                "ALTER TABLE app.born SET TABLESPACE pg_default",
            ),
            ("DROP TABLESPACE", "XP054", "DROP TABLESPACE fast"),
        ] {
            scenario.refused(name, &self.first, sqlstate, statement);
        }
        let granted = self.first.run(&[
            "CREATE ROLE app_owner",
            "GRANT CREATE ON TABLESPACE slow TO app_owner",
        ]);
        scenario.check("a privilege is everywhere", granted);
    }

    /// A storage goes once no table of any node lies in it.
    fn go(&self) -> Outcome {
        let scenario = self.scenario;
        let second = scenario.cluster.node(2).internal();
        second.ask("CREATE TABLE mine () TABLESPACE fast")?;
        let there = "table public.mine lies in it on node \"n2\"";
        self.refused_saying("a table of n2", there, "cluster_drop_storage('fast')");
        second.ask("DROP TABLE mine")?;
        scenario.check("fast goes", self.expansectl(&["storage", "drop", "fast"]));
        scenario.check("nothing is left of fast", lies::no_storage(self, "fast"));
        let listed = self.expansectl(&["--json", "storage", "list"])?;
        let with_a_storage = listed.lines().filter(|line| line.contains("\"storage\""));
        scenario.check("one is listed", with_a_storage.count() == 1);
        self.whole("at the end");
        Ok(())
    }

    /// All rows are there, once.
    fn whole(&self, when: &str) {
        let (scenario, cluster) = (self.scenario, &self.scenario.cluster);
        let items = self.first.ask(ITEMS);
        scenario.equal(format_args!("items: {when}"), items, &self.items);
        let once = cluster.all_there("app.item", ROWS);
        scenario.check(format_args!("items once: {when}"), once);
        let entries = self.first.number("SELECT count(*) FROM app.entry");
        let entries = entries.and_then(|rows| cluster.all_there("app.entry", rows));
        scenario.check(format_args!("entries: {when}"), entries);
    }

    /// Updates, inserts and joins, one after the other.
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
                    &format!("UPDATE app.item SET note = note || '' WHERE key = {key}"),
                    &format!("INSERT INTO app.entry VALUES ({key}, {n}) ON CONFLICT DO NOTHING"),
                    "SELECT count(*) FROM app.item JOIN app.entry USING (key)",
                ])
                .map(drop)
        })
    }
}
