//! A writer: transactions on one node and over several, one after the other.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client;

use super::effect::{Effect, NewOrder};
use super::session::Session;
use super::{Shared, Tally};
use crate::Error;

/// Writes until told to stop; what it counted, and what it committed, in order.
/// Every second writer keeps its statements prepared across all that happens to the cluster.
pub async fn run(
    number: usize,
    client: Client,
    shared: Arc<Shared>,
) -> Result<(Tally, Vec<Effect>), Error> {
    let mut session = Session::new(client, number.is_multiple_of(2));
    let mut choice = Choice::new(number, &shared);
    let mut log = Vec::new();
    while !shared.stopping() && !session.closed() {
        let effect = choice.next();
        if session.write(&effect, shared.phase()).await {
            choice.committed(&effect);
            log.push(effect);
        }
        tokio::time::sleep(shared.options.pause).await;
    }
    Ok((session.tally, log))
}

/// What a writer does next: random, but the same for the same seed and the same outcomes.
struct Choice {
    shared: Arc<Shared>,
    number: i64,
    random: StdRng,
    /// The next order key of this writer's own.
    next_order: i64,
    /// Orders made by this writer that are still there.
    made: Vec<i64>,
}

impl Choice {
    fn new(number: usize, shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            number: number as i64,
            random: StdRng::seed_from_u64(shared.options.seed + number as u64),
            next_order: shared.data.last_order() + 1 + number as i64,
            made: Vec::new(),
        }
    }

    fn next(&mut self) -> Effect {
        match self.random.random_range(0..100) {
            0..20 => Effect::NewOrders(vec![self.new_order()]),
            20..30 => Effect::NewOrders(vec![self.new_order(), self.new_order()]),
            30..60 => Effect::Reprice {
                order: self.own_order(),
                cents: self.cents(),
            },
            60..75 => self.handover(),
            75..90 => self.payment(),
            _ => match self.made.pop() {
                Some(order) => Effect::Remove { order },
                None => Effect::NewOrders(vec![self.new_order()]),
            },
        }
    }

    /// Remembers the orders that can be removed later.
    fn committed(&mut self, effect: &Effect) {
        if let Effect::NewOrders(orders) = effect {
            self.made.extend(orders.iter().map(|order| order.order));
        }
    }

    fn new_order(&mut self) -> NewOrder {
        let order = self.next_order;
        self.next_order += self.shared.options.writers as i64;
        let data = &self.shared.data;
        NewOrder {
            order,
            customer: self.random.random_range(1..=data.customers),
            part: self.random.random_range(1..=data.parts),
            supplier: self.random.random_range(1..=data.suppliers),
            lines: self.random.random_range(1..=4),
            cents: self.cents(),
        }
    }

    fn handover(&mut self) -> Effect {
        let from = self.own_order();
        loop {
            let to = self.own_order();
            if to != from {
                return Effect::Handover { from, to };
            }
        }
    }

    fn payment(&mut self) -> Effect {
        let customers = self.shared.data.customers;
        let from = self.random.random_range(1..=customers);
        let to = from % customers + 1;
        Effect::Payment {
            from,
            to,
            cents: self.cents(),
        }
    }

    /// A generated order that no other writer touches.
    fn own_order(&mut self) -> i64 {
        let writers = self.shared.options.writers as i64;
        let orders = &self.shared.data.orders;
        let turn = self.random.random_range(0..orders.len() as i64 / writers);
        orders[(turn * writers + self.number) as usize].0
    }

    fn cents(&mut self) -> i64 {
        self.random.random_range(1..10_000)
    }
}
