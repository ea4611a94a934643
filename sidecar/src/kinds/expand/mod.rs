//! `expand`: servers become nodes, while everything goes on.
//!
//! The schema is locked against changes, copied with `pg_dump`, and the nodes join. Replicated
//! tables are copied by logical replication and the nodes become active while writes to them wait,
//! for a bounded time ([`activate`]). No row of a distributed table moves; nothing else waits.

mod activate;
mod admission;
mod join;
mod refusal;
mod replicated;
mod schema;
mod state;
mod tools;

pub use admission::admit;

use crate::operations::{Plan, Step};
use crate::streams::suspend;

pub static PLAN: Plan = Plan {
    steps: &[
        Step {
            name: "check",
            phase: "check",
            action: |c| Box::pin(join::check(c)),
            undo: None,
        },
        Step {
            name: "lock_schema",
            phase: "schema",
            action: |c| Box::pin(join::lock_schema(c)),
            undo: Some(|c| Box::pin(join::unlock_schema(c))),
        },
        Step {
            name: "create_extension",
            phase: "schema",
            action: |c| Box::pin(schema::create_extension(c)),
            undo: Some(|c| Box::pin(schema::empty_server(c))),
        },
        Step {
            name: "copy_roles",
            phase: "schema",
            action: |c| Box::pin(schema::copy_roles(c)),
            undo: None,
        },
        Step {
            name: "make_storages",
            phase: "schema",
            action: |c| Box::pin(schema::make_storages(c)),
            undo: None,
        },
        Step {
            name: "copy_schema",
            phase: "schema",
            action: |c| Box::pin(schema::copy_schema(c)),
            undo: None,
        },
        Step {
            name: "join",
            phase: "join",
            action: |c| Box::pin(join::join(c)),
            undo: Some(|c| Box::pin(join::abort(c))),
        },
        Step {
            name: "copy_replicated",
            phase: "copy",
            action: |c| Box::pin(replicated::copy(c)),
            undo: Some(|c| Box::pin(replicated::drop_stream(c))),
        },
        Step {
            name: "activate",
            phase: "activate",
            action: |c| Box::pin(activate::run(c)),
            undo: None,
        },
        Step {
            name: "drop_stream",
            phase: "cleanup",
            action: |c| Box::pin(replicated::drop_stream(c)),
            undo: None,
        },
        Step {
            name: "unlock_schema",
            phase: "cleanup",
            action: |c| Box::pin(join::unlock_schema(c)),
            undo: None,
        },
        Step {
            name: "submit_rebinds",
            phase: "cleanup",
            action: |c| Box::pin(join::submit_rebinds(c)),
            undo: None,
        },
    ],
    turning_point: "activate",
    turned: |c| Box::pin(activate::turned(c)),
    uninterruptible: &["activate"],
    suspend: Some(|c| Box::pin(suspend::suspend(c))),
    resume: Some(|c| Box::pin(suspend::resume(c))),
    reversal: None,
};
