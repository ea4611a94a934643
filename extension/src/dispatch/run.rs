//! Statements with small results, run on several nodes at once.

use crate::dispatch::stream::{advance_any, Stream};
use crate::error::Raised;
use crate::metadata::cache::NodeId;
use crate::remote::command::{Access, Command, Rows};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Runs one statement on several nodes at once and waits for all; raises the first error after all have answered.
pub fn run_on(nodes: &[NodeId], access: Access, sql: &str) -> Vec<(NodeId, Rows)> {
    let command = Command::text(sql);
    let mut streams: Vec<Stream> = nodes
        .iter()
        .map(|&node| Stream::start(node, access, &command).without_notices())
        .collect();
    let mut rows: Vec<(NodeId, Rows)> = nodes.iter().map(|&node| (node, Rows::new())).collect();
    let mut failure = None;
    loop {
        match catch_unwind(AssertUnwindSafe(|| advance_any(&mut streams))) {
            Ok(Some(index)) => rows[index].1.push(streams[index].texts()),
            Ok(None) => break,
            // Of a node: the others go on to their ends. Anything else (a cancel) ends all.
            Err(payload) if payload.is::<Raised>() => {
                failure.get_or_insert(payload);
            }
            Err(payload) => resume_unwind(payload),
        }
    }
    match failure {
        Some(failure) => resume_unwind(failure),
        None => rows,
    }
}
