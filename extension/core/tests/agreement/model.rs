//! Nodes, transactions and a reader as plain data, and the exploration of all their schedules.

use expanse_core::agreement::{lacking, member, Mark, Marks, Ring, State, View};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Small, so that it is overwritten.
const CAPACITY: usize = 3;
/// Rounds and begins after which a schedule is not followed further.
const ROUNDS: u32 = 3;
/// The fingerprint and id of what takes a place and is of no interest.
const NOISE: u32 = 63;
const BEGINS: u32 = 2;

/// What the model does wrong when told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    RecordAfterPrepare,
    /// After a crash, what is prepared is not found again.
    NothingRestored,
    /// A ring that was overwritten passes for whole.
    RingNeverTooOld,
    MarksAfterSnapshots,
    /// What a view of an earlier round does not know counts as finished.
    RoundsIgnored,
    /// What is invisible here and not known there counts as invisible there.
    PendingIgnored,
}

#[derive(Clone)]
pub struct Setup {
    /// Of each transaction; the first one coordinates.
    pub members: &'static [&'static [usize]],
    pub nodes: &'static [usize],
    pub crashes: u8,
    /// So many transactions that are of no interest come and go at once on each of these nodes.
    pub noise: (u8, &'static [usize]),
    /// The reader takes a second mark of each node before it begins.
    pub fence: bool,
    pub fault: Option<Fault>,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub states: usize,
    /// Schedules in which the reader came to an agreement.
    pub agreements: usize,
    /// How often a ring did not reach back to a mark.
    pub overwritten: usize,
    /// The first agreement that shows half a transaction.
    pub torn: Option<String>,
}

/// Where a transaction is on one of its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    New,
    Recorded,
    Prepared,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    ring: Ring<CAPACITY>,
    restored: bool,
    noise: u8,
    parts: Vec<Part>,
}

impl Node {
    fn unfinished(&self, transaction: usize) -> bool {
        matches!(
            self.parts.get(transaction),
            Some(Part::Recorded | Part::Prepared)
        )
    }
}

/// What the reader does next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reading {
    /// Exchange 1 or 2: nodes whose mark is still to come.
    Marking {
        exchange: u32,
        missing: BTreeSet<usize>,
    },
    /// Nodes that still take their snapshot, and those that still give their view of it.
    Round {
        snapshots: BTreeSet<usize>,
        views: BTreeSet<usize>,
    },
    /// What nodes wait for.
    Waiting(BTreeMap<usize, BTreeSet<u64>>),
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    nodes: Vec<Node>,
    crashes: u8,
    reading: Reading,
    round: u32,
    begins: u32,
    marks: BTreeMap<usize, Mark>,
    later: BTreeMap<usize, u64>,
    /// The transactions that each node's snapshot shows.
    snapshots: BTreeMap<usize, Vec<bool>>,
    views: BTreeMap<i32, View>,
}

/// Visits every state that any schedule leads to.
pub fn explore(setup: &Setup) -> Outcome {
    let mut outcome = Outcome::default();
    let mut seen = HashSet::new();
    let mut todo = vec![first(setup)];
    while let Some(world) = todo.pop() {
        if outcome.torn.is_some() || !seen.insert(world.clone()) {
            continue;
        }
        outcome.states += 1;
        steps(setup, &world, &mut todo, &mut outcome);
    }
    outcome
}

/// Follows so many schedules, each step drawn at random (a linear congruential generator, Numerical Recipes' constants).
pub fn draw(setup: &Setup, schedules: u32) -> Outcome {
    let mut outcome = Outcome::default();
    let mut random = 1u32;
    for _ in 0..schedules {
        let mut world = first(setup);
        loop {
            let mut next = Vec::new();
            steps(setup, &world, &mut next, &mut outcome);
            if next.is_empty() || outcome.torn.is_some() {
                break;
            }
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            world = next.swap_remove((random >> 8) as usize % next.len());
            outcome.states += 1;
        }
    }
    outcome
}

fn first(setup: &Setup) -> World {
    let members = setup.members.iter().flat_map(|members| members.iter());
    let count = 1 + members.chain(setup.nodes).copied().max().unwrap_or(0);
    let node = Node {
        ring: Ring::new(1),
        restored: true,
        noise: 0,
        parts: vec![Part::New; setup.members.len()],
    };
    let mut nodes = vec![node; count];
    for &noisy in setup.noise.1 {
        nodes[noisy].noise = setup.noise.0;
    }
    World {
        nodes,
        crashes: setup.crashes,
        reading: Reading::Marking {
            exchange: 1,
            missing: all(setup),
        },
        round: 1,
        begins: 1,
        marks: BTreeMap::new(),
        later: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        views: BTreeMap::new(),
    }
}

fn steps(setup: &Setup, world: &World, todo: &mut Vec<World>, outcome: &mut Outcome) {
    if world.reading == Reading::Ended {
        return;
    }
    transactions(setup, world, todo);
    crashes(setup, world, todo);
    noise(world, todo);
    reader(setup, world, todo, outcome);
}

