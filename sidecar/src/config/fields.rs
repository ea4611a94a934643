//! Every configuration field, documented once.

/// One field of the configuration file.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Section of the file; empty for the top level.
    pub section: &'static str,
    pub name: &'static str,
    /// What the value counts; empty for text.
    pub unit: &'static str,
    pub doc: &'static str,
}

/// Sections, and single fields, that a reload changes in the running daemon; everything else needs a
/// restart.
const RELOADABLE: &[&str] = &["executor", "alarm", "log.filter"];

impl Field {
    /// As it is named on the command line: `section.name`.
    pub fn full_name(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    /// Whether SIGHUP changes it in the running daemon.
    pub fn reloadable(&self) -> bool {
        RELOADABLE.contains(&self.section) && self.name != "retry_reserve"
            || RELOADABLE.contains(&self.full_name().as_str())
    }

    /// Environment variable that sets it: `EXPANSE_SECTION_NAME`.
    pub fn environment(&self) -> String {
        let mut name = String::from("EXPANSE_");
        if !self.section.is_empty() {
            name.push_str(&self.section.to_uppercase());
            name.push('_');
        }
        name + &self.name.to_uppercase()
    }
}

const fn field(
    section: &'static str,
    name: &'static str,
    unit: &'static str,
    doc: &'static str,
) -> Field {
    Field {
        section,
        name,
        unit,
        doc,
    }
}

/// All fields, in the order of the sample file. Their defaults are those of [`super::Config`].
pub const FIELDS: &[Field] = &[
    field("", "node_name", "", "Name of this node. Empty: taken from expanse.local_node as soon as the local server is part of a cluster."),
    field("", "control_socket", "", "Unix socket for the extension and expansectl, for its owner alone. Must equal the server's setting expanse.control_socket."),
    field("", "state_dir", "", "Directory of the local copy of the topology."),
    field("", "topology_dir", "", "Directory mounted from outside, such as a Kubernetes ConfigMap, that may have a topology.json; a change is noticed within 2 s. Empty: none."),
    field("coordination", "url", "", "Coordination store: zookeeper://[user:password@]host:port,host:port/path for several machines, dir:///path for one."),
    field("coordination", "session_timeout_ms", "milliseconds", "After this time without a sign of life a sidecar's ephemeral entries (status, leadership) are gone."),
    field("coordination", "call_timeout_ms", "milliseconds", "Deadline of one call to the store."),
    field("postgres", "host", "", "Local server: directory of its Unix socket, or a host name."),
    field("postgres", "port", "TCP port", "Port of the local server."),
    field("postgres", "user", "", "Superuser that the sidecar connects as, here and on the other nodes."),
    field("postgres", "password", "", "Its password, if the servers ask for one."),
    field("postgres", "dbname", "", "Database that is distributed over the cluster."),
    field("postgres", "bin_dir", "", "Directory of pg_dump, pg_dumpall and psql. Empty: that of the running server if it can be read, else PATH."),
    field("postgres", "connect_timeout_ms", "milliseconds", "Deadline of one attempt to connect to a server."),
    field("executor", "sockets_per_node", "connections", "Most connections to one node at a time, all classes together."),
    field("executor", "critical_sockets", "connections", "Most connections to one node for critical commands: commit recovery, the switch of a rebind."),
    field("executor", "interactive_sockets", "connections", "Most connections to one node for commands that a session waits for."),
    field("executor", "maintenance_sockets", "connections", "Most connections to one node for rebind, expand and clean-up; also the most copies of rebinds that a node sends or receives at a time."),
    field("executor", "background_sockets", "connections", "Most connections to one node for statistics."),
    field("executor", "base_timeout_ms", "milliseconds", "Time that a first try of a command may take, unless the command says otherwise."),
    field("executor", "max_timeout_ms", "milliseconds", "Time that any try may take at most."),
    field("executor", "retries", "tries", "Most repetitions of a command that is safe to repeat."),
    field("executor", "backoff_base_ms", "milliseconds", "Upper end of the random wait before the first repetition; doubles with each."),
    field("executor", "backoff_cap_ms", "milliseconds", "Upper end of the random wait before any repetition."),
    field("executor", "deadline_ms", "milliseconds", "Within this time a command ends, with all its waiting and repetitions, unless the caller says otherwise."),
    field("executor", "retry_budget_percent", "repetitions", "Most repetitions for a hundred successes, for each node."),
    field("executor", "retry_reserve", "repetitions", "Repetitions that a node may cost before the first success."),
    field("executor", "breaker_failures", "failures", "After so many failures of a node in a row commands to it are refused until a probe succeeds."),
    field("executor", "breaker_open_ms", "milliseconds", "Wait before the first probe; doubles with each that fails."),
    field("executor", "breaker_longest_ms", "milliseconds", "Longest wait between two probes."),
    field("operations", "max_write_freeze_ms", "milliseconds", "Longest time that one switch of a rebind may hold up writes, unless the operation says otherwise."),
    field("operations", "lock_timeout_ms", "milliseconds", "Longest wait for one lock of a switch; writers queue behind it for no longer."),
    field("operations", "poll_interval_ms", "milliseconds", "How often a running operation looks at the nodes."),
    field("operations", "give_up_after_ms", "milliseconds", "How long a step is repeated after errors that may pass, before an operation short of its point of no return is undone."),
    field("operations", "switch_attempts", "attempts", "Attempts to switch before a rebind gives up and is undone."),
    field("operations", "copy_rate_under_load", "bytes per second", "What a rebind may still copy while its nodes are very busy; between that and its own speed it is slowed as they are loaded. 0: as fast as it can, whatever the load."),
    field("alarm", "webhook_url", "", "Where critical alarms are posted as JSON when they begin and end: http:// or https://. Empty: nowhere."),
    field("alarm", "webhook_timeout_ms", "milliseconds", "Deadline of one attempt to post."),
    field("http", "address", "", "Address that metrics, health and the status page are served on, read-only and to every client that reaches it."),
    field("http", "port", "TCP port", "Its port. 0: no HTTP."),
    field("log", "format", "", "text or json."),
    field("log", "filter", "", "Level, or tracing directives such as info,expanse_sidecar::operations=debug; the default leaves out what libraries say of what the daemon says itself."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_says_that_it_is_reloadable_exists() {
        for name in RELOADABLE {
            let known = |f: &Field| f.section == *name || f.full_name() == *name;
            assert!(FIELDS.iter().any(known), "{name}");
        }
    }

    #[test]
    fn every_field_is_documented_and_every_documented_field_exists() {
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        let mut actual = Vec::new();
        for (key, value) in &defaults {
            match value.as_table() {
                Some(section) => actual.extend(section.keys().map(|k| format!("{key}.{k}"))),
                None => actual.push(format!(".{key}")),
            }
        }
        let mut documented: Vec<_> = FIELDS
            .iter()
            .map(|f| format!("{}.{}", f.section, f.name))
            .collect();
        actual.sort();
        documented.sort();
        assert_eq!(actual, documented);
    }
}
