//! What PostgreSQL's isolation tester needs to work on a cluster.
//!
//! # How it works
//! The tester connects all sessions of a spec to one server. Here that is a [`Proxy`] which gives each session to a node
//! of its own: the tester opens its control connection first, then the sessions in the order of the spec, and the name of
//! the spec is in what each connection begins with. The control connection and the first session are on the first node,
//! the second session on the second node, and so on.
//!
//! A step that waits is found by asking `pg_isolation_test_session_is_blocked` on the control connection. PostgreSQL's own
//! function sees the locks of its own server; [`see_waits_of_all_nodes`] replaces it by one that follows the waits over
//! all nodes. Process ids are unique, because all nodes are on one machine.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use expanse_scenarios::kit::Node;

use crate::error::Error;

// PostgreSQL calls the function of this object id, whatever its definition becomes, so it makes room for another one.
const MAKE_ROOM: &str = "ALTER FUNCTION pg_catalog.pg_isolation_test_session_is_blocked(int, int[])
    RENAME TO pg_isolation_test_session_is_blocked_on_this_node";

// Who waits for whom on a node, by the process ids of the sessions they work for.
const IS_BLOCKED: &str = r"CREATE FUNCTION pg_catalog.pg_isolation_test_session_is_blocked(int, int[])
    RETURNS boolean LANGUAGE sql AS $$
        WITH RECURSIVE edge AS MATERIALIZED (
            SELECT e.waiting, e.blocking
            FROM cluster_run_on_nodes($q$
                WITH session AS MATERIALIZED (
                    SELECT pid, CASE WHEN application_name ~ '^expanse:[^:]+:[0-9]+$'
                                     THEN split_part(application_name, ':', 3)::int ELSE pid END AS for_pid
                    FROM pg_stat_activity WHERE backend_type = 'client backend'
                )
                SELECT json_agg(json_build_object('waiting', w.for_pid, 'blocking', b.for_pid))
                FROM pg_locks k JOIN session w ON w.pid = k.pid
                CROSS JOIN LATERAL unnest(pg_blocking_pids(k.pid)) AS p (pid)
                JOIN session b ON b.pid = p.pid
                WHERE NOT k.granted AND w.for_pid <> b.for_pid
            $q$) AS n
            CROSS JOIN LATERAL json_to_recordset(n.result::json) AS e (waiting int, blocking int)
            WHERE n.ok AND n.result <> ''
        ), reach AS (
            SELECT blocking FROM edge WHERE waiting = $1
            UNION
            SELECT edge.blocking FROM reach JOIN edge ON edge.waiting = reach.blocking
        )
        SELECT EXISTS (SELECT FROM reach WHERE blocking = ANY ($2))
    $$";

/// Lets the isolation tester see that a session waits, on whatever node.
///
/// # Errors
/// [`Error::Step`].
pub fn see_waits_of_all_nodes(first_port: u16) -> Result<(), Error> {
    let first = Node::new("n1", first_port, Path::new("")).internal();
    first.run(&[MAKE_ROOM, IS_BLOCKED])?;
    Ok(())
}

/// Gives each session to a node. It goes on until the process ends.
pub struct Proxy {
    pub port: u16,
}

/// How many connections there have been of each spec.
type Connections = Arc<Mutex<HashMap<String, usize>>>;

impl Proxy {
    /// # Errors
    /// [`Error::Proxy`].
    pub fn start(nodes: Vec<u16>) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::Proxy)?;
        let port = listener.local_addr().map_err(Error::Proxy)?.port();
        let connections = Connections::default();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (nodes, connections) = (nodes.clone(), Arc::clone(&connections));
                thread::spawn(move || serve(client, &nodes, &connections));
            }
        });
        Ok(Self { port })
    }
}

fn serve(mut client: TcpStream, nodes: &[u16], connections: &Connections) -> io::Result<()> {
    let startup = startup_message(&mut client)?;
    let number = {
        let name = parameter(&startup, "application_name").unwrap_or_default();
        let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(name).or_default();
        *count += 1;
        *count - 1
    };
    let mut server = TcpStream::connect(("127.0.0.1", nodes[node_of(number, nodes.len())]))?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    server.write_all(&startup)?;
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || relay(from_server, to_client));
    relay(client, server)
}

/// Connection 0 is the control connection, 1 the first session.
fn node_of(connection: usize, nodes: usize) -> usize {
    connection.saturating_sub(1) % nodes
}

/// Until one side has no more to say; then tells the other.
fn relay(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}

/// The first message of a connection: its length, the version of the protocol, parameters.
fn startup_message(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    const LONGEST: usize = 10_000;
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let whole = u32::from_be_bytes(length) as usize;
    if !(8..=LONGEST).contains(&whole) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = length.to_vec();
    message.resize(whole, 0);
    client.read_exact(&mut message[4..])?;
    Ok(message)
}

/// A parameter of a startup message: names and values, each ended by a zero.
fn parameter(startup: &[u8], name: &str) -> Option<String> {
    let mut parts = startup.get(8..)?.split(|byte| *byte == 0);
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if key == name.as_bytes() {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{node_of, parameter};

    #[test]
    fn sessions_go_round() {
        let nodes: Vec<usize> = (0..5).map(|connection| node_of(connection, 3)).collect();
        assert_eq!(nodes, [0, 0, 1, 2, 0]);
    }

    #[test]
    fn parameters_of_a_startup_message() {
        let message = b"\0\0\0\x20\0\x03\0\0user\0postgres\0application_name\0isolation/a\0\0";
        assert_eq!(
            parameter(message, "application_name").as_deref(),
            Some("isolation/a")
        );
        assert_eq!(parameter(message, "nothing"), None);
    }
}
