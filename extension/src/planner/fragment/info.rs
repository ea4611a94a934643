//! What the planner remembers about a relation that each node can answer on its own data.

use crate::metadata::cache::{GroupId, REPLICATED_GROUP};
use pgrx::pg_sys::*;

/// Tells our private data from a foreign data wrapper's.
const MAGIC: u64 = 0x4578_7061_6e73_6531;

/// Attached to `RelOptInfo.fdw_private`; lives in the planner's memory context.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Fragment {
    magic: u64,
    /// [`REPLICATED_GROUP`] when every member is replicated.
    pub group: GroupId,
    /// Whose privileges apply; `InvalidOid` for the current user.
    pub user: Oid,
    /// Range table indexes of all tables inside.
    pub members: Relids,
    /// `FromExpr.fromlist`.
    pub from: *mut List,
    /// Conditions that the nodes apply, as plain expressions.
    pub quals: *mut List,
    /// Conditions kept here, as plain expressions.
    pub kept: *mut List,
    /// Distribution columns (`Var`) that can be seen from outside.
    pub keys: *mut List,
    /// Those of them that no outer join inside makes null.
    pub solid_keys: *mut List,
    /// Columns (`Var`) that the rest of the plan needs.
    pub columns: *mut List,
    /// Work of all nodes together, without sending the rows.
    pub work: f64,
    pub rows: f64,
    pub width: i32,
    /// Number of nodes that work at once.
    pub nodes: f64,
}

impl Fragment {
    /// An empty fragment of a group.
    pub fn new(group: GroupId, user: Oid) -> Fragment {
        Fragment {
            magic: MAGIC,
            group,
            user,
            members: std::ptr::null_mut(),
            from: std::ptr::null_mut(),
            quals: std::ptr::null_mut(),
            kept: std::ptr::null_mut(),
            keys: std::ptr::null_mut(),
            solid_keys: std::ptr::null_mut(),
            columns: std::ptr::null_mut(),
            work: 0.0,
            rows: 0.0,
            width: 0,
            nodes: 1.0,
        }
    }

    pub fn distributed(&self) -> bool {
        self.group != REPLICATED_GROUP
    }

    /// Moves it to the planner's memory and attaches it to its relation.
    ///
    /// # Safety
    /// `rel` belongs to the planner at work; the current memory context is the planner's.
    pub unsafe fn attach(self, rel: *mut RelOptInfo) -> *mut Fragment {
        // SAFETY: palloc gives enough aligned memory or raises.
        unsafe {
            let place = palloc(std::mem::size_of::<Fragment>()).cast::<Fragment>();
            place.write(self);
            (*rel).fdw_private = place.cast();
            place
        }
    }
}

/// The fragment of a relation, if it has one.
///
/// # Safety
/// `rel` is valid; what a foreign data wrapper attached is at least eight bytes long.
pub unsafe fn of(rel: *const RelOptInfo) -> Option<*mut Fragment> {
    // SAFETY: relations of foreign data wrappers have a routine and are left out.
    unsafe {
        if rel.is_null() || !(*rel).fdwroutine.is_null() {
            return None;
        }
        let place = (*rel).fdw_private.cast::<Fragment>();
        (!place.is_null() && (*place).magic == MAGIC).then_some(place)
    }
}

/// The fragment of a relation whose rows the nodes deliver as they are wanted: of several nodes, with no condition kept here.
/// Conditions without columns are kept: PostgreSQL puts them above the scans and joins of a plan, and these only.
///
/// # Safety
/// As for [`of`], in the planning that `root` is about.
pub unsafe fn finished(root: *const PlannerInfo, rel: *const RelOptInfo) -> Option<*mut Fragment> {
    // SAFETY: as the caller promises.
    unsafe {
        of(rel).filter(|&fragment| {
            (*fragment).distributed()
                && (*fragment).kept.is_null()
                && !(*root).hasPseudoConstantQuals
        })
    }
}
