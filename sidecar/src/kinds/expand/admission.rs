//! What is checked before an expansion gets into the journal.

use expanse_core::wire::Operation;

use super::state::{Expand, Newcomer, Parameters};
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::Result;

/// # Errors
/// [`Error::Refused`](crate::operations::Error::Refused) with the parameter that is wrong.
pub fn admit(operation: &Operation) -> Result<()> {
    let wanted = parameters::<Expand>(&operation.parameters)
        .map_err(|error| invalid("parameters", &error.to_string()))?;
    check(&wanted)
}

fn check(wanted: &Parameters) -> Result<()> {
    let nodes = wanted.nodes.as_ref().filter(|nodes| !nodes.is_empty());
    for node in nodes.ok_or_else(|| invalid("nodes", "it is no list of servers"))? {
        check_node(node)?;
    }
    match wanted.layout() {
        "minimal" | "contiguous" => Ok(()),
        _ => Err(invalid("layout", "it is neither minimal nor contiguous")),
    }
}

fn check_node(node: &Newcomer) -> Result<()> {
    let name = &node.node_name;
    if name.is_empty() || name.len() > 63 || name.contains('/') {
        return Err(invalid(
            "node_name",
            "it is empty, too long or contains a slash",
        ));
    }
    if node.host.is_empty() {
        return Err(invalid("host", "it is missing"));
    }
    if node.port == 0 {
        return Err(invalid("port", "it is not between 1 and 65535"));
    }
    if node.weight < 1 {
        return Err(invalid("weight", "weights begin at 1"));
    }
    Ok(())
}
