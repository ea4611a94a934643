//! The agreement on snapshots as a model: all schedules of a transaction over nodes, one reader, and a crash.
//!
//! What is checked is `expanse_core::agreement` itself: nodes keep its ring, the reader compares by `lacking`. The model adds what
//! PostgreSQL does: recording, preparing, deciding, becoming visible, losing what is in memory. Whether a transaction is torn does
//! not depend on another one but by what a ring forgets and by what a reader waits for, so all schedules of one are visited,
//! each state once, with others that only take places in rings; schedules of several are drawn at random.

mod model;

use model::{draw, explore, Fault, Setup};

const TWO: Setup = Setup {
    members: &[&[0, 1]],
    nodes: &[0, 1],
    crashes: 0,
    noise: (0, &[]),
    fence: false,
    fault: None,
};

fn holds(setup: &Setup) -> model::Outcome {
    let outcome = explore(setup);
    println!(
        "{} states, {} agreements",
        outcome.states, outcome.agreements
    );
    assert_eq!(outcome.torn, None);
    assert!(outcome.agreements > 0, "{outcome:?}");
    outcome
}

#[test]
fn two_nodes_and_a_crash() {
    holds(&Setup { crashes: 1, ..TWO });
}

/// The reader has marks of a later exchange too, and waits less.
#[test]
fn later_marks() {
    holds(&Setup {
        crashes: 1,
        fence: true,
        ..TWO
    });
}

/// More transactions than the ring remembers.
#[test]
fn a_ring_that_is_overwritten() {
    let outcome = holds(&Setup {
        noise: (4, &[1]),
        ..TWO
    });
    assert!(
        outcome.overwritten > 0,
        "no schedule has overwritten a ring: {outcome:?}"
    );
}

#[test]
fn three_nodes() {
    holds(&Setup {
        members: &[&[0, 1, 2]],
        nodes: &[0, 1, 2],
        ..TWO
    });
}

/// The coordinator is not read.
#[test]
fn a_coordinator_elsewhere() {
    holds(&Setup {
        members: &[&[2, 0, 1]],
        crashes: 1,
        ..TWO
    });
}

/// Several transactions, at random.
#[test]
fn random_schedules() {
    let setup = Setup {
        members: &[&[0, 1], &[1, 2], &[2, 0, 1]],
        nodes: &[0, 1, 2],
        crashes: 1,
        noise: (3, &[0, 1, 2]),
        fence: true,
        fault: None,
    };
    let outcome = draw(&setup, 20_000);
    println!(
        "{} states, {} agreements",
        outcome.states, outcome.agreements
    );
    assert_eq!(outcome.torn, None);
    assert!(outcome.agreements > 2_000, "{outcome:?}");
}

/// Each planted fault is found: the model can fail.
#[test]
fn planted_faults_are_found() {
    for fault in [
        Fault::RecordAfterPrepare,
        Fault::NothingRestored,
        Fault::RingNeverTooOld,
        Fault::MarksAfterSnapshots,
        Fault::RoundsIgnored,
        Fault::PendingIgnored,
    ] {
        let outcome = explore(&Setup {
            crashes: u8::from(fault == Fault::NothingRestored),
            noise: if fault == Fault::RingNeverTooOld {
                (4, &[1])
            } else {
                (0, &[])
            },
            fault: Some(fault),
            ..TWO
        });
        assert!(
            outcome.torn.is_some(),
            "{fault:?} is not found: {outcome:?}"
        );
    }
}
