//! Statements from a seed.

mod expression;
mod read;
mod write;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One statement, naming tables without a schema.
#[derive(Debug, Clone)]
pub struct Statement {
    pub sql: String,
    /// The order of the rows is part of the answer.
    pub ordered: bool,
    pub writes: bool,
}

/// The statement of this seed: three reads to each write.
pub fn statement(seed: u64) -> Statement {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    if random.random_range(0..4) == 0 {
        write::statement(&mut random)
    } else {
        read::statement(&mut random)
    }
}

/// One of several.
fn pick<'a, T>(random: &mut StdRng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

/// True in so many cases of a hundred.
fn chance(random: &mut StdRng, percent: u32) -> bool {
    random.random_range(0..100) < percent
}
