//! Statements outside the distributed transaction, each on a connection of its own.

use crate::error::Raised;
use crate::pg::wait::{check_for_interrupts, WaitSet};
use crate::remote::command::Rows;
use crate::remote::connect::connect;
use crate::remote::libpq::{c_string, Kind, Pq};

/// A statement at a server that need not be a node yet; the rows of the text's last statement.
pub fn run_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_autonomously(host, port, sql, false)
        .map(|(rows, _)| rows)
        .map_err(|failure| failure.message)
}

/// The same on a node, in an internal session: the statement is about that node's own tables.
pub fn run_internally_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_autonomously(host, port, sql, true)
        .map(|(rows, _)| rows)
        .map_err(|failure| failure.message)
}

/// The same with the whole error, and the command tag.
#[allow(clippy::result_large_err)] // the error is raised at once
pub fn run_autonomously(
    host: &str,
    port: i32,
    sql: &str,
    internal: bool,
) -> Result<(Rows, String), Raised> {
    AutonomousStatement::start(host, port, sql, internal)?.finish()
}

/// A statement that runs; cancelled when it is dropped before its end.
pub struct AutonomousStatement {
    /// Goes before the socket is closed.
    waiter: WaitSet,
    pq: Pq,
    running: bool,
}

impl AutonomousStatement {
    /// Connects and sends it.
    #[allow(clippy::result_large_err)] // the error is raised at once
    pub fn start(
        host: &str,
        port: i32,
        sql: &str,
        internal: bool,
    ) -> Result<AutonomousStatement, Raised> {
        let mut pq = connect(host, port, "autonomous", internal).map_err(lost)?;
        if !pq.send_simple(&c_string(sql)) {
            return Err(lost(pq.error()));
        }
        Ok(AutonomousStatement {
            waiter: WaitSet::new(vec![pq.socket()]),
            pq,
            running: true,
        })
    }

    /// Waits for its end, interruptibly.
    #[allow(clippy::result_large_err)] // the error is raised at once
    pub fn finish(mut self) -> Result<(Rows, String), Raised> {
        let outcome = self.receive();
        self.running = false;
        outcome.map_err(|failure| failure.unwrap_or_else(|| lost(self.pq.error())))
    }

    #[allow(clippy::result_large_err)] // the error is raised at once
    fn receive(&mut self) -> Result<(Rows, String), Option<Raised>> {
        let mut rows = Rows::new();
        let mut tag = String::new();
        loop {
            while self.pq.busy() {
                let flushed = self.pq.flush().ok_or(None)?;
                self.waiter.wait(!flushed, None);
                check_for_interrupts();
                if !self.pq.consume() {
                    return Err(None);
                }
            }
            let Some(answer) = self.pq.result() else {
                return Ok((rows, tag));
            };
            match answer.kind() {
                Kind::Rows | Kind::Command => {
                    tag = answer.tag();
                    rows = (0..answer.rows())
                        .map(|row| (0..answer.columns()).map(|c| answer.text(row, c)).collect())
                        .collect();
                }
                Kind::Error => return Err(Some(answer.report())),
                _ => {
                    return Err(Some(Raised {
                        sqlstate: "0A000".into(),
                        message: "COPY to or from the client is not possible here".into(),
                        ..Raised::default()
                    }))
                }
            }
        }
    }
}

impl Drop for AutonomousStatement {
    fn drop(&mut self) {
        if self.running {
            self.pq.cancel();
        }
    }
}

fn lost(message: String) -> Raised {
    Raised {
        sqlstate: "08006".into(),
        message,
        ..Raised::default()
    }
}
