//! Two writers with simple and one with prepared statements.

use std::fs;
use std::path::PathBuf;

use crate::kit::{Cluster, Failure, Outcome, Pgbench, Scenario};

const WRITE: &str = r"\set old random(20001, 40000)
\set new random(1000000, 9000000000)
BEGIN;
UPDATE moved SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE plain SET n = n + 1, note = 'written ' || :new WHERE id = :old;
INSERT INTO moved VALUES (:new, 1, 'new') ON CONFLICT (id) DO NOTHING;
INSERT INTO plain VALUES (:new, 1, 'new') ON CONFLICT (id) DO NOTHING;
DELETE FROM moved WHERE id = :old + 1 AND id % 7 = 1;
DELETE FROM plain WHERE id = :old + 1 AND id % 7 = 1;
COMMIT;
";

pub struct Writers {
    cluster: Cluster,
    script: PathBuf,
    running: Vec<Pgbench>,
    said: String,
}

impl Writers {
    pub fn new(scenario: &Scenario) -> Outcome<Self> {
        let cluster = scenario.cluster.clone();
        let script = cluster.file("write.sql");
        fs::write(&script, WRITE).map_err(Failure::io("writing write.sql"))?;
        Ok(Self {
            cluster,
            script,
            running: Vec::new(),
            said: String::new(),
        })
    }

    pub fn on(&mut self) -> Outcome {
        for (number, mode) in ["simple", "simple", "prepared"].into_iter().enumerate() {
            let (name, node) = (format!("writer{number}"), self.cluster.node(1));
            let arguments = ["-M", mode, "-T", "600"];
            self.running.push(Pgbench::start(
                &self.cluster,
                &node,
                &name,
                &self.script,
                &arguments,
            )?);
        }
        Ok(())
    }

    /// Ends them, and what they had sent.
    pub fn off(&mut self) -> Outcome {
        for writer in self.running.drain(..) {
            self.said.push_str(&writer.stop()?);
        }
        self.cluster.until_no_pgbench()
    }

    /// Nothing of what they sent failed.
    pub fn unharmed(&self) -> Outcome {
        Pgbench::unharmed(&self.said)
    }
}
