//! What a fragment scan needs to know, as it is kept in the plan.

use crate::metadata::cache::GroupId;
use crate::pg::tree::{list_of, ListRef, NodeRef};
use crate::plan::private;
use pgrx::pg_sys::{CustomScan, Query};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The statement for the nodes, unless the group is in motion.
    pub sql: String,
    pub group: GroupId,
    /// Whose privileges apply; 0 for the current user.
    pub user: u32,
    /// For a base relation: the attribute of each result column; otherwise they come in the order of the scan's row.
    pub attributes: Vec<i16>,
    pub binary: bool,
}

impl Plan {
    /// As `custom_private`: this and the query itself, which lives as long as the plan.
    pub fn store<'a>(&self, query: NodeRef<'a, Query>) -> ListRef<'a> {
        list_of([private::to_node(self), query.node()])
    }

    /// Reads back what [`Plan::store`] wrote.
    pub fn load(scan: NodeRef<'_, CustomScan>) -> (Plan, NodeRef<'_, Query>) {
        let query = scan.private().get(1).and_then(|node| node.cast::<Query>());
        (private::from_scan(scan), query.expect("written by `store`"))
    }
}
