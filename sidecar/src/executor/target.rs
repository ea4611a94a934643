//! One node as the pool knows it: who waits for a socket, who has one, and how the node has been.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::admission::{choose, granted, worth_starting, Load};
use super::breaker::Breaker;
use super::budget::Budget;
use super::settings::Shared;
use super::{Command, Weight};
use crate::postgres::{Error, Mode, NodeAddress, Session};

/// An idle connection older than this is closed rather than used again.
const OLDEST_SESSION: Duration = Duration::from_secs(600);
/// A connection that has been idle for longer is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
/// A node that was not asked for so long, such as one that is not in the cluster any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Idle connections that are kept to one node.
const MOST_IDLE: usize = 3;

pub(super) struct Target {
    pub address: NodeAddress,
    pub shared: Arc<Shared>,
    state: Mutex<State>,
}

struct State {
    load: Load,
    queues: [VecDeque<Waiter>; 4],
    idle: Vec<(Instant, Session)>,
    breaker: Breaker,
    budget: Budget,
    counts: [Counts; 4],
    last_failure: Option<String>,
    asked_at: Instant,
    /// How long commands of a name take, on a moving average, in seconds.
    usual: HashMap<&'static str, f64>,
}

/// A command that waits for a socket.
struct Waiter {
    permit: oneshot::Sender<Permit>,
    /// The caller has waited since then.
    since: Instant,
    deadline: Instant,
    usually: Duration,
}

impl Waiter {
    fn waits(&self) -> bool {
        !self.permit.is_closed()
    }

    fn worth_it(&self, now: Instant) -> bool {
        let left = self.deadline.saturating_duration_since(now);
        let allowed = self.deadline.saturating_duration_since(self.since);
        worth_starting(left, allowed, self.usually)
    }
}

/// What has happened since the start, for one class.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub tries: u64,
    pub retries: u64,
    pub timeouts: u64,
    pub failures: u64,
}

/// A look at a target.
pub(super) struct Look {
    pub load: Load,
    pub breaker: &'static str,
    pub retry_budget: f64,
    pub counts: [Counts; 4],
    pub last_failure: Option<String>,
}

impl Target {
    pub fn new(address: NodeAddress, shared: Arc<Shared>) -> Self {
        let budget = Budget::new(&shared.settings().budget);
        Self {
            address,
            shared,
            state: Mutex::new(State {
                load: Load::default(),
                queues: Default::default(),
                idle: Vec::new(),
                breaker: Breaker::default(),
                budget,
                counts: Default::default(),
                last_failure: None,
                asked_at: Instant::now(),
                usual: HashMap::new(),
            }),
        }
    }

    pub fn look(&self) -> Look {
        let state = self.state.lock();
        let mut load = state.load;
        for weight in Weight::ALL {
            let queue = &state.queues[weight as usize];
            load.waiting[weight] = queue.iter().filter(|waiter| waiter.waits()).count();
        }
        Look {
            load,
            breaker: state.breaker.name(),
            retry_budget: state.budget.left(),
            counts: state.counts,
            last_failure: state.last_failure.clone(),
        }
    }

