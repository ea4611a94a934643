//! Operations as declared tables of steps.

use expanse_core::wire::OperationKind;
use futures_util::future::BoxFuture;

use super::context::Context;
use super::error::Result;

type Action = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<()>>;
type Question = for<'a> fn(&'a Context) -> BoxFuture<'a, Result<bool>>;

/// One step. Doing it twice, or after it has been done in part, is as good as doing it once; the
/// same holds for its undoing.
pub struct Step {
    /// In the journal, for whoever resumes the operation.
    pub name: &'static str,
    /// In `cluster_operations`.
    pub phase: &'static str,
    pub action: Action,
    pub undo: Option<Action>,
}

/// An operation of one kind.
pub struct Plan {
    pub kind: OperationKind,
    pub steps: &'static [Step],
    /// The step whose success is the point of no return: before it the operation can be undone,
    /// after it it goes forward.
    pub turning_point: &'static str,
    /// Whether the turning point has been passed, asked of the cluster itself.
    pub turned: Question,
    /// Steps that are not left in the middle when somebody cancels or pauses; they look for themselves.
    pub uninterruptible: &'static [&'static str],
    /// Stops what goes on by itself in the nodes while the operation is paused.
    pub calm: Option<Action>,
    /// Starts it again, before the operation goes on.
    pub wake: Option<Action>,
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

/// All of them.
pub static PLANS: &[&Plan] = &[
    &super::expand::PLAN,
    &super::shrink::PLAN,
    &super::rebind::PLAN,
    &super::rebind_all::PLAN,
    &super::storage::ADD,
    &super::storage::DROP,
    &super::move_table::PLAN,
];

pub fn plan_of(kind: OperationKind) -> Option<&'static Plan> {
    PLANS.iter().copied().find(|plan| plan.kind == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sound() {
        for plan in PLANS {
            let turning = plan.turning_index();
            let names: std::collections::HashSet<_> = plan.steps.iter().map(|s| s.name).collect();
            assert_eq!(names.len(), plan.steps.len(), "names are unique");
            for (i, step) in plan.steps.iter().enumerate() {
                assert!(
                    i < turning || step.undo.is_none(),
                    "{}: nothing is undone from the turning point on",
                    step.name
                );
                assert_eq!(plan.frontier(step.name), i + 1);
            }
            assert_eq!(plan.frontier(""), 0);
            for name in plan.uninterruptible {
                assert!(names.contains(name));
            }
        }
    }

    #[test]
    fn undoing_visits_every_step_once_also_when_resumed_between_two() {
        for plan in PLANS {
            let mut last_done = plan.steps[plan.turning_index() - 1].name;
            let mut undone = Vec::new();
            loop {
                let at = plan.frontier(last_done);
                undone.push(at);
                if at == 0 {
                    break;
                }
                last_done = plan.done_before(at);
                if at == 1 {
                    undone.push(0);
                    break;
                }
            }
            assert_eq!(undone, (0..=plan.turning_index()).rev().collect::<Vec<_>>());
        }
    }
}
