//! The bench: the same work on one plain PostgreSQL and on a cluster of three nodes on the same
//! machine, in turns, so that whatever else the machine does meets both.

pub mod cases;
pub mod clients;
pub mod data;
pub mod rebind;
pub mod results;
pub mod tpcb;

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster_box::ClusterBox;
use crate::pg::Server;
use crate::plain::{settings_of, Plain};
use crate::Error;
use cases::{Case, CASES};
use results::{Measured, Results};

/// How long, how often, how many.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    pub pg_config: PathBuf,
    pub rounds: usize,
    /// Of one measurement of a rate.
    pub time: Duration,
    pub clients: usize,
    /// Rows of the table that is read by key and aggregated.
    pub rows: i64,
    /// Only cases whose name contains this.
    pub only: String,
}

/// One of the two that are compared.
pub struct Side {
    /// Where clients connect; the first takes the point reads.
    pub servers: Vec<Server>,
    pub keys: data::Keys,
}

/// Both sides.
pub struct Bench {
    pub plain: Side,
    pub cluster: Side,
}

/// Starts both, fills them, measures in rounds.
///
/// # Errors
/// [`Error::Program`], [`Error::Server`] while setting up; a case that fails is in the results.
pub async fn run(
    cluster: &ClusterBox,
    plain: &mut Plain,
    options: &BenchOptions,
) -> Result<Results, Error> {
    let cases: Vec<&Case> = CASES
        .iter()
        .filter(|c| c.name.contains(&options.only))
        .collect();
    let mut results = Results::new(&cases, options);
    if cases.is_empty() {
        return Ok(results);
    }
    let nodes = cluster.up().await?;
    let settings = settings_of(&nodes[0].connect("postgres").await?).await?;
    let plain = plain.up(&options.pg_config, &settings).await?;
    eprintln!("filling both: {} rows", options.rows);
    let keys = data::fill(&plain, &nodes, options.rows).await?;
    let bench = Bench {
        plain: Side {
            servers: vec![plain],
            keys: keys.clone(),
        },
        cluster: Side {
            servers: nodes,
            keys,
        },
    };

    let warm_up = BenchOptions {
        time: options.time / 4,
        ..options.clone()
    };
    for case in &cases {
        // What fails here fails in the rounds too, and is reported there.
        let _ = measure(&bench, case, 0, &warm_up).await;
    }
    for round in 0..options.rounds {
        for case in &cases {
            let measured = measure(&bench, case, round, options).await;
            results.add(case.name, measured);
        }
        eprintln!("round {} of {} done", round + 1, options.rounds);
    }
    Ok(results)
}

/// One case on both; who begins alternates.
async fn measure(
    bench: &Bench,
    case: &Case,
    round: usize,
    options: &BenchOptions,
) -> Result<Measured, Error> {
    if round.is_multiple_of(2) {
        let plain = case.run(&bench.plain, options).await?;
        let cluster = case.run(&bench.cluster, options).await?;
        Ok(Measured { plain, cluster })
    } else {
        let cluster = case.run(&bench.cluster, options).await?;
        let plain = case.run(&bench.plain, options).await?;
        Ok(Measured { plain, cluster })
    }
}