/// Every step that a transaction can make next.
fn transactions(setup: &Setup, world: &World, todo: &mut Vec<World>) {
    for (t, &members) in setup.members.iter().enumerate() {
        let coordinator = members[0];
        let decided = world.nodes[coordinator].parts[t] == Part::Committed;
        let aborted = members
            .iter()
            .any(|&node| world.nodes[node].parts[t] == Part::Aborted);
        for &node in members {
            let late = setup.fault == Some(Fault::RecordAfterPrepare);
            let next = match world.nodes[node].parts[t] {
                Part::New if !aborted => Part::Recorded,
                Part::Recorded if node != coordinator && !aborted => Part::Prepared,
                Part::Prepared if decided => Part::Committed,
                Part::Recorded if node == coordinator && !aborted && ready(world, t, members) => {
                    Part::Committed
                }
                Part::Recorded | Part::Prepared if aborted => Part::Aborted,
                _ => continue,
            };
            let mut then = world.clone();
            let record_now = next
                == if late {
                    Part::Committed
                } else {
                    Part::Recorded
                };
            let recorded = !record_now || record(&mut then.nodes[node], t, members);
            then.nodes[node].parts[t] = if recorded { next } else { Part::Aborted };
            todo.push(then);
        }
        if !decided && !aborted && world.nodes[coordinator].parts[t] == Part::Recorded {
            let mut then = world.clone();
            then.nodes[coordinator].parts[t] = Part::Aborted;
            todo.push(then);
        }
    }
}

fn ready(world: &World, t: usize, members: &[usize]) -> bool {
    members[1..]
        .iter()
        .all(|&node| world.nodes[node].parts[t] == Part::Prepared)
}

fn record(node: &mut Node, t: usize, members: &[usize]) -> bool {
    let parts = node.parts.clone();
    let all = members
        .iter()
        .fold(0, |all, &node| all | member(node as i32));
    node.ring.record(t as u64, all, t as u32, |id| {
        matches!(
            parts.get(id as usize),
            Some(Part::Recorded | Part::Prepared)
        )
    })
}

/// A transaction that is over at once takes a place in a node's ring.
fn noise(world: &World, todo: &mut Vec<World>) {
    for node in 0..world.nodes.len() {
        if world.nodes[node].noise == 0 {
            continue;
        }
        let mut then = world.clone();
        let noisy = &mut then.nodes[node];
        noisy.noise -= 1;
        let parts = noisy.parts.clone();
        let busy =
            |id: u32| id != NOISE && matches!(parts[id as usize], Part::Recorded | Part::Prepared);
        let all = member(node as i32);
        if noisy.ring.record(u64::from(NOISE), all, NOISE, busy) {
            todo.push(then);
        }
    }
}

/// A node loses what it has in memory; what was not prepared or committed there is rolled back.
fn crashes(setup: &Setup, world: &World, todo: &mut Vec<World>) {
    if world.crashes == 0 {
        return;
    }
    for node in 0..world.nodes.len() {
        let mut then = world.clone();
        then.crashes -= 1;
        let crashed = &mut then.nodes[node];
        crashed.ring = Ring::new(crashed.ring.epoch + 1);
        crashed.restored = false;
        for part in &mut crashed.parts {
            if *part == Part::Recorded {
                *part = Part::Aborted;
            }
        }
        // A reader's snapshot is gone with the server, and its statement fails.
        if then.snapshots.contains_key(&node) && setup.nodes.contains(&node) {
            then.reading = Reading::Ended;
        }
        todo.push(then);
    }
}

/// The reader's next steps.
fn reader(setup: &Setup, world: &World, todo: &mut Vec<World>, outcome: &mut Outcome) {
    match &world.reading {
        Reading::Marking { exchange, missing } => {
            for &node in missing {
                let mut then = world.clone();
                take_mark(setup, &mut then, node, *exchange);
                let mut left = missing.clone();
                left.remove(&node);
                then.reading = match (left.is_empty(), setup.fence && *exchange == 1) {
                    (false, _) => Reading::Marking {
                        exchange: *exchange,
                        missing: left,
                    },
                    (true, true) => Reading::Marking {
                        exchange: 2,
                        missing: all(setup),
                    },
                    (true, false) => Reading::Round {
                        snapshots: all(setup),
                        views: BTreeSet::new(),
                    },
                };
                todo.push(then);
            }
        }
        Reading::Round { snapshots, views } => {
            for &node in snapshots {
                let mut then = world.clone();
                let shows = |part: &Part| *part == Part::Committed;
                let shown = world.nodes[node].parts.iter().map(shows).collect();
                then.snapshots.insert(node, shown);
                if setup.fault == Some(Fault::MarksAfterSnapshots) {
                    take_mark(setup, &mut then, node, 1);
                }
                let (mut snapshots, mut views) = (snapshots.clone(), views.clone());
                snapshots.remove(&node);
                views.insert(node);
                then.reading = Reading::Round { snapshots, views };
                todo.push(then);
            }
            for &node in views {
                let mut views = views.clone();
                views.remove(&node);
                todo.extend(give_view(
                    setup,
                    world,
                    node,
                    snapshots.clone(),
                    views,
                    outcome,
                ));
            }
        }
        Reading::Waiting(wanted) => {
            let over = wanted.iter().all(|(&node, transactions)| {
                transactions
                    .iter()
                    .all(|&t| !world.nodes[node].unfinished(t as usize))
            });
            if over && world.round < ROUNDS {
                let mut then = world.clone();
                then.round += 1;
                then.reading = Reading::Round {
                    snapshots: wanted.keys().copied().collect(),
                    views: BTreeSet::new(),
                };
                todo.push(then);
            }
        }
        Reading::Ended => {}
    }
}

