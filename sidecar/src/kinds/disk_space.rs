//! Whether nodes have room for what they get.

use super::refusal::Refusal;
use crate::cluster::Node;
use crate::executor::Executor;
use crate::operations::{maintenance, Result};

/// Of the free bytes of a node, so much may be filled.
const USABLE: f64 = 0.9;

/// What one node gets, and what it has room for, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    pub node: String,
    pub needed: f64,
    pub free: f64,
}

impl Room {
    pub fn figures(&self) -> String {
        format!(
            "Node \"{}\" would get {:.0} bytes and has {:.0} bytes free, of which {:.0} may be used.",
            self.node,
            self.needed,
            self.free,
            self.free * USABLE
        )
    }
}

/// `needs` says how many bytes each node, by its name, would get.
///
/// # Errors
/// [`Refusal::NoRoom`] with the figures of every node that lacks room.
pub async fn check(executor: &Executor, nodes: &[Node], needs: Vec<(String, f64)>) -> Result<()> {
    const FREE: &str = "SELECT free_bytes::float8 FROM expanse.disk_space()";
    let mut rooms = Vec::new();
    for (name, needed) in needs {
        let Some(node) = nodes.iter().find(|node| node.name() == name) else {
            continue;
        };
        let found = executor
            .query(&node.address, maintenance("look for room"), FREE, &[])
            .await?;
        // A system that does not say is trusted.
        if let Some(free) = found.first() {
            rooms.push(Room {
                node: name,
                needed,
                free: free.get(0),
            });
        }
    }
    match lacking(rooms, "server first with SELECT cluster_expand(...)") {
        None => Ok(()),
        Some(refusal) => Err(refusal.into()),
    }
}

/// The refusal, if one is short of room, with what can be added instead of making room there.
pub fn lacking(rooms: Vec<Room>, add: &'static str) -> Option<Refusal> {
    let mut short = rooms
        .into_iter()
        .filter(|room| room.needed > room.free * USABLE);
    Some(Refusal::NoRoom {
        first: short.next()?,
        others: short.collect(),
        add,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Reason;

    fn room(node: &str, needed: f64, free: f64) -> Room {
        Room {
            node: node.into(),
            needed,
            free,
        }
    }

    #[test]
    fn every_node_that_lacks_room_is_named_with_its_figures() {
        let lacking = |rooms: &[Room]| lacking(rooms.to_vec(), "server");
        assert_eq!(lacking(&[]), None);
        assert_eq!(lacking(&[room("n1", 900.0, 1000.0)]), None);
        let rooms = [
            room("n1", 901.0, 1000.0),
            room("n2", 0.0, 0.0),
            room("n3", 5e9, 1e9),
        ];
        let error = lacking(&rooms).unwrap().to_control();
        assert_eq!(error.sqlstate, expanse_core::sqlstate::INSUFFICIENT_ROOM);
        let detail = error.detail.unwrap();
        assert!(detail.contains("\"n1\" would get 901 bytes and has 1000 bytes free"));
        assert!(detail.contains("\"n3\" would get 5000000000 bytes"));
        assert!(!detail.contains("n2"));
    }
}
