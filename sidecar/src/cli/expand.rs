//! `expand`: servers join the cluster.

use clap::Args;
use serde_json::{json, Value};

use super::{plan, wait, CliError, Target};

#[derive(Args)]
pub struct Expand {
    /// Name of the new node
    #[arg(required_unless_present = "node")]
    pub node_name: Option<String>,
    /// Its address, as the other nodes reach it
    #[arg(required_unless_present = "node", required_unless_present = "dry_run")]
    pub node_host: Option<String>,
    /// Its port
    #[arg(default_value_t = 5432)]
    pub node_port: u16,
    /// Its share of the buckets in proportion to the other nodes' weights
    #[arg(long, default_value_t = 1)]
    pub weight: u32,
    /// Several servers in one new map instead: NAME=HOST:PORT or NAME=HOST:PORT*WEIGHT, as often as wanted
    #[arg(long, conflicts_with = "node_name", value_parser = parse_node)]
    pub node: Vec<Value>,
    /// `minimal` moves the least, `contiguous` keeps one range a node
    #[arg(long, default_value = "minimal", value_parser = ["minimal", "contiguous"])]
    pub layout: String,
    /// Also move all tables to the new hash map
    #[arg(long)]
    pub rebind: bool,
    /// With --rebind: how long the old copies are kept current after each switch, such as "1 hour"
    #[arg(long, default_value = "0", requires = "rebind")]
    pub reversible_for: String,
    /// With --rebind: most that each rebind copies a second, such as 50MB
    #[arg(long, requires = "rebind")]
    pub max_rate: Option<String>,
    /// Only show what the expansion and the rebinds after it would move
    #[arg(long)]
    pub dry_run: bool,
    /// Return at once with the operation's number
    #[arg(long)]
    pub no_wait: bool,
}

impl Expand {
    fn nodes(&self) -> Value {
        match &self.node_name {
            None => json!(self.node),
            Some(name) => json!([{
                "node_name": name,
                "host": self.node_host.clone().unwrap_or_default(),
                "port": self.node_port,
                "weight": self.weight,
            }]),
        }
    }
}

/// `NAME=HOST:PORT` or `NAME=HOST:PORT*WEIGHT`.
fn parse_node(text: &str) -> Result<Value, String> {
    let bad = || format!("\"{text}\" is not NAME=HOST:PORT or NAME=HOST:PORT*WEIGHT");
    let (name, rest) = text.split_once('=').ok_or_else(bad)?;
    let (address, weight) = rest.split_once('*').unwrap_or((rest, "1"));
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    let weight: u32 = weight.parse().map_err(|_| bad())?;
    Ok(json!({ "node_name": name, "host": host, "port": port, "weight": weight }))
}

/// Starts the expansion and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, expand: &Expand) -> Result<(), CliError> {
    let nodes = expand.nodes();
    if expand.dry_run {
        let call = "cluster_plan_expand($1::jsonb, $2::text)";
        return plan::show(target, json, call, &[&nodes, &expand.layout]).await;
    }
    let client = target.connect().await?;
    let row = client
        .query_one(
            "SELECT cluster_expand($1::jsonb, $2::text, $3::bool, $4::text::interval, $5)",
            &[
                &nodes,
                &expand.layout,
                &expand.rebind,
                &expand.reversible_for,
                &expand.max_rate,
            ],
        )
        .await?;
    wait::finish(&client, row.get(0), json, expand.no_wait).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_name_host_port_and_weight() {
        assert_eq!(
            parse_node("n4=10.0.0.4:5432*2"),
            Ok(json!({ "node_name": "n4", "host": "10.0.0.4", "port": 5432, "weight": 2 }))
        );
        assert_eq!(
            parse_node("n4=::1:5432"),
            Ok(json!({ "node_name": "n4", "host": "::1", "port": 5432, "weight": 1 }))
        );
        for bad in [
            "",
            "n4",
            "n4=host",
            "n4=host:x",
            "n4=host:1*x",
            "n4=host:70000",
        ] {
            assert!(parse_node(bad).is_err(), "{bad}");
        }
    }
}
