//! What the engine needs to know of the kinds of operations: one table, filled in above by the room `kinds`.

use std::sync::Arc;

use expanse_core::wire::{Operation, OperationKind};
use futures_util::future::BoxFuture;

use super::context::Shared;
use super::error::Result;
use super::step::Plan;
use crate::executor::Executor;
use crate::postgres::NodeAddress;

/// With what an operation is checked before it gets into the journal.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    pub executor: &'a Executor,
    /// The local server.
    pub local: &'a NodeAddress,
}

/// Checks an operation that has been submitted, and fills in its parameters.
pub type Admission = for<'a> fn(Desk<'a>, &'a mut Operation) -> BoxFuture<'a, Result<()>>;

/// Something that the leader keeps doing while operations run.
pub type Duty = for<'a> fn(&'a Arc<Shared>) -> BoxFuture<'a, ()>;

/// One kind of operation.
pub struct Kind {
    pub kind: OperationKind,
    pub admission: Admission,
    /// `None` for what only gets into the journal once it has happened.
    pub plan: Option<&'static Plan>,
}

/// All of them, and how they get along.
pub struct Kinds {
    pub all: &'static [Kind],
    /// Whether the second must not begin before the first, which has, has ended.
    pub collide: fn(&Operation, &Operation) -> bool,
    /// Whether the second, which was submitted later, waits for the first although it was admitted while that one ran.
    pub waits: fn(&Operation, &Operation) -> bool,
    pub duties: &'static [Duty],
}

impl Kinds {
    pub fn get(&self, kind: OperationKind) -> Option<&'static Kind> {
        let all: &'static [Kind] = self.all;
        all.iter().find(|one| one.kind == kind)
    }

    pub fn plan(&self, kind: OperationKind) -> Option<&'static Plan> {
        self.get(kind)?.plan
    }
}

impl std::fmt::Debug for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.all.iter().map(|kind| kind.kind))
            .finish()
    }
}
