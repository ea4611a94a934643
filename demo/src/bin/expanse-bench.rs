//! `expanse-bench`: one plain PostgreSQL and a cluster of three nodes, the same work, in turns.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use expanse_demo::bench::rebind::{self, RebindOptions};
use expanse_demo::bench::results::Results;
use expanse_demo::bench::{self, BenchOptions};
use expanse_demo::cluster_box::{BoxOptions, ClusterBox};
use expanse_demo::interrupt::unless_interrupted;
use expanse_demo::plain::{beside, Plain};
use expanse_demo::Error;

/// Measures a cluster of three nodes against one plain PostgreSQL on the same machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The command line of the cluster in a box
    #[arg(long, default_value = "expansectl", env = "EXPANSECTL")]
    expansectl: PathBuf,
    /// Says where PostgreSQL's programs are
    #[arg(long, default_value = "pg_config", env = "PG_CONFIG")]
    pg_config: PathBuf,
    /// Where the cluster lives, and with "-plain" after it the plain server; deleted at the
    /// beginning and at the end
    #[arg(long, default_value = "/tmp/expanse-bench")]
    dir: PathBuf,
    /// First of the ports of the nodes; the plain server is nine above
    #[arg(long, default_value_t = 5520)]
    base_port: u16,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Rows of the table that is read by key and aggregated
    #[arg(long, default_value_t = 500_000)]
    rows: i64,
    /// Rows of the table that is spread from two nodes over three
    #[arg(long, default_value_t = 5_000_000)]
    rebind_rows: i64,
    /// Rebinds in a row, of a table of a twenty-fifth of these rows
    #[arg(long, default_value_t = 20)]
    rebinds: usize,
    /// Secondary indexes of the table that is spread
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=3))]
    rebind_indexes: u8,
    /// Limit of the copy, such as 50MB a second
    #[arg(long)]
    rebind_max_rate: Option<String>,
    /// Only cases whose name contains this; "rebind" for growing
    #[arg(long, default_value = "")]
    only: String,
    /// Also write the results as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also write the results as markdown
    #[arg(long)]
    markdown: Option<PathBuf>,
}

impl Arguments {
    fn options(&self) -> BenchOptions {
        BenchOptions {
            pg_config: self.pg_config.clone(),
            rounds: self.rounds,
            time: Duration::from_secs_f64(self.seconds),
            clients: self.clients,
            rows: self.rows,
            only: self.only.clone(),
        }
    }

    fn rebind(&self) -> Option<RebindOptions> {
        rebind::NAME.contains(&self.only).then(|| RebindOptions {
            rows: self.rebind_rows,
            rebinds: self.rebinds,
            indexes: self.rebind_indexes.into(),
            max_rate: self.rebind_max_rate.clone(),
        })
    }

    fn publish(&self, results: &Results) -> Result<(), Error> {
        println!("\nExpanse against plain PostgreSQL");
        for table in results.tables() {
            println!("\n{}", table.to_text());
        }
        println!("  {}", results.conditions());
        if let Some(file) = &self.json {
            let json = serde_json::to_string_pretty(results).expect("results are plain data");
            write(file, &json)?;
        }
        if let Some(file) = &self.markdown {
            let tables = results.tables().into_iter();
            let tables: Vec<String> = tables.map(|table| table.to_markdown()).collect();
            let text = format!("{}\n{}\n", tables.join("\n"), results.conditions());
            write(file, &text)?;
        }
        match results.errors().as_slice() {
            [] => Ok(()),
            errors => Err(Error::Wrong(errors.join("\n  "))),
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(file, text).map_err(Error::io(format!("writing {}", file.display())))
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let of = |nodes| {
        ClusterBox::new(BoxOptions {
            expansectl: arguments.expansectl.clone(),
            dir: arguments.dir.clone(),
            nodes,
            base_port: arguments.base_port,
            coordination: "dir".into(),
        })
    };
    let (cluster, growing) = (of(3), of(2));
    let mut plain = Plain::new(beside(&arguments.dir), arguments.base_port + 9);
    let options = arguments.options();
    let run = async {
        let mut results = bench::run(&cluster, &mut plain, &options).await?;
        if let Some(options) = arguments.rebind() {
            plain.down().await?;
            results.set_rebind(rebind::run(&growing, &options).await?);
        }
        Ok(results)
    };
    let measured = unless_interrupted(run).await;
    let mut outcome = measured.and_then(|results| arguments.publish(&results));
    for cleaned in [cluster.down().await, plain.down().await] {
        outcome = outcome.and(cleaned);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe bench failed: {error}");
            ExitCode::FAILURE
        }
    }
}
