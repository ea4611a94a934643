//! A new server on its way into the cluster: registered, given the metadata, or sent away again.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes, on_others};
use crate::error::Error;
use crate::metadata::cache::{Node, NodeId};
use crate::pg::spi;
use crate::remote::autonomous::run_at;

crate::sql_function! {
    /// `expanse.join_node(node_name text, host text, port int, weight int) -> int`: the node's id.
    fn join_node(args) {
        let name = args.required::<String>(0, "node_name");
        let host = args.required::<String>(1, "host");
        let port = args.required::<i32>(2, "port");
        let weight = args.required::<i32>(3, "weight");
        if weight < 1 {
            Error::InvalidParameter { parameter: "weight", reason: "weights begin at 1".into() }.raise();
        }
        let known = find(&name);
        if known.as_ref().is_none_or(|node| node.state != "active") {
            crate::nodes::validate::check_membership(&name, &host, port);
        }
        Some(join(&name, &host, port, weight))
    }
}

/// A node by its name.
pub fn find(name: &str) -> Option<Node> {
    cluster()
        .nodes
        .values()
        .find(|node| node.name == name)
        .cloned()
}

fn join(name: &str, host: &str, port: i32, weight: i32) -> NodeId {
    // Outside of the distributed transaction: the new node must be able to take part in one.
    if let Err(reason) = run_at(host, port, "CREATE EXTENSION IF NOT EXISTS expanse") {
        Error::Unreachable {
            node: name.into(),
            host: host.into(),
            port,
            reason,
        }
        .raise();
    }
    let metadata = lock_metadata(&cluster());
    if let Some(node) = find(name) {
        if node.state == "joining" {
            send_metadata(node.id);
        }
        return node.id;
    }
    // Never an id that was given before: sequences and transactions carry it.
    let id = spi::value("SELECT last_node_id + 1 FROM expanse.cluster")
        .and_then(|text| text.parse().ok())
        .expect("a cluster has had a node");
    on_all_nodes(
        &metadata,
        &format!(
            "SELECT expanse.put_node({id}, {}, {}, {port}, {weight}, 'joining')",
            spi::literal(name),
            spi::literal(host)
        ),
    );
    send_metadata(id);
    id
}

/// Gives a node all the metadata of this one, and its identity; tables that it does not have yet are left out.
pub fn send_metadata(id: NodeId) {
    let metadata = spi::value("SELECT expanse.dump_metadata()").expect("there is always metadata");
    on_others(
        &[id],
        &format!(
            "SELECT expanse.load_metadata({id}, {})",
            spi::literal(&metadata)
        ),
    );
}

crate::sql_function! {
    /// `expanse.abort_join(node_name text)`: undoes `join_node`; nothing to do for an unknown node.
    fn abort_join(args) {
        let name = args.required::<String>(0, "node_name");
        let metadata = lock_metadata(&cluster());
        if let Some(node) = find(&name) {
            if node.state != "joining" {
                Error::InvalidParameter {
                    parameter: "node_name",
                    reason: format!("node \"{name}\" is {}, not joining", node.state),
                }
                .raise();
            }
            on_all_nodes(&metadata, &format!("SELECT expanse.remove_node({})", node.id));
            // A server that does not answer keeps its copy; it is told again when it wants to join once more.
            let told = run_at(&node.host, node.port, "SELECT expanse.clear_metadata()");
            if let Err(reason) = told {
                pgrx::notice!("server {}:{} could not be told: {reason}", node.host, node.port);
            }
        }
        Some(())
    }
}
