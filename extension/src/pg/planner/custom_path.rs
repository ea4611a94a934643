//! Paths of our own: what they stand for travels with them to the making of the plan.

use super::{PathRef, Planner, Rel, Target};
use crate::pg::entry::entry;
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys::{
    self, CustomPath, CustomPathMethods, CustomScan, List, NodeTag, Plan, PlannerInfo, RelOptInfo,
    TargetEntry,
};
use std::ffi::CStr;

/// What a path of ours stands for.
pub trait PlannedByUs: Copy {
    const NAME: &'static CStr;

    /// The plan of the path, which gives `targets`.
    fn plan<'p>(
        &'p self,
        planner: Planner<'p>,
        rel: Rel<'p>,
        targets: ListRef<'p, TargetEntry>,
    ) -> NodeRef<'p, CustomScan>
    where
        Self: 'p;
}

/// The planner's figures for a path.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    pub rows: f64,
    pub startup: f64,
    pub total: f64,
}

/// PostgreSQL's path, and behind it ours.
#[repr(C)]
struct Carrier<T> {
    custom: CustomPath,
    data: T,
}

impl<T: PlannedByUs> Carrier<T> {
    const METHODS: &'static CustomPathMethods = &CustomPathMethods {
        CustomName: T::NAME.as_ptr(),
        PlanCustomPath: Some(plan::<T>),
        ReparameterizeCustomPathByChild: None,
    };
}

/// A new path to a relation that gives `target`, and can compute it from what its scan delivers.
pub fn custom_path<'a, T: PlannedByUs + 'a>(
    rel: Rel<'a>,
    target: Target<'a>,
    estimate: Estimate,
    data: T,
) -> PathRef<'a> {
    let mut custom = CustomPath {
        flags: pg_sys::CUSTOMPATH_SUPPORT_PROJECTION,
        methods: Carrier::<T>::METHODS,
        ..CustomPath::default()
    };
    custom.path.type_ = NodeTag::T_CustomPath;
    custom.path.pathtype = NodeTag::T_CustomScan;
    custom.path.parent = rel.as_ptr();
    custom.path.pathtarget = target.as_ptr();
    custom.path.rows = estimate.rows;
    custom.path.startup_cost = estimate.startup;
    custom.path.total_cost = estimate.total;
    // SAFETY: palloc gives memory of the size, or raises; the path is its first field.
    unsafe {
        let place = pg_sys::palloc(std::mem::size_of::<Carrier<T>>()).cast::<Carrier<T>>();
        place.write(Carrier { custom, data });
        PathRef::new(place.cast())
    }
}

unsafe extern "C-unwind" fn plan<T: PlannedByUs>(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    path: *mut CustomPath,
    targets: *mut List,
    _clauses: *mut List,
    _custom_plans: *mut List,
) -> *mut Plan {
    entry(|| {
        // SAFETY: PostgreSQL passes its own structures, and a path that `custom_path` made with these methods.
        let (planner, rel, data, targets) = unsafe {
            let data = &(*path.cast::<Carrier<T>>()).data;
            (
                Planner::new(root),
                Rel::new(rel),
                data,
                ListRef::new(targets),
            )
        };
        data.plan(planner, rel, targets).as_ptr().cast()
    })
}
