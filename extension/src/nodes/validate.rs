//! `expanse.check_new_node`: every reason to refuse a new server, before anything changes anywhere.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::cache::Metadata;
use crate::nodes::init::{check_address, SETTINGS};
use crate::pg::spi;
use crate::remote::autonomous::run_at;
use expanse_core::objects::OF_USERS;

crate::sql_function! {
    /// `expanse.check_new_node(node_name text, host text, port int)`.
    fn check_new_node(args) {
        let name = args.required::<String>(0, "node_name");
        let host = args.required::<String>(1, "host");
        let port = args.required::<i32>(2, "port");
        check(&name, &host, port);
        Some(())
    }
}

/// Refuses (raises) a server that cannot become node `name`.
pub fn check(name: &str, host: &str, port: i32) {
    let metadata = cluster();
    check_address(name, host, port);
    if joining(&metadata, name, host, port) {
        return;
    }
    let server = Server { name, host, port };
    server.check_membership();
    server.check_version();
    server.check_extension();
    server.check_settings();
    server.check_empty();
}

/// The same without what changes while a server is being prepared: it has the schema of the cluster by now.
pub fn check_membership(name: &str, host: &str, port: i32) {
    let metadata = cluster();
    check_address(name, host, port);
    if !joining(&metadata, name, host, port) {
        Server { name, host, port }.check_membership();
    }
}

/// Is this server on its way into the cluster already? Refused when its name or address belongs to another node.
fn joining(metadata: &Metadata, name: &str, host: &str, port: i32) -> bool {
    let same_name = metadata.nodes.values().find(|node| node.name == name);
    if let Some(node) = same_name {
        if node.state == "joining" && node.host == host && node.port == port {
            return true;
        }
        Error::NodeExists { node: name.into() }.raise();
    }
    let same_address = metadata
        .nodes
        .values()
        .find(|node| node.host == host && node.port == port);
    if let Some(node) = same_address {
        Error::OtherCluster {
            host: host.into(),
            port,
            node: node.name.clone(),
        }
        .raise();
    }
    false
}

/// The server that wants to join; asked outside of any transaction of ours.
struct Server<'a> {
    name: &'a str,
    host: &'a str,
    port: i32,
}

impl Server<'_> {
    fn ask(&self, sql: &str) -> Option<String> {
        match run_at(self.host, self.port, sql) {
            Ok(rows) => rows.into_iter().next()?.into_iter().next()?,
            Err(reason) => Error::Unreachable {
                node: self.name.into(),
                host: self.host.into(),
                port: self.port,
                reason,
            }
            .raise(),
        }
    }

    fn holds(&self, sql: &str) -> bool {
        self.ask(sql).as_deref() == Some("t")
    }

    fn bad_setting(&self, reason: impl Into<String>, hint: impl Into<String>) -> ! {
        Error::BadSetting {
            host: self.host.into(),
            port: self.port,
            reason: reason.into(),
            hint: hint.into(),
        }
        .raise()
    }

    fn check_membership(&self) {
        if !self.holds("SELECT to_regclass('expanse.local_node') IS NOT NULL") {
            return;
        }
        let node = self.ask(
            "SELECT n.node_name FROM expanse.local_node l JOIN expanse.node n USING (node_id)",
        );
        if let Some(node) = node {
            Error::OtherCluster {
                host: self.host.into(),
                port: self.port,
                node,
            }
            .raise();
        }
    }

    fn check_version(&self) {
        const MAJOR: &str = "SELECT current_setting('server_version_num')::int / 10000";
        let (theirs, ours) = (self.ask(MAJOR), spi::value(MAJOR));
        if theirs != ours {
            Error::VersionMismatch {
                host: self.host.into(),
                port: self.port,
                theirs: theirs.unwrap_or_default(),
                ours: ours.unwrap_or_default(),
            }
            .raise();
        }
    }

    fn check_extension(&self) {
        if !self.holds("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'expanse')")
        {
            self.bad_setting(
                "the extension expanse is not installed",
                "Install the same package of Expanse there.",
            );
        }
        if !self.holds(
            "SELECT 'expanse' = ANY (regexp_split_to_array(replace(current_setting('shared_preload_libraries'), \
             '\"', ''), '\\s*,\\s*'))",
        ) {
            self.bad_setting(
                "expanse is not in shared_preload_libraries",
                "Add 'expanse' to shared_preload_libraries in its postgresql.conf and restart it.",
            );
        }
    }

    fn check_settings(&self) {
        for (holds, reason, hint) in SETTINGS {
            if !self.holds(holds) {
                self.bad_setting(reason, hint);
            }
        }
        if self.holds("SELECT pg_is_in_recovery()") {
            self.bad_setting("it is a standby", "Give a server that takes writes.");
        }
        // Nodes compare and sort for each other.
        const ENCODING: &str =
            "SELECT format('encoding %s, collation %s%s', pg_encoding_to_char(encoding), datcollate, \
                 ' version ' || pg_database_collation_actual_version(oid)) \
             FROM pg_database WHERE datname = current_database()";
        let (theirs, ours) = (self.ask(ENCODING), spi::value(ENCODING));
        if theirs != ours {
            self.bad_setting(
                format!("its database has {}", theirs.unwrap_or_default()),
                format!("The cluster's databases have {}.", ours.unwrap_or_default()),
            );
        }
    }

    fn check_empty(&self) {
        // Nothing that an expansion which is undone would take away with what it has brought.
        let found = self.ask(&format!(
            "SELECT type || ' ' || identity FROM ({OF_USERS}) AS o \
             ORDER BY class = 'pg_class'::regclass DESC, class = 'pg_namespace'::regclass DESC, 1 LIMIT 1"
        ));
        if let Some(found) = found {
            Error::NotEmpty {
                host: self.host.into(),
                port: self.port,
                found,
            }
            .raise();
        }
    }
}
