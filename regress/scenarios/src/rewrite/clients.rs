//! Two writers and two readers, with simple and with prepared statements.

use std::fs;
use std::path::PathBuf;

use super::FIXED;
use crate::kit::{Cluster, Failure, Outcome, Pgbench, Scenario};

// What a statement changes depends on the key alone, and each writer changes the customers of rows of its own: one table
// might else be changed by what another transaction does between two statements.
const WRITE: &str = r"\set old random(10001, 15000)
\set own 15001 + 2 * random(1, 2400) + :writer
\set new random(1000000, 9000000000)
\set other random(0, 96)
BEGIN;
UPDATE turned SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE adopted SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE plain SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE turned SET customer = :other WHERE id = :own;
UPDATE adopted SET customer = :other WHERE id = :own;
UPDATE plain SET customer = :other WHERE id = :own;
INSERT INTO turned VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
INSERT INTO adopted VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
INSERT INTO plain VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
DELETE FROM turned WHERE id = :old + 2 AND id % 7 = 1;
DELETE FROM adopted WHERE id = :old + 2 AND id % 7 = 1;
DELETE FROM plain WHERE id = :old + 2 AND id % 7 = 1;
COMMIT;
";

/// 1 / 0 when a row that is never changed is missed or seen twice.
fn reads() -> String {
    let of_a_customer = FIXED / 97 + 1;
    format!(
        "SELECT 1 / (count(*) = {FIXED})::int FROM turned WHERE id <= {FIXED};
SELECT 1 / (count(*) = {FIXED})::int FROM adopted WHERE id <= {FIXED};
SELECT 1 / (max(c) = {of_a_customer})::int FROM (SELECT customer, count(*) AS c FROM turned WHERE id <= {FIXED} GROUP BY 1) s;
SELECT 1 / (count(*) = {FIXED})::int FROM turned JOIN beside USING (id);
"
    )
}

pub struct Clients {
    cluster: Cluster,
    write: PathBuf,
    read: PathBuf,
    running: Vec<Pgbench>,
    said: String,
    started: u32,
}

impl Clients {
    pub fn new(scenario: &Scenario) -> Outcome<Self> {
        let cluster = scenario.cluster.clone();
        let (write, read) = (cluster.file("write.sql"), cluster.file("read.sql"));
        fs::write(&write, WRITE).map_err(Failure::io("writing write.sql"))?;
        fs::write(&read, reads()).map_err(Failure::io("writing read.sql"))?;
        Ok(Self {
            cluster,
            write,
            read,
            running: Vec::new(),
            said: String::new(),
            started: 0,
        })
    }

    pub fn on(&mut self) -> Outcome {
        for (writer, mode) in ["simple", "prepared"].into_iter().enumerate() {
            let writer = format!("writer={writer}");
            let write = ["-M", mode, "-T", "600", "-D", &writer];
            let read = ["-M", mode, "-T", "600", "-R", "10"];
            self.start(self.write.clone(), &write)?;
            self.start(self.read.clone(), &read)?;
        }
        Ok(())
    }

    fn start(&mut self, script: PathBuf, arguments: &[&str]) -> Outcome {
        self.started += 1;
        let name = format!("client{}", self.started);
        let n1 = self.cluster.node(1);
        self.running.push(Pgbench::start(
            &self.cluster,
            &n1,
            &name,
            &script,
            arguments,
        )?);
        Ok(())
    }

    /// Ends them, and what they had sent.
    pub fn off(&mut self) -> Outcome {
        for client in self.running.drain(..) {
            self.said.push_str(&client.stop()?);
        }
        self.cluster.until_no_pgbench()
    }

    /// Nothing of what they sent failed.
    pub fn unharmed(&self) -> Outcome {
        Pgbench::unharmed(&self.said)
    }
}
