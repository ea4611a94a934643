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
use crate::remote::command::Access;
use crate::remote::connection::Connection;
use crate::remote::participant::{Participant, Scope};
use crate::remote::pool;
use crate::transaction::{constraints, serializable, statement};
use pgrx::pg_sys;
use std::ffi::CStr;

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
            // SAFETY: reads a counter of the backend.
            let nested = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
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

/// What changes a schema waits for everybody who has read the table, another role of this very transaction among them.
pub fn refuse_schema_change() {
    if let Some((node, before)) = pool::used_by_another() {
        Error::OtherRole {
            how: "used",
            node,
            before: role(before),
            // SAFETY: reads a field of the backend.
            now: role(unsafe { pg_sys::GetUserId() }),
        }
        .raise();
    }
}

fn role(user: pg_sys::Oid) -> String {
    // SAFETY: the name is NUL-terminated; null when the role does not exist any more.
    unsafe {
        let name = pg_sys::GetUserNameFromId(user, true);
        if name.is_null() {
            return user.to_string();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

fn wanted(connection: &Connection, access: Access) -> Scope {
    let current = connection.participant.scope;
    // SAFETY: plain reads of the transaction's state.
    let (one_snapshot, in_block) = unsafe {
        (
            pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32,
            pg_sys::IsTransactionBlock(),
        )
    };
    match access {
        _ if current == Scope::Transaction || one_snapshot => Scope::Transaction,
        // A statement inside another one (of a function) sees what the outer one sees.
        Access::Read | Access::ReadShared if shares_snapshot(&connection.participant) => current,
        Access::Read => Scope::None,
        Access::ReadShared => Scope::Statement(statement::current()),
        Access::WriteAlone if current == Scope::None && !in_block => Scope::None,
        Access::Write | Access::WriteAlone => Scope::Transaction,
    }
}

fn begin() -> String {
    // SAFETY: plain reads of the transaction's state.
    let (level, read_only, deferrable) = unsafe {
        (
            pg_sys::XactIsoLevel,
            pg_sys::XactReadOnly,
            pg_sys::XactDeferrable,
        )
    };
    let level = match level as u32 {
        pg_sys::XACT_SERIALIZABLE => "SERIALIZABLE",
        pg_sys::XACT_REPEATABLE_READ => "REPEATABLE READ",
        _ => "READ COMMITTED",
    };
    let access = if read_only { "READ ONLY" } else { "READ WRITE" };
    let deferrable = if deferrable { " DEFERRABLE" } else { "" };
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
