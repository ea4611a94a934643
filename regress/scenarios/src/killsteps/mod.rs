//! The sidecar that runs an operation, or a server, dies before and after its journal writes.
//!
//! In each round a fourth server joins, all tables are rebound to it, and it leaves again; at one journal write of each of
//! these operations the sidecar that runs it is killed, or a server is (kill -9, the sidecar waits meanwhile). Other rounds
//! make a storage, move the tables there and remove it when they are back; give a table another distribution column, and a
//! plain one its first; rebind all tables. A writer runs all the while. Each operation has to end on its own, and after
//! each round nothing may be left of any, nor a row be missing or be twice.
//!
//! A part is the number of a journal write, with `s` in front for the rounds with storages, `r` for those with other
//! distribution columns, `a` for the rebind of all tables. Part `all` goes on until no operation has so many writes.

mod cluster;
mod fault;
mod rounds;
mod whole;
mod writer;

use cluster::Struck;
use rounds::Round;

use crate::kit::{Failure, Outcome, Scenario};

pub fn run(scenario: &Scenario) -> Outcome {
    let mut struck = Struck::new(scenario)?;
    for part in &scenario.options.parts {
        match parse(part)? {
            None => all_points(&mut struck),
            Some((round, point)) => at_point(&mut struck, round, point),
        }
    }
    let hits = struck.hits;
    scenario.check(format_args!("faults were reached: {hits}"), hits > 0);
    Ok(())
}

/// None: all rounds at all points.
fn parse(part: &str) -> Outcome<Option<(Round, u16)>> {
    if part == "all" {
        return Ok(None);
    }
    let (round, point) = match part.split_at_checked(1) {
        Some(("s", point)) => (Round::Storage, point),
        Some(("r", point)) => (Round::Rewrite, point),
        Some(("a", point)) => (Round::All, point),
        _ => (Round::Members, part),
    };
    let point = point.parse();
    let point = point.map_err(|_| Failure::Wrong(format!("\"{part}\" is no journal write")))?;
    Ok(Some((round, point)))
}

/// Until no operation has so many writes.
fn all_points(struck: &mut Struck) {
    let mut point = 1;
    loop {
        let before = struck.hits;
        for round in Round::EACH {
            at_point(struck, round, point);
        }
        if struck.hits == before {
            return;
        }
        point += 1;
    }
}

/// A sidecar dies before and after it, and a server, another each time.
fn at_point(struck: &mut Struck, round: Round, point: u16) {
    use fault::{Fault, Side, Victim};
    let server = Victim::Server(1 + point % 3);
    for (side, victim) in [
        (Side::Before, Victim::Sidecar),
        (Side::After, Victim::Sidecar),
        (Side::Before, server),
    ] {
        let fault = Fault {
            side,
            point,
            victim,
        };
        round.run(struck, fault);
    }
}