    pub fn count(&self, weight: Weight, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state.lock().counts[weight as usize]);
    }

    // ---- The breaker and the budget. ----

    /// Whether it makes sense to wait for a socket.
    pub fn would_pass(&self) -> bool {
        self.state.lock().breaker.would_admit(Instant::now())
    }

    /// Lets a command go on to the node, or not; and whether it is a probe.
    pub fn pass(&self) -> Option<Pass<'_>> {
        let settings = self.shared.settings().breaker;
        let mut state = self.state.lock();
        let admitted = state.breaker.admit(Instant::now(), &settings);
        let probes = matches!(state.breaker, Breaker::HalfOpen { .. });
        admitted.then_some(match probes {
            true => Pass::Probe(Probe(self)),
            false => Pass::Free,
        })
    }

    /// The node has answered.
    pub fn answered(&self) {
        let mut state = self.state.lock();
        if state.breaker != Breaker::default() {
            if state.breaker.name() != "closed" {
                tracing::info!(node = self.address.node_name, "node answers again");
            }
            state.breaker.succeeded();
        }
        state.last_failure = None;
    }

    /// The node has not answered, or could not be reached.
    pub fn silent(&self, why: &str) {
        let settings = self.shared.settings().breaker;
        let mut state = self.state.lock();
        let opened = state
            .breaker
            .failed(Instant::now(), &settings, rand::random());
        state.last_failure = Some(why.to_owned());
        if opened {
            tracing::info!(
                node = self.address.node_name,
                why,
                "node does not answer, commands are refused until a probe succeeds"
            );
        }
    }

    /// What an error says of the node. That a try took too long says nothing: the cancellation that
    /// follows it does.
    pub fn judge(&self, error: &Error) {
        if error.is_silence() {
            self.silent(&error.to_string());
        } else if matches!(error, Error::Sql { .. }) {
            self.answered();
        }
    }

    pub fn succeeded(&self) {
        self.answered();
        let settings = self.shared.settings().budget;
        self.state.lock().budget.succeeded(&settings);
    }

    /// Takes one repetition from the budget.
    pub fn pay(&self) -> bool {
        self.state.lock().budget.take()
    }

    // ---- Sockets. ----

    /// A command of this name has taken so long.
    pub fn took(&self, name: &'static str, time: Duration) {
        let mut state = self.state.lock();
        let usual = state.usual.entry(name).or_insert(time.as_secs_f64());
        *usual += (time.as_secs_f64() - *usual) / 8.0;
    }

    /// Waits for a socket for a command that has been under way `since`, until the deadline. `None` if there is none in time, also as soon as it is
    /// certain that there will be too little time left.
    pub async fn admit(
        self: &Arc<Self>,
        command: &Command,
        since: Instant,
        deadline: Instant,
    ) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.lock();
            state.asked_at = Instant::now();
            let usually = state.usual.get(command.name).copied().unwrap_or(0.0);
            state.queues[command.weight as usize].push_back(Waiter {
                permit: sender,
                since,
                deadline,
                usually: Duration::from_secs_f64(usually),
            });
        }
        self.hand_out();
        let wait = deadline.saturating_duration_since(Instant::now());
        tokio::time::timeout(wait, receiver).await.ok()?.ok()
    }

    /// Gives free sockets to the commands that are to have them.
    pub fn hand_out(self: &Arc<Self>) {
        let limits = self.shared.settings().limits;
        let now = Instant::now();
        loop {
            let mut state = self.state.lock();
            for weight in Weight::ALL {
                let queue = &mut state.queues[weight as usize];
                // Those who no longer wait do not count; for those who have waited too long it ends.
                queue.retain(|waiter| waiter.waits() && waiter.worth_it(now));
                let waiting = queue.len();
                state.load.waiting[weight] = waiting;
            }
            let Some(weight) = choose(&state.load, &limits) else {
                return;
            };
            let waiter = state.queues[weight as usize].pop_front();
            state.load = granted(state.load, weight);
            drop(state);
            let permit = Permit {
                weight,
                target: self.clone(),
            };
            if let Some(waiter) = waiter {
                // One who has just gone away gives the permit back by dropping it.
                drop(waiter.permit.send(permit));
            }
        }
    }

    /// An idle connection, if there is one. If there is none of this mode, one of the other makes
    /// room, so that the connections to the node never are more than the limit.
    pub fn take_idle(&self, mode: Mode) -> Option<Session> {
        let total = self.shared.settings().limits.total;
        let mut state = self.state.lock();
        state
            .idle
            .retain(|(_, s)| s.reusable() && s.age() < OLDEST_SESSION);
        match state.idle.iter().position(|(_, s)| s.mode() == mode) {
            Some(at) => Some(state.idle.swap_remove(at).1),
            None => {
                let in_use: usize = state.load.in_use.0.iter().sum();
                let keep = total.saturating_sub(in_use);
                state.idle.truncate(keep);
                None
            }
        }
    }

    pub fn give_back(&self, session: Session) {
        if session.reusable() {
            let mut state = self.state.lock();
            if state.idle.len() < MOST_IDLE {
                state.idle.push((Instant::now(), session));
            }
        }
    }

    /// Closes what has been idle for long; whether the node was not asked for long either.
    pub fn tidy(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        state
            .idle
            .retain(|(since, s)| s.reusable() && now.duration_since(*since) < LONGEST_IDLE);
        now.duration_since(state.asked_at) > FORGOTTEN_AFTER
    }
}

/// How a command goes on to a node.
pub(super) enum Pass<'a> {
    Free,
    /// It is to find out whether the node answers.
    Probe(#[allow(dead_code)] Probe<'a>),
}

/// A probe that is on its way. Dropped before the node was judged, it has said nothing.
pub(super) struct Probe<'a>(&'a Target);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.state.lock().breaker.abandoned(Instant::now());
    }
}

/// The right to one socket.
pub(super) struct Permit {
    weight: Weight,
    target: Arc<Target>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.target.state.lock().load.in_use[self.weight] -= 1;
        self.target.hand_out();
    }
}
