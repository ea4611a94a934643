//! What the planner remembers about a relation that each node can answer on its own data.

use crate::metadata::cache::{GroupId, REPLICATED_GROUP};
use crate::pg::planner::{Planner, Private, Rel, Relids};
use crate::pg::tree::ListRef;
use expanse_core::fragment::cost::Figures;
use expanse_core::fragment::join::Rows;
use pgrx::pg_sys::{Node, Oid, Var};

/// Attached to a relation of the planner.
#[derive(Clone, Copy)]
pub struct Fragment<'a> {
    /// [`REPLICATED_GROUP`] when every member is replicated.
    pub group: GroupId,
    /// Whose privileges apply; `InvalidOid` for the current user.
    pub user: Oid,
    /// All tables inside.
    pub members: Relids<'a>,
    /// The items of FROM.
    pub from: ListRef<'a, Node>,
    /// Conditions that the nodes apply, as plain expressions.
    pub remote_conditions: ListRef<'a, Node>,
    /// Conditions that the coordinator applies, as plain expressions.
    pub local_conditions: ListRef<'a, Node>,
    /// Distribution columns that can be seen from outside.
    pub keys: ListRef<'a, Var>,
    /// Those of them that no outer join inside makes null.
    pub keys_never_null: ListRef<'a, Var>,
    /// Columns that the rest of the plan needs.
    pub columns: ListRef<'a, Var>,
    pub figures: Figures,
}

// SAFETY: the number is this type's.
unsafe impl Private for Fragment<'_> {
    const MARK: u64 = 0x4578_7061_6e73_6531;
}

impl<'a> Fragment<'a> {
    /// The fragment of a relation, if it has one.
    pub fn of(rel: Rel<'a>) -> Option<&'a Fragment<'a>> {
        rel.attached()
    }

    /// The fragment of a relation whose rows are complete as several nodes deliver them: no condition is left to the
    /// coordinator. It keeps conditions without columns, which PostgreSQL puts above the scans and joins of a plan, and
    /// these only.
    pub fn complete(planner: Planner<'a>, rel: Rel<'a>) -> Option<&'a Fragment<'a>> {
        Self::of(rel).filter(|fragment| {
            fragment.is_distributed()
                && fragment.local_conditions.is_empty()
                && !planner.hasPseudoConstantQuals
        })
    }

    pub fn is_distributed(&self) -> bool {
        self.group != REPLICATED_GROUP
    }

    /// Where its rows live.
    pub fn location(&self) -> Rows {
        match self.is_distributed() {
            true => Rows::Distributed(self.group),
            false => Rows::Replicated,
        }
    }
}
