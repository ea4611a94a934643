//! What PostgreSQL checks before a COPY FROM, in its words.

use crate::error::Raised;
use pgrx::pg_sys::{self, CopyStmt, List, Oid, ParseState, Relation};
use std::ffi::CStr;

/// A relation's name.
pub fn name_of(relation: Oid) -> String {
    // SAFETY: an existing relation's palloc'd name.
    unsafe { CStr::from_ptr(pg_sys::get_rel_name(relation)) }
        .to_string_lossy()
        .into_owned()
}

/// May the user read files or run programs on the server, if the statement does?
pub unsafe fn check_source(copy: *mut CopyStmt) {
    // SAFETY: PostgreSQL's statement; role lookups.
    let (file, program, user) = unsafe {
        (
            !(*copy).filename.is_null(),
            (*copy).is_program,
            pg_sys::GetUserId(),
        )
    };
    if !file {
        return;
    }
    let (role, what) = if program {
        (
            pg_sys::ROLE_PG_EXECUTE_SERVER_PROGRAM,
            "to or from an external program",
        )
    } else {
        (pg_sys::ROLE_PG_READ_SERVER_FILES, "from a file")
    };
    // SAFETY: as above.
    if !unsafe { pg_sys::has_privs_of_role(user, Oid::from(role)) } {
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

/// Checks INSERT on the columns and row security; the range table entry that the COPY states need is then in `pstate`.
pub unsafe fn check_table(
    pstate: *mut ParseState,
    relation: Relation,
    columns: *mut List,
) -> *mut pg_sys::ParseNamespaceItem {
    // SAFETY: the relation is open and locked; the attribute list was given by the user and is checked by CopyGetAttnums.
    unsafe {
        let item = pg_sys::addRangeTableEntryForRelation(
            pstate,
            relation,
            pg_sys::RowExclusiveLock as i32,
            std::ptr::null_mut(),
            false,
            false,
        );
        let entry = (*item).p_rte;
        (*entry).requiredPerms = pg_sys::ACL_INSERT as _;
        let numbers = pg_sys::CopyGetAttnums((*relation).rd_att, relation, columns);
        for index in 0..numbers_length(numbers) {
            let number = (*(*numbers).elements.add(index)).int_value;
            let member = number - pg_sys::FirstLowInvalidHeapAttributeNumber;
            (*entry).insertedCols = pg_sys::bms_add_member((*entry).insertedCols, member);
        }
        pg_sys::ExecCheckRTPerms((*pstate).p_rtable, true);
        let security = pg_sys::check_enable_rls((*relation).rd_id, pg_sys::InvalidOid, false);
        if security == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32 {
            Raised {
                sqlstate: "0A000".into(),
                message: "COPY FROM not supported with row-level security".into(),
                hint: Some("Use INSERT statements instead.".into()),
                ..Raised::default()
            }
            .raise();
        }
        if pg_sys::XactReadOnly {
            pg_sys::PreventCommandIfReadOnly(c"COPY FROM".as_ptr());
        }
        item
    }
}

/// Length of a list of integers.
pub unsafe fn numbers_length(list: *mut List) -> usize {
    if list.is_null() {
        return 0;
    }
    // SAFETY: a valid list.
    unsafe { (*list).length as usize }
}
