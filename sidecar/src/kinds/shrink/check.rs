//! Whether nodes can leave: who is there, whether the others have room, what would be lost.

use std::time::Duration;

use expanse_core::wire::Operation;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::{lost, Parameters, Shrink};
use crate::cluster::Node;
use crate::executor::{Command, Executor, Weight};
use crate::kinds::disk_space;
use crate::operations::members::members;
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::Context;
use crate::operations::{self, maintenance, Desk, Result};
use crate::postgres::NodeAddress;

/// How long a node that leaves may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What was found out, for all later steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub leaving: Vec<Server>,
    pub staying: Vec<Server>,
    /// The leaving nodes do not answer, and go with their rows.
    pub lost: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub node_id: i32,
    pub node_name: String,
    pub host: String,
    pub port: u16,
}

impl Server {
    fn of(node: &Node) -> Self {
        Self {
            node_id: node.node_id,
            node_name: node.address.node_name.clone(),
            host: node.address.host.clone(),
            port: node.address.port,
        }
    }

    pub fn address(&self) -> NodeAddress {
        NodeAddress {
            node_name: self.node_name.clone(),
            host: self.host.clone(),
            port: self.port,
        }
    }
}

impl Found {
    pub fn of(context: &Context) -> Result<Self> {
        context.noted(context.state::<Shrink>()?.found, "found")
    }

    pub fn names(&self) -> Vec<String> {
        self.leaving.iter().map(|s| s.node_name.clone()).collect()
    }

    pub fn ids(&self) -> Vec<(i32, String)> {
        let leaving = self.leaving.iter();
        leaving.map(|s| (s.node_id, s.node_name.clone())).collect()
    }

    /// A server that stays, this sidecar's own if it does.
    pub fn stays(&self, context: &Context) -> NodeAddress {
        let local = &context.local().node_name;
        let own = self.staying.iter().find(|s| s.node_name == *local);
        own.or(self.staying.first())
            .expect("a node stays, which was checked")
            .address()
    }
}

/// # Errors
/// A [`Refusal`] if the nodes cannot leave.
pub async fn run(context: &Context) -> Result<()> {
    let parameters = context.parameters::<Shrink>()?;
    let found = look(context.executor(), context.local(), &parameters).await?;
    if found.lost {
        let loss = lost::loss(context.executor(), context.local(), &found.names()).await?;
        context
            .change(|entry| entry.operation.result = Some(format!("lost: {loss}")))
            .await?;
    }
    context
        .change_state::<Shrink>(|state| state.found = Some(found))
        .await
}

/// The same before the operation is journaled.
///
/// # Errors
/// A [`Refusal`] if the nodes cannot leave.
pub async fn admit(desk: Desk<'_>, operation: &mut Operation) -> Result<()> {
    let wanted = parameters::<Shrink>(&operation.parameters)
        .map_err(|error| invalid("parameters", &error.to_string()))?;
    look(desk.executor, desk.local, &wanted).await.map(drop)
}

async fn look(executor: &Executor, local: &NodeAddress, wanted: &Parameters) -> Result<Found> {
    let names = wanted.nodes.clone().unwrap_or_default();
    let nodes = members(executor, local).await?;
    for name in &names {
        if !nodes.iter().any(|node| node.name() == name) {
            let node = name.clone();
            return Err(operations::Refusal::UnknownNode { node }.into());
        }
    }
    let (leaving, staying): (Vec<&Node>, Vec<&Node>) = nodes
        .iter()
        .filter(|node| node.active())
        .partition(|node| names.iter().any(|name| name == node.name()));
    if staying.is_empty() || leaving.is_empty() {
        return Err(Refusal::NoNodeLeft { nodes: names }.into());
    }
    let silent = silent(executor, &leaving).await;
    if silent.is_empty() {
        check_room(executor, local, &names, &wanted.layout()).await?;
    } else {
        refuse_loss(executor, local, wanted, &silent, leaving.len()).await?;
    }
    let servers = |nodes: Vec<&Node>| nodes.into_iter().map(Server::of).collect();
    Ok(Found {
        leaving: servers(leaving),
        staying: servers(staying),
        lost: !silent.is_empty(),
    })
}

/// # Errors
/// That a node lacks room, with the figures.
async fn check_room(
    executor: &Executor,
    local: &NodeAddress,
    leaving: &[String],
    layout: &str,
) -> Result<()> {
    const NEEDED: &str = "SELECT target_node, sum(coalesce(byte_estimate, 0))::float8 \
        FROM cluster_plan_shrink($1::text[], $2) GROUP BY 1 ORDER BY 1";
    let command = maintenance("plan the shrink").in_cluster();
    let rows = executor
        .query(local, command, NEEDED, &[&leaving, &layout])
        .await?;
    let nodes = members(executor, local).await?;
    let needs = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    disk_space::check(executor, &nodes, needs).await
}

/// Which of the nodes do not answer.
async fn silent(executor: &Executor, nodes: &[&Node]) -> Vec<String> {
    const LOOK: Command = Command::new("look for a leaving node", Weight::Interactive)
        .safe()
        .limit(ANSWER_LIMIT);
    let mut silent = Vec::new();
    for node in nodes {
        let asked = executor.value::<i32>(&node.address, LOOK, "SELECT 1", &[]);
        // A first try may have met a connection that has been cut meanwhile; the command is repeated.
        let answer = tokio::time::timeout(ANSWER_LIMIT * 2, asked).await;
        if !matches!(answer, Ok(Ok(_))) {
            silent.push(node.name().to_owned());
        }
    }
    silent
}

/// # Errors
/// What would be lost, unless that was accepted.
async fn refuse_loss(
    executor: &Executor,
    local: &NodeAddress,
    wanted: &Parameters,
    silent: &[String],
    leaving: usize,
) -> Result<()> {
    let node = silent[0].clone();
    if wanted.lose_data != Some(true) {
        let loss = lost::loss(executor, local, silent).await?;
        return Err(Refusal::WouldLose { node, loss }.into());
    }
    if silent.len() < leaving {
        return Err(Refusal::SomeAnswer { node }.into());
    }
    Ok(())
}
