//! What the demo prints at its end, and whether it went well.

use std::time::Duration;

use super::Outcome;
use crate::growth::Done;
use crate::report::{ring, units, TextTable};
use crate::workload::Phase;
use crate::Error;

impl Outcome {
    pub fn print(&self) {
        self.print_nodes();
        self.print_operations();
        self.print_workload();
        self.print_content();
        println!();
    }

    fn print_nodes(&self) {
        println!("\nNodes and buckets of orders and lineitem\n");
        for (label, of) in [("before", &self.before), ("after", &self.after)] {
            println!("  {label:<7} {}", ring::strip(&of.map, &of.names));
        }
        println!("          each cell is 1,024 buckets and names its node\n");
        let mut table = TextTable::new(&["node", "before", "after"], 1);
        for (_, name) in &self.after.names {
            let buckets = |of: &crate::growth::NamedMap| units::count(of.buckets(name).into());
            table.row(vec![
                name.clone(),
                buckets(&self.before),
                buckets(&self.after),
            ]);
        }
        print!("{}", table.to_text());
    }

    fn print_operations(&self) {
        println!("\nWhat was done to the cluster meanwhile\n");
        let head = [
            "operation",
            "rows moved",
            "bytes moved",
            "time",
            "writes waited",
        ];
        let mut table = TextTable::new(&head, 1);
        for done in &self.operations {
            let waited = done.writes_waited.map_or_else(|| "-".into(), units::time);
            table.row(vec![
                done.statement.clone(),
                units::count(done.rows),
                units::bytes(done.bytes),
                units::time(done.time),
                waited,
            ]);
        }
        let sum = |part: fn(&Done) -> i64| self.operations.iter().map(part).sum::<i64>();
        table.row(vec![
            "all".into(),
            units::count(sum(|done| done.rows)),
            units::bytes(sum(|done| done.bytes)),
            units::time(self.operations.iter().map(|done| done.time).sum()),
            self.operations
                .iter()
                .filter_map(|done| done.writes_waited)
                .max()
                .map_or_else(|| "-".into(), units::time),
        ]);
        print!("{}", table.to_text());
    }

    fn print_workload(&self) {
        println!("\nWhat the writers and readers noticed\n");
        let head = [
            "",
            "time",
            "statements",
            "a second",
            "failed",
            "write, median",
            "99 %",
            "longest",
        ];
        let mut table = TextTable::new(&head, 1);
        let shown = |time: Option<Duration>| time.map_or_else(|| "-".into(), units::time);
        for phase in Phase::ALL {
            let counted = &self.tally.phases[phase as usize];
            let time = self.phase_times[phase as usize];
            let rate = counted.statements() as f64 / time.as_secs_f64().max(0.001);
            table.row(vec![
                phase.label().into(),
                units::time(time),
                units::count(counted.statements() as i64),
                units::count(rate as i64),
                units::count(counted.failed as i64),
                shown(counted.write_time(0.5)),
                shown(counted.write_time(0.99)),
                shown(counted.write_time(1.0)),
            ]);
        }
        print!("{}", table.to_text());
        println!(
            "\n  {} statements served, {} failed; {} transactions committed; longest wait of a write {}",
            units::count(self.tally.statements() as i64),
            units::count(self.tally.failures() as i64),
            units::count(self.tally.transactions as i64),
            shown(self.tally.longest_write()),
        );
        println!(
            "  {} answers checked (every row once, sums kept), {} wrong",
            units::count(self.tally.checked_reads as i64),
            units::count(self.tally.wrong_reads as i64),
        );
        for complaint in &self.tally.complaints {
            println!("    {complaint}");
        }
    }

    fn print_content(&self) {
        println!("\nContent against plain PostgreSQL\n");
        let head = ["table", "equal", "rows here", "rows there"];
        let mut table = TextTable::new(&head, 2);
        for compared in &self.compared {
            table.row(vec![
                compared.table.into(),
                if compared.equal() {
                    "yes".into()
                } else {
                    "NO".into()
                },
                units::count(compared.cluster.rows),
                units::count(compared.plain.rows),
            ]);
        }
        print!("{}", table.to_text());
    }

    /// # Errors
    /// [`Error::Wrong`] that names everything that is not as it should be.
    pub fn verdict(&self) -> Result<(), Error> {
        let mut wrong = Vec::new();
        if self.tally.failures() > 0 {
            wrong.push(format!("{} statements failed", self.tally.failures()));
        }
        if self.tally.wrong_reads > 0 {
            wrong.push(format!("{} answers were wrong", self.tally.wrong_reads));
        }
        let differing: Vec<&str> = self
            .compared
            .iter()
            .filter(|c| !c.equal())
            .map(|c| c.table)
            .collect();
        if !differing.is_empty() {
            wrong.push(format!("content differs in {}", differing.join(", ")));
        }
        if self.after.names.len() <= self.before.names.len() {
            wrong.push("orders did not reach the new node".into());
        }
        if wrong.is_empty() {
            println!(
                "Nothing failed, nothing was seen twice or not at all, the content is equal.\n"
            );
            return Ok(());
        }
        Err(Error::Wrong(wrong.join("; ")))
    }
}
