//! The cluster that a scenario works on.

use std::fs;
use std::os::unix::fs::{chown, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use expanse_cluster_box::cluster_box::ClusterBox;

use super::failure::{Failure, Outcome};
use super::node::Node;
use super::operation::{Operation, State};
use super::poll::until;
use super::session::block_on;

/// Nodes that a scenario begins with.
pub const NODES: u16 = 3;

/// A running cluster in a box. Clones are the same cluster.
#[derive(Clone)]
pub struct Cluster {
    inside: Arc<ClusterBox>,
}

impl Cluster {
    pub fn new(inside: Arc<ClusterBox>) -> Self {
        Self { inside }
    }

    pub fn directory(&self) -> &Path {
        &self.inside.options().dir
    }

    /// A file of the scenario, beside the servers.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// A program of the PostgreSQL under test, or of Expanse.
    pub fn program(&self, name: &str) -> PathBuf {
        self.inside.options().expansectl.with_file_name(name)
    }

    /// Server `number` of the box, from 1, in the cluster or not.
    pub fn node(&self, number: u16) -> Node {
        let port = self.inside.options().base_port + number - 1;
        Node::new(format!("n{number}"), port, self.directory())
    }

    /// The node by its name, as in `n2`.
    ///
    /// # Errors
    /// [`Failure::Wrong`].
    pub fn named(&self, name: &str) -> Outcome<Node> {
        let number = name
            .strip_prefix('n')
            .and_then(|number| number.parse().ok());
        number
            .map(|number| self.node(number))
            .ok_or_else(|| Failure::Wrong(format!("\"{name}\" is no node of the box")))
    }

    /// The nodes that the box began with.
    pub fn first_nodes(&self) -> Vec<Node> {
        (1..=NODES).map(|number| self.node(number)).collect()
    }

    /// The nodes of the cluster, as its first one sees them.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn nodes(&self) -> Outcome<Vec<Node>> {
        self.nodes_as_seen_by(&self.node(1))
    }

    /// The nodes of the cluster, as that node sees them.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn nodes_as_seen_by(&self, node: &Node) -> Outcome<Vec<Node>> {
        node.ask("SELECT node_name FROM cluster_nodes ORDER BY node_id")?
            .lines()
            .map(|name| self.named(name))
            .collect()
    }

    /// Does every node give this, in a session that sees its own fragments only?
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn all_say(&self, query: &str, wanted: &str) -> Outcome<bool> {
        for node in self.nodes()? {
            if !node.internal().says(query, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The sum of what all nodes give, in sessions that see their own fragments only.
    ///
    /// # Errors
    /// [`Failure::Sql`], [`Failure::Wrong`].
    pub fn sum(&self, query: &str) -> Outcome<i64> {
        self.nodes()?
            .iter()
            .map(|node| node.internal().number(query))
            .sum()
    }

    /// Starts a further server with its sidecar, not yet in the cluster.
    ///
    /// # Errors
    /// [`Failure::Box`].
    pub fn add_server(&self) -> Outcome<Node> {
        let server = block_on(self.inside.add())?;
        Ok(Node::new(server.name, server.port, self.directory()))
    }

    /// Starts whatever does not run.
    ///
    /// # Errors
    /// [`Failure::Box`].
    pub fn restart(&self) -> Outcome {
        Ok(block_on(self.inside.restart())?)
    }

    /// `expansectl` on a node; what it printed.
    ///
    /// # Errors
    /// [`Failure::Wrong`] with all that it wrote.
    pub fn expansectl(&self, node: &Node, arguments: &[&str]) -> Outcome<String> {
        let ran = Command::new(self.program("expansectl"))
            .args(["-p", &node.port.to_string()])
            .args(arguments)
            .output()
            .map_err(Failure::io("starting expansectl"))?;
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        if ran.status.success() {
            return Ok(said);
        }
        let errors = String::from_utf8_lossy(&ran.stderr);
        let command = arguments.join(" ");
        Err(Failure::Wrong(format!(
            "expansectl {command}: {said}{errors}"
        )))
    }

    /// Starts an operation by a statement that gives its id, as in `cluster_rebind('t')`.
    ///
    /// # Errors
    /// [`Failure::Sql`], [`Failure::Wrong`].
    pub fn start(&self, call: &str) -> Outcome<Operation> {
        self.start_on(&self.node(1), call)
    }

    /// As [`Cluster::start`], on that node.
    ///
    /// # Errors
    /// [`Failure::Sql`], [`Failure::Wrong`].
    pub fn start_on(&self, node: &Node, call: &str) -> Outcome<Operation> {
        let id = node.number(&format!("SELECT {call}"))?;
        Ok(Operation::new(id, self.clone()))
    }

    /// Starts an operation and waits for its success.
    ///
    /// # Errors
    /// Those of [`Cluster::start`] and of [`Operation::until_state`].
    pub fn carry_out(&self, call: &str) -> Outcome<Operation> {
        let operation = self.start(call)?;
        operation.until_state(State::Succeeded)?;
        Ok(operation)
    }

    /// One node more: a server is started and joins.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn grow(&self) -> Outcome<Node> {
        let node = self.add_server()?;
        self.expand_by(&node)?;
        Ok(node)
    }

    /// A server of the box joins.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn expand_by(&self, node: &Node) -> Outcome<Operation> {
        self.carry_out(&format!(
            "cluster_expand('{}', '127.0.0.1', {})",
            node.name, node.port
        ))
    }

    /// Makes a directory that belongs to the user of the servers.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn make_directory(&self, path: &Path) -> Outcome {
        let servers = self.node(1).directory().join("data");
        let owner = fs::metadata(&servers).map_err(Failure::io(servers.display().to_string()))?;
        fs::create_dir_all(path).map_err(Failure::io(path.display().to_string()))?;
        chown(path, Some(owner.uid()), Some(owner.gid()))
            .map_err(Failure::io(path.display().to_string()))
    }

    /// Does a file of the embedded coordination store, below a directory that begins so, contain this text?
    ///
    /// # Errors
    /// [`Failure::Io`] if the store cannot be read; entries may go meanwhile.
    pub fn stored(&self, directory: &str, text: &str) -> Outcome<bool> {
        let store = self.file("coordination");
        let entries = fs::read_dir(&store).map_err(Failure::io("reading the store"))?;
        let begins = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(directory)
        };
        let paths = entries.flatten().map(|entry| entry.path()).filter(begins);
        Ok(paths.into_iter().any(|path| file_with(&path, text)))
    }

    /// Lines of all sidecars' logs with their node, node by node.
    pub fn sidecar_logs(&self) -> Vec<(Node, String)> {
        let entries = fs::read_dir(self.directory()).into_iter().flatten();
        let mut nodes: Vec<Node> = entries
            .flatten()
            .filter_map(|entry| self.named(entry.file_name().to_str()?).ok())
            .collect();
        nodes.sort_by_key(|node| node.port);
        let lines_of = |node: Node| {
            let lines = node.sidecar_log();
            lines.into_iter().map(move |line| (node.clone(), line))
        };
        nodes.into_iter().flat_map(lines_of).collect()
    }

    /// Is there a line in the log of any sidecar with all of these parts?
    pub fn logged(&self, parts: &[&str]) -> bool {
        self.sidecar_logs()
            .iter()
            .any(|(_, line)| parts.iter().all(|part| line.contains(part)))
    }

    /// Every row of the table on exactly one node, and nothing of an operation left on any.
    ///
    /// # Errors
    /// [`Failure::Wrong`] with what was found.
    pub fn all_there(&self, table: &str, rows: i64) -> Outcome {
        let found = self.sum(&format!("SELECT count(*) FROM {table}"))?;
        let left = self.left_over()?;
        if found == rows && left == 0 {
            return Ok(());
        }
        Err(Failure::Wrong(format!(
            "{found} rows of {rows} in {table}, {left} things left"
        )))
    }

    /// How many things that only a running operation may have are there, on all nodes.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn left_over(&self) -> Outcome<i64> {
        self.sum(LEFT_OVER)
    }

    /// What pgbench had sent when it was ended is still done: waits until its last session on any node is over.
    ///
    /// # Errors
    /// [`Failure::Late`].
    pub fn until_no_pgbench(&self) -> Outcome {
        const SESSIONS: &str =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'";
        until("no session of pgbench", || self.all_say(SESSIONS, "0"))
    }

    /// What every session on every node does, for a reader who wonders why something does not happen.
    pub fn sessions(&self) -> String {
        const ACTIVITY: &str = "SELECT pid, application_name, state, wait_event_type, wait_event, now() - query_start,
                left(query, 80)
            FROM pg_stat_activity WHERE backend_type = 'client backend' AND (state <> 'idle' OR backend_xid IS NOT NULL)";
        let mut text = String::new();
        for node in self.nodes().unwrap_or_default() {
            let said = node
                .internal()
                .run(&[ACTIVITY, "SELECT 'prepared', * FROM pg_prepared_xacts"]);
            let said = said.unwrap_or_else(|error| error.to_string());
            text.push_str(&format!("{}:\n{said}\n", node.name));
        }
        text
    }
}

/// Is the text in the file, or in a file below the directory?
fn file_with(path: &Path, text: &str) -> bool {
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries
            .into_iter()
            .any(|entry| file_with(&entry.path(), text));
    }
    // It may have gone since it was listed.
    let content = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&content).contains(text)
}

/// How many things that only a running operation may have are on a node.
pub const LEFT_OVER: &str =
    "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) +
    (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_prepared_xacts) +
    (SELECT count(*) FROM expanse.colocation_group WHERE moving_to IS NOT NULL) +
    (SELECT count(*) FROM expanse.cluster WHERE schema_locked_by IS NOT NULL) +
    (SELECT count(*) FROM expanse.node WHERE state <> 'active') +
    (SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready))";
