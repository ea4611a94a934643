//! What a connection has to do with the running transaction.
//!
//! # How it works
//! Before a statement is sent, [`enlist`] says what has to precede it: BEGIN with the local isolation level when the
//! transaction meets this node for the first time, SAVEPOINT for each subtransaction it does not know yet.
//! Reads that need neither run without a transaction, or (several of one statement) in a
//! read-only one that ends with the statement.
//!
//! # What is not guaranteed
//! When a function called by a reading statement writes on a node that the statement still reads, later
//! scans of that same statement on that node see the write.
//!
//! A transaction that has written on a node under one role is refused there under another one (XP032).

use crate::error::Error;
use crate::metadata::cache::NodeId;
use crate::pg::session;
use crate::pg::session::transaction;
use crate::pg::session::transaction::Isolation;
use crate::remote::command::Access;
use crate::remote::connection::Connection;
use crate::remote::participant::{Participant, Scope};
use crate::remote::pool;
use crate::transaction::{constraints, serializable, statement};
use pgrx::pg_sys;

/// Makes the connection fit for a statement: what is to be sent before it.
pub fn enlist(connection: &mut Connection, access: Access) -> Vec<String> {
    refuse_other_role(connection);
    join(connection, access)
}

/// The same whatever other roles have done.
pub fn join(connection: &mut Connection, access: Access) -> Vec<String> {
    let mut prelude = Vec::new();
    let scope = wanted(connection, access);
    let another = matches!(connection.participant.scope, Scope::Statement(open) if scope != Scope::Statement(open));
    if another || connection.participant.stale {
        // What the statement still reads is in its buffer: the connection is idle.
        prelude.push("COMMIT".into());
        connection.participant.ended();
    }
    match scope {
        Scope::None => {
            connection.commits_alone = access == Access::WriteAlone;
            return prelude;
        }
        Scope::Statement(_) if !connection.participant.in_transaction() => {
            prelude.push("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".into());
        }
        Scope::Statement(_) => {}
        Scope::Transaction => {
            let joins = !connection.participant.in_transaction();
            if joins {
                serializable::refuse_second(connection);
            }
            let participant = &mut connection.participant;
            if joins {
                prelude.push(begin());
                prelude.extend(constraints::at(1));
                participant.level = 1;
            }
            let nested = transaction::nest_level();
            while participant.level < nested {
                participant.level += 1;
                prelude.push(format!("SAVEPOINT expanse_{}", participant.level));
                if joins {
                    prelude.extend(constraints::at(participant.level));
                }
            }
            participant.wrote |= matches!(access, Access::Write | Access::WriteAlone);
        }
    }
    connection.participant.scope = scope;
    prelude
}

/// Each role has its own connection, which does not see what the transaction has written by another one, and would
/// wait for its locks.
fn refuse_other_role(connection: &Connection) {
    if let Some(before) = pool::written_by_another(connection) {
        Error::OtherRole {
            how: "written on",
            node: connection.node_name.clone(),
            before: role(before),
            now: role(connection.user),
        }
        .raise();
    }
}

/// A schema change waits for all sessions that have read the table, that of another role of this very transaction among them.
pub fn refuse_schema_change() {
    if let Some((node, before)) = pool::used_by_another() {
        Error::OtherRole {
            how: "used",
            node,
            before: role(before),
            now: role(session::user()),
        }
        .raise();
    }
}

fn role(user: pg_sys::Oid) -> String {
    session::role_name(user).unwrap_or_else(|| user.to_string())
}

fn wanted(connection: &Connection, access: Access) -> Scope {
    let current = connection.participant.scope;
    let in_block = transaction::in_block();
    match access {
        _ if current == Scope::Transaction || transaction::has_one_snapshot() => Scope::Transaction,
        // A statement inside another one (of a function) sees what the outer one sees.
        Access::Read | Access::ReadShared if shares_snapshot(&connection.participant) => current,
        Access::Read => Scope::None,
        Access::ReadShared => Scope::Statement(statement::current()),
        Access::WriteAlone if current == Scope::None && !in_block => Scope::None,
        Access::Write | Access::WriteAlone => Scope::Transaction,
    }
}

fn begin() -> String {
    let level = match transaction::isolation() {
        Isolation::Serializable => "SERIALIZABLE",
        Isolation::RepeatableRead => "REPEATABLE READ",
        Isolation::ReadCommitted => "READ COMMITTED",
    };
    let access = if transaction::is_read_only() {
        "READ ONLY"
    } else {
        "READ WRITE"
    };
    let deferrable = if transaction::is_deferrable() {
        " DEFERRABLE"
    } else {
        ""
    };
    format!("BEGIN ISOLATION LEVEL {level} {access}{deferrable}")
}

/// Does the next shared read on this node see the snapshot that earlier ones of its statement saw?
pub fn shares_snapshot(participant: &Participant) -> bool {
    match participant.scope {
        Scope::None => false,
        Scope::Statement(id) => !participant.stale && statement::running(id),
        Scope::Transaction => true,
    }
}

/// Do these nodes hold a snapshot that the running statement shares?
pub fn snapshots_shared(nodes: &[NodeId]) -> bool {
    pool::all_exist(nodes, shares_snapshot)
}