fn all(setup: &Setup) -> BTreeSet<usize> {
    setup.nodes.iter().copied().collect()
}

fn take_mark(setup: &Setup, world: &mut World, node: usize, exchange: u32) {
    restore(setup, &mut world.nodes[node]);
    let known = &world.nodes[node];
    let mark = known.ring.mark(|id| known.unfinished(id as usize));
    if exchange == 1 {
        world.marks.insert(node, mark);
    } else {
        world.later.insert(node, mark.sequence);
    }
}

fn restore(setup: &Setup, node: &mut Node) {
    if node.restored || setup.fault == Some(Fault::NothingRestored) {
        return;
    }
    node.restored = true;
    let parts = node.parts.clone();
    for (t, part) in parts.iter().enumerate() {
        let known = node
            .ring
            .entries()
            .any(|entry| entry.fingerprint == t as u64);
        if *part == Part::Prepared && !known {
            let found = node.ring.record(t as u64, 0, t as u32, |id| {
                matches!(
                    parts.get(id as usize),
                    Some(Part::Recorded | Part::Prepared)
                )
            });
            assert!(found, "the ring has places for all that can be prepared");
        }
    }
}

/// One node's view arrives; with the last one of the round the reader compares.
fn give_view(
    setup: &Setup,
    world: &World,
    node: usize,
    snapshots: BTreeSet<usize>,
    views: BTreeSet<usize>,
    outcome: &mut Outcome,
) -> Option<World> {
    let mut then = world.clone();
    restore(setup, &mut then.nodes[node]);
    let mut mark = then.marks[&node].clone();
    if setup.fault == Some(Fault::RingNeverTooOld) {
        // Ask only for what the ring still has.
        while then.nodes[node].ring.since(&mark).is_none() {
            mark.sequence += 1;
        }
    }
    let Some(entries) = then.nodes[node].ring.since(&mark) else {
        outcome.overwritten += 1;
        return begin_again(setup, then);
    };
    let shown = &then.snapshots[&node];
    let parts = &then.nodes[node].parts;
    let transactions = entries
        .iter()
        .filter(|entry| entry.id != NOISE && parts[entry.fingerprint as usize] != Part::Aborted)
        .map(|entry| {
            let state = State {
                visible: shown[entry.fingerprint as usize],
                members: entry.members,
                sequence: entry.sequence,
            };
            (entry.fingerprint, state)
        })
        .collect();
    let round = then.round;
    then.views.insert(
        node as i32,
        View {
            round,
            transactions,
        },
    );
    then.reading = Reading::Round {
        snapshots: snapshots.clone(),
        views: views.clone(),
    };
    if snapshots.is_empty() && views.is_empty() {
        compare(setup, &mut then, outcome);
    }
    Some(then)
}

fn begin_again(setup: &Setup, mut world: World) -> Option<World> {
    if world.begins >= BEGINS {
        return None;
    }
    world.begins += 1;
    world.round = 1;
    world.marks.clear();
    world.later.clear();
    world.snapshots.clear();
    world.views.clear();
    world.reading = Reading::Marking {
        exchange: 1,
        missing: all(setup),
    };
    Some(world)
}

fn compare(setup: &Setup, world: &mut World, outcome: &mut Outcome) {
    let mut views = world.views.clone();
    if setup.fault == Some(Fault::RoundsIgnored) {
        for (n, view) in views.values_mut().enumerate() {
            view.round = 10 + n as u32;
        }
    }
    let marks = world
        .marks
        .keys()
        .map(|&node| {
            let later = match setup.fault {
                Some(Fault::PendingIgnored) => Some((9, 0)),
                _ => world.later.get(&node).map(|&sequence| (2, sequence)),
            };
            (node as i32, Marks { exchange: 1, later })
        })
        .collect();
    let lacks = lacking(&views, &marks);
    if !lacks.is_empty() {
        world.reading = Reading::Waiting(
            lacks
                .into_iter()
                .map(|(node, lacked)| (node as usize, lacked))
                .collect(),
        );
        return;
    }
    outcome.agreements += 1;
    world.reading = Reading::Ended;
    for (t, &members) in setup.members.iter().enumerate() {
        let shown: BTreeSet<bool> = members
            .iter()
            .filter_map(|node| world.snapshots.get(node).map(|shown| shown[t]))
            .collect();
        if shown.len() > 1 {
            outcome.torn = Some(format!("transaction {t} in {world:?}"));
        }
    }
}
