//! The pool in rows of `cluster_executor`.

use expanse_core::live::ExecutorClass;

use super::target::{Look, Target};
use super::Weight;

/// One row for each class of commands to a node.
pub(super) fn classes(target: &Target) -> Vec<ExecutorClass> {
    let look = target.look();
    let row = |weight| class(target, &look, weight);
    Weight::ALL.into_iter().map(row).collect()
}

fn class(target: &Target, look: &Look, weight: Weight) -> ExecutorClass {
    let limits = target.shared.settings().limits;
    let counts = look.counts[weight as usize];
    let waiting = look.load.waiting[weight];
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    ExecutorClass {
        node_name: target.address.node_name.clone(),
        address: format!("{}:{}", target.address.host, target.address.port),
        class: weight.name().into(),
        limit: number(limits.class[weight]),
        in_use: number(look.load.in_use[weight]),
        waiting: number(waiting),
        tries: counts.tries,
        retries: counts.retries,
        timeouts: counts.timeouts,
        failures: counts.failures,
        retry_budget: look.retry_budget,
        breaker: look.breaker.into(),
        reason: reason(look, waiting, weight, limits.class[weight]),
        load_factor: target.shared.load_factor(&target.address.node_name),
    }
}

/// Why commands wait or are refused, or what the last failure was.
fn reason(look: &Look, waiting: usize, weight: Weight, limit: usize) -> Option<String> {
    if look.breaker != "closed" {
        let why = look.last_failure.as_deref().unwrap_or("it did not answer");
        return Some(format!("refused until the node answers a probe: {why}"));
    }
    if waiting > 0 {
        let in_use = look.load.in_use[weight];
        return Some(if in_use >= limit {
            format!("{waiting} wait: all {limit} sockets of the class are in use")
        } else {
            format!("{waiting} wait: all sockets to the node are in use")
        });
    }
    look.last_failure
        .as_ref()
        .map(|why| format!("last failure: {why}"))
}
