//! What the snapshot of a statement has to cover.

use super::decide::Way;
use super::facts::QueryFacts;
use super::placement::Placement;

/// Which nodes' rows a statement sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Those of several nodes.
    pub several_nodes: bool,
    /// Fragments of several nodes, and tables that are read here.
    pub mixed: bool,
}

impl Reads {
    /// `original` are the facts of the statement before any rewrite, `rest` those of what the way is for.
    pub fn of(way: &Way, original: &QueryFacts, rest: &QueryFacts, placement: &Placement) -> Self {
        match way {
            Way::Fragments { .. } | Way::Distribute => {
                let several_nodes = original.distributed(placement).next().is_some();
                let here = original.replicated(placement).next().is_some()
                    || rest.needs_this_node(placement);
                Reads {
                    several_nodes,
                    mixed: several_nodes && here,
                }
            }
            Way::Owners { .. } | Way::Everywhere => Reads {
                several_nodes: true,
                mixed: false,
            },
            _ => Reads::default(),
        }
    }
}
