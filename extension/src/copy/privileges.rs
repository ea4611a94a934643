//! What PostgreSQL checks before a COPY FROM, in its words.

use crate::error::Raised;
use crate::pg::copy::CopyTable;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{self, AttrNumber, CopyStmt, Oid};

/// May the user read files or run programs on the server, if the statement does?
pub fn check_source(copy: NodeRef<'_, CopyStmt>) {
    if copy.file_name().is_none() {
        return;
    }
    let (role, what) = if copy.is_program {
        (
            pg_sys::ROLE_PG_EXECUTE_SERVER_PROGRAM,
            "to or from an external program",
        )
    } else {
        (pg_sys::ROLE_PG_READ_SERVER_FILES, "from a file")
    };
    // SAFETY: a lookup of roles that exist.
    let allowed = unsafe { pg_sys::has_privs_of_role(pg_sys::GetUserId(), Oid::from(role)) };
    if !allowed {
        Raised {
            sqlstate: "42501".into(),
            message: format!("must be superuser or have privileges of a predefined role to COPY {what}"),
            hint: Some(
                "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.".into(),
            ),
            ..Raised::default()
        }
        .raise();
    }
}

/// Checks INSERT on the columns, row security, and that the transaction may write.
pub fn check_table(table: CopyTable, numbers: &[AttrNumber]) {
    table.require_insert(numbers);
    if table.has_row_security() {
        Raised {
            sqlstate: "0A000".into(),
            message: "COPY FROM not supported with row-level security".into(),
            hint: Some("Use INSERT statements instead.".into()),
            ..Raised::default()
        }
        .raise();
    }
    // SAFETY: raises in a transaction that is read only.
    unsafe { pg_sys::PreventCommandIfReadOnly(c"COPY FROM".as_ptr()) };
}
