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
use crate::pg::executor::query::{only_explains, QueryNode};
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::raw::{
    GetUserIdAndSecContext, PopActiveSnapshot, PushActiveSnapshot, SetUserIdAndSecContext,
};
use crate::pg::session;
use crate::pg::session::transaction::subtransaction;
use crate::pg::tree::{NodeRef, Tagged};
use pgrx::pg_sys::*;
use std::cell::RefCell;
use std::os::raw::c_int;

type Start = unsafe fn(*mut CustomScanState);

/// A scan that is listed; it is valid as long as it is.
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

/// Lists a scan that PostgreSQL begins, until the result is dropped; `start` is called with nothing droppable on the stack.
pub fn add(scan: ScanNode<'_>, flags: c_int, start: Start) -> Option<Pending> {
    if only_explains(flags) {
        return None;
    }
    let one = Waiting {
        scan: scan.as_ptr(),
        start,
        begun_in: subtransaction(),
        // SAFETY: a plain variable of the backend.
        resources: unsafe { CurrentResourceOwner },
        user: session::user(),
    };
    WAITING.with_borrow_mut(|waiting| waiting.push(one));
    Some(Pending(one.scan))
}

/// The subtransaction has been rolled back (1: the transaction has ended).
pub fn forget(subtransaction: SubTransactionId) {
    WAITING.with_borrow_mut(|waiting| waiting.retain(|one| one.begun_in < subtransaction));
}

fn any() -> bool {
    WAITING.with_borrow(|waiting| !waiting.is_empty())
}

/// Is this a statement that writes, while scans are listed?
pub fn concerned_by(query: QueryNode<'_>, flags: c_int) -> bool {
    any() && !only_explains(flags) && query.writes()
}

/// Is this a utility statement that writes rows by itself, while scans are listed?
pub fn concerned_by_utility(statement: NodeRef<PlannedStmt>) -> bool {
    any() && utility::<CopyStmt>(statement).is_some_and(|copy| copy.is_from)
}

/// Has this utility statement opened a cursor?
pub fn opened_by(statement: NodeRef<PlannedStmt>) -> bool {
    any() && utility::<DeclareCursorStmt>(statement).is_some()
}

fn utility<T: Tagged>(statement: NodeRef<'_, PlannedStmt>) -> Option<NodeRef<'_, T>> {
    statement.utility_statement()?.cast()
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

/// The next one that can be started, off the list; those that cannot stay.
fn take() -> Option<Waiting> {
    WAITING.with_borrow_mut(|waiting| {
        let place = waiting.iter().position(Waiting::is_ready)?;
        Some(waiting.remove(place))
    })
}

impl Waiting {
    /// Does the scan depend on nothing that still has to be computed for each row of another one?
    fn is_ready(&self) -> bool {
        // SAFETY: a listed scan has begun.
        let scan = unsafe { ScanNode::new(self.scan) };
        scan.depends_on_init_plans_only() && scan.snapshot().is_some()
    }
}

/// The scan of a cursor could not be started, and its statement's failure has been rolled back since.
pub fn refuse_failed() -> ! {
    Raised {
        sqlstate: "24000".into(),
        message: "cannot read cursor because its start on the nodes has failed".into(),
        hint: Some("Open the cursor anew.".into()),
        ..Raised::default()
    }
    .raise()
}
