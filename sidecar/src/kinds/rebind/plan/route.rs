//! Directions of a rebind's streams, and what a freeze is for.

use super::{MovePlan, Pair};
use crate::cluster::Node;
use crate::operations::Context;
use crate::operations::Result;
use crate::streams::prefix;

/// Where changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the old owners to the new ones: the copy and what is written meanwhile.
    Forward,
    /// From the new owners to the old ones, after the switch: what makes it reversible.
    Back,
}

impl Direction {
    pub fn sender(self, pair: &Pair) -> &str {
        match self {
            Self::Forward => &pair.source,
            Self::Back => &pair.target,
        }
    }

    pub fn receiver(self, pair: &Pair) -> &str {
        match self {
            Self::Forward => &pair.target,
            Self::Back => &pair.source,
        }
    }

    /// What the names of all its streams of one operation begin with.
    pub fn prefix(self, operation_id: i64) -> String {
        let word = match self {
            Self::Forward => "to",
            Self::Back => "back",
        };
        format!("{}{word}_", prefix(operation_id))
    }

    pub fn stream_name(self, operation_id: i64, sender: &Node, receiver: &Node) -> String {
        format!(
            "{}{}_{}",
            self.prefix(operation_id),
            sender.node_id,
            receiver.node_id
        )
    }
}

/// Why writes of the group are held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To bind the group to the new map.
    Switch,
    /// To bind it to the old map again.
    Back,
    /// To see both sides at one moment after the switch.
    Look,
}

impl Purpose {
    /// The streams that must have brought everything over.
    pub fn drains(self) -> Direction {
        match self {
            Self::Switch => Direction::Forward,
            Self::Back | Self::Look => Direction::Back,
        }
    }

    /// The version that the group must be bound to when the freeze begins.
    pub fn begins_with(self, plan: &MovePlan) -> i32 {
        match self {
            Self::Switch => plan.from_version,
            Self::Back | Self::Look => plan.to_version,
        }
    }

    /// The version that the group is bound to by the freeze.
    pub fn binds_to(self, plan: &MovePlan) -> Option<i32> {
        match self {
            Self::Switch => Some(plan.to_version),
            Self::Back => Some(plan.from_version),
            Self::Look => None,
        }
    }

    /// The distribution column that the group's only table has by the freeze, when it changes.
    pub fn binds_by(self, plan: &MovePlan) -> Option<&str> {
        let change = plan.column.as_ref()?;
        match self {
            Self::Switch => Some(&change.to),
            Self::Back => Some(&change.from),
            Self::Look => None,
        }
    }

    /// Whether readers wait too: their plans are of no use when the distribution column has changed.
    pub fn stops_readers(self, plan: &MovePlan) -> bool {
        self.binds_by(plan).is_some()
    }

    /// Whether both sides are to be compared as they are in this freeze.
    pub fn compares(self) -> bool {
        self != Self::Back
    }
}

/// The names of the streams of one direction, by the node that sends them.
///
/// # Errors
/// Those of the local server.
pub async fn senders(
    context: &Context,
    plan: &MovePlan,
    direction: Direction,
) -> Result<Vec<(Node, Vec<String>)>> {
    let nodes = context.nodes().await?;
    let find = |name: &str| nodes.iter().find(|node| node.name() == name);
    Ok(nodes
        .iter()
        .filter_map(|sender| {
            let names: Vec<String> = plan
                .pairs
                .iter()
                .filter(|pair| direction.sender(pair) == sender.name())
                .filter_map(|pair| find(direction.receiver(pair)))
                .map(|receiver| direction.stream_name(context.id(), sender, receiver))
                .collect();
            (!names.is_empty()).then(|| (sender.clone(), names))
        })
        .collect())
}
