//! Scans over nodes that have begun and have not asked the nodes yet.
//!
//! # How it works
//! A cursor's snapshot is that of its DECLARE; on a node it is taken when the scan's text arrives there, which by itself is
//! at the first FETCH. So scans are listed here from their beginning ([`add`]), and those still listed are started
//! ([`start_all`]) after DECLARE CURSOR and before any statement that writes, as their first row would have: by their
//! own resource owner, memory, user and snapshot. Their rows then stream or are put aside as those of any other scan.
//!
//! # Invariants
//! An entry is taken off the list before its scan starts, and goes with its [`Pending`] or its subtransaction.
//!
//! # What is not guaranteed
//! Scans that run once for each row of another one (the inner side of a nested loop) ask the nodes each time, and see
//! what has been written meanwhile. Other sessions' writes between OPEN in a function and its first FETCH are seen.

use crate::error::Raised;
use crate::pg::entry::entry;
use crate::pg::raw::{
    bms_next_member, GetUserIdAndSecContext, PopActiveSnapshot, PushActiveSnapshot,
    SetUserIdAndSecContext,
};
use pgrx::pg_sys::*;
use std::cell::RefCell;
use std::os::raw::c_int;

type Start = unsafe fn(*mut CustomScanState);

#[derive(Clone, Copy)]
struct Waiting {
    scan: *mut CustomScanState,
    start: Start,
    begun_in: SubTransactionId,
    resources: ResourceOwner,
    user: Oid,
}

thread_local! {
    static WAITING: RefCell<Vec<Waiting>> = const { RefCell::new(Vec::new()) };
}

/// A scan's place on the list.
pub struct Pending(*mut CustomScanState);

impl Drop for Pending {
    fn drop(&mut self) {
        let _ = WAITING.try_with(|waiting| {
            if let Ok(mut waiting) = waiting.try_borrow_mut() {
                waiting.retain(|one| one.scan != self.0);
            }
        });
    }
}

/// Lists a scan that PostgreSQL begins; `start` is called with nothing droppable on the stack.
///
/// # Safety
/// `scan` is valid until the result is dropped.
pub unsafe fn add(scan: *mut CustomScanState, flags: c_int, start: Start) -> Option<Pending> {
    if flags & EXEC_FLAG_EXPLAIN_ONLY as c_int != 0 {
        return None;
    }
    // SAFETY: plain reads of the backend's state.
    let one = unsafe {
        Waiting {
            scan,
            start,
            begun_in: GetCurrentSubTransactionId(),
            resources: CurrentResourceOwner,
            user: GetUserId(),
        }
    };
    WAITING.with_borrow_mut(|waiting| waiting.push(one));
    Some(Pending(scan))
}

/// The subtransaction has been rolled back (1: the transaction has ended).
pub fn forget(subtransaction: SubTransactionId) {
    WAITING.with_borrow_mut(|waiting| waiting.retain(|one| one.begun_in < subtransaction));
}

fn any() -> bool {
    WAITING.with_borrow(|waiting| !waiting.is_empty())
}

/// Is this a statement that writes, while scans are listed?
///
/// # Safety
/// `query` is what PostgreSQL starts.
pub unsafe fn concerned_by(query: *mut QueryDesc, flags: c_int) -> bool {
    // SAFETY: a planned statement.
    any()
        && flags & EXEC_FLAG_EXPLAIN_ONLY as c_int == 0
        && unsafe {
            let stmt = (*query).plannedstmt;
            (*query).operation != CmdType::CMD_SELECT || (*stmt).hasModifyingCTE
        }
}

/// Is this a utility statement that writes rows by itself, while scans are listed?
///
/// # Safety
/// A utility statement.
pub unsafe fn concerned_by_utility(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: read as the type that its tag names.
    any()
        && unsafe {
            let node = (*pstmt).utilityStmt;
            crate::is_a!(node, T_CopyStmt) && (*node.cast::<CopyStmt>()).is_from
        }
}

/// Has this utility statement opened a cursor?
///
/// # Safety
/// A utility statement.
pub unsafe fn opened_by(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: as the caller promises.
    any() && unsafe { crate::is_a!((*pstmt).utilityStmt, T_DeclareCursorStmt) }
}

/// Starts all scans that are listed and depend on no other.
///
/// # Safety
/// Called by a hook, outside of [`entry`], with nothing droppable on the stack.
pub unsafe fn start_all() {
    loop {
        let next = entry(take);
        let Some(next) = next else {
            return;
        };
        // SAFETY: a listed scan is valid. An error leaves what is set here to the abort of the (sub)transaction.
        unsafe {
            let estate = (*next.scan).ss.ps.state;
            let (resources, context) = (CurrentResourceOwner, CurrentMemoryContext);
            let (mut user, mut security) = (InvalidOid, 0);
            GetUserIdAndSecContext(&mut user, &mut security);
            PushActiveSnapshot((*estate).es_snapshot);
            CurrentResourceOwner = next.resources;
            CurrentMemoryContext = (*estate).es_query_cxt;
            SetUserIdAndSecContext(next.user, security);
            (next.start)(next.scan);
            SetUserIdAndSecContext(user, security);
            CurrentMemoryContext = context;
            CurrentResourceOwner = resources;
            PopActiveSnapshot();
        }
    }
}

/// The next one that can be started, off the list; those that can not stay.
fn take() -> Option<Waiting> {
    WAITING.with_borrow_mut(|waiting| {
        // SAFETY: listed scans are valid.
        let place = waiting.iter().position(|one| unsafe { ready(one.scan) })?;
        Some(waiting.remove(place))
    })
}

/// Depends the scan on nothing but subqueries that are computed once?
unsafe fn ready(scan: *mut CustomScanState) -> bool {
    // SAFETY: as the caller promises; parameters that a running plan knows have a place.
    unsafe {
        let needed = (*(*scan).ss.ps.plan).extParam;
        let values = (*(*scan).ss.ps.state).es_param_exec_vals;
        let mut number = bms_next_member(needed, -1);
        while number >= 0 {
            if values.is_null() || (*values.add(number as usize)).execPlan.is_null() {
                return false;
            }
            number = bms_next_member(needed, number);
        }
        !(*(*scan).ss.ps.state).es_snapshot.is_null()
    }
}

/// The scan of a cursor could not be started, and its statement's failure has been rolled back since.
pub fn refuse_failed() -> ! {
    Raised {
        sqlstate: "24000".into(),
        message: "cursor can not be read: its start on the nodes has failed".into(),
        hint: Some("Open the cursor anew.".into()),
        ..Raised::default()
    }
    .raise()
}
