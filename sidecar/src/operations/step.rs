//! Operations as declared tables of steps.

use futures_util::future::BoxFuture;

use super::context::Context;
use super::error::Result;
use super::journal::JournalEntry;

pub type Action = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<()>>;
pub type Question = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<bool>>;

/// One step. Doing it twice, or after it has been done in part, is as good as doing it once; the
/// same holds for its undoing.
pub struct Step {
    /// In the journal, for the leader that resumes the operation.
    pub name: &'static str,
    /// In `cluster_operations`.
    pub phase: &'static str,
    pub action: Action,
    pub undo: Option<Action>,
}

/// How an operation of one kind goes.
pub struct Plan {
    pub steps: &'static [Step],
    /// The step whose success is the point of no return: before it the operation can be undone,
    /// after it it goes forward.
    pub turning_point: &'static str,
    /// Whether the turning point has been passed, asked of the cluster itself.
    pub turned: Question,
    /// Steps that are not left in the middle by a cancellation or a pause; they check for these themselves.
    pub uninterruptible: &'static [&'static str],
    /// Stops what goes on by itself in the nodes while the operation is paused.
    pub suspend: Option<Action>,
    /// Starts it again, before the operation goes on.
    pub resume: Option<Action>,
    pub reversal: Option<Reversal>,
}

/// How an operation that has had its effect can still be reversed, before its turning point.
pub struct Reversal {
    /// The step that has the effect.
    pub from: &'static str,
    /// Whether the entry says that it is too late, before the turning point is journaled as done.
    pub closed: fn(&JournalEntry) -> bool,
}

impl Plan {
    /// The first step that is not known to be done, given the last one that is.
    pub fn frontier(&self, last_done: &str) -> usize {
        self.steps
            .iter()
            .position(|step| step.name == last_done)
            .map_or(0, |at| at + 1)
    }

    pub fn turning_index(&self) -> usize {
        self.steps
            .iter()
            .position(|step| step.name == self.turning_point)
            .expect("a test checks that the turning point is a step")
    }

    /// What the journal says after the step at `undone` has been undone: the step before it may
    /// still have effects, the one before that is the last that is done for certain.
    pub fn done_before(&self, undone: usize) -> &'static str {
        match undone {
            0 | 1 => "",
            _ => self.steps[undone - 2].name,
        }
    }
}
