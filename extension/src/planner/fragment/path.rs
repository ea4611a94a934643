//! Fragments among the planner's paths, and from a path to a plan.

use crate::pg::nodes;
use crate::pg::nodes::length;
use crate::pg::tree::{copy, NodeRef};
use crate::plan::fragment::Plan as ScanPlan;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::query;
use crate::planner::fragment::query::Grouping;
use crate::planner::fragment::top;
use crate::planner::fragment::top::Top;
use crate::planner::fragment::{cost, target};
use crate::scan::fragment_scan;
use pgrx::pg_sys::{self, *};
use std::os::raw::c_int;

/// Our path: PostgreSQL's with what it stands for.
#[repr(C)]
struct FragmentPath {
    custom: CustomPath,
    fragment: *mut Fragment,
    /// What the nodes deliver; null for a base relation, whose columns are the fragment's.
    columns: *mut List,
    references: *mut Index,
    grouping: Option<Grouping>,
    top: Option<Top>,
    /// Conditions over the delivered columns.
    kept: *mut List,
}

struct Methods(CustomPathMethods);
// SAFETY: only function pointers and a static string, never written.
unsafe impl Sync for Methods {}

static METHODS: Methods = Methods(CustomPathMethods {
    CustomName: c"Fragments".as_ptr(),
    PlanCustomPath: Some(plan_path),
    ReparameterizeCustomPathByChild: None,
});

unsafe fn new(
    rel: *mut RelOptInfo,
    target: *mut PathTarget,
    fragment: *mut Fragment,
) -> *mut FragmentPath {
    // SAFETY: palloc0 gives zeroed memory; all-zero is a valid value of every field but the references set here.
    unsafe {
        let path = palloc0(std::mem::size_of::<FragmentPath>()).cast::<FragmentPath>();
        (*path).custom.path.type_ = NodeTag::T_CustomPath;
        (*path).custom.path.pathtype = NodeTag::T_CustomScan;
        (*path).custom.path.parent = rel;
        (*path).custom.path.pathtarget = target;
        (*path).custom.flags = CUSTOMPATH_SUPPORT_PROJECTION;
        (*path).custom.methods = &METHODS.0;
        std::ptr::addr_of_mut!((*path).grouping).write(None);
        std::ptr::addr_of_mut!((*path).top).write(None);
        (*path).fragment = fragment;
        path
    }
}

/// Offers a base relation or a join.
///
/// # Safety
/// `fragment` is the relation's own.
pub unsafe fn offer(_root: *mut PlannerInfo, rel: *mut RelOptInfo, fragment: *mut Fragment) {
    // SAFETY: as the caller promises.
    unsafe {
        let path = new(rel, (*rel).reltarget, fragment);
        if (*rel).relid == 0 {
            (*path).columns = (*fragment).columns;
        }
        (*path).kept = (*fragment).kept;
        let base = std::ptr::addr_of_mut!((*path).custom.path);
        (*base).rows = (*rel).rows;
        let (startup, total) = cost::fetch(
            &*fragment,
            (*fragment).work,
            (*rel).rows,
            (*(*rel).reltarget).width,
        );
        (*base).startup_cost = startup;
        (*base).total_cost = total;
        add_path(rel, base);
    }
}

/// A grouping that the nodes do: `columns` are delivered, `target` is computed from them.
pub struct Grouped {
    pub fragment: *mut Fragment,
    pub columns: *mut PathTarget,
    pub target: *mut PathTarget,
    pub grouping: Grouping,
    pub kept: *mut List,
    pub rows: f64,
}

/// The path of a grouping, to be offered or used as an input.
///
/// # Safety
/// All is valid and of the planner at work.
pub unsafe fn grouped(rel: *mut RelOptInfo, grouped: &Grouped) -> *mut Path {
    // SAFETY: as the caller promises.
    unsafe {
        let path = new(rel, grouped.target, grouped.fragment);
        (*path).columns = (*grouped.columns).exprs;
        (*path).references = (*grouped.columns).sortgrouprefs;
        (*path).grouping = Some(grouped.grouping);
        (*path).kept = grouped.kept;
        let base = std::ptr::addr_of_mut!((*path).custom.path);
        (*base).rows = grouped.rows;
        let work = cost::group(&*grouped.fragment, length((*path).columns));
        let (startup, total) = cost::fetch(
            &*grouped.fragment,
            work,
            grouped.rows,
            (*grouped.columns).width,
        );
        (*base).startup_cost = startup + work / (*grouped.fragment).nodes;
        (*base).total_cost = total;
        base
    }
}

/// The first rows of an order: `columns` are delivered, `target` is computed from them.
pub struct Topmost {
    pub fragment: *mut Fragment,
    pub columns: *mut List,
    pub target: *mut PathTarget,
    pub top: Top,
    pub rows: f64,
}

/// The path of the first rows, to be sorted here.
///
/// # Safety
/// All is valid and of the planner at work.
pub unsafe fn top(rel: *mut RelOptInfo, topmost: &Topmost) -> *mut Path {
    // SAFETY: as the caller promises.
    unsafe {
        let path = new(rel, topmost.target, topmost.fragment);
        (*path).columns = topmost.columns;
        (*path).top = Some(topmost.top);
        let base = std::ptr::addr_of_mut!((*path).custom.path);
        (*base).rows = topmost.rows;
        let work = top::work(&*topmost.fragment, topmost.top.rows);
        let width = (*topmost.target).width;
        let (startup, total) = cost::fetch(&*topmost.fragment, work, topmost.rows, width);
        (*base).startup_cost = startup + work / (*topmost.fragment).nodes;
        (*base).total_cost = total;
        base
    }
}

unsafe extern "C-unwind" fn plan_path(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    best_path: *mut CustomPath,
    tlist: *mut List,
    _clauses: *mut List,
    _custom_plans: *mut List,
) -> *mut pg_sys::Plan {
    // SAFETY: PostgreSQL passes the path that this module made.
    crate::pg::entry::entry(|| unsafe { plan(root, rel, best_path.cast(), tlist) })
}

unsafe fn plan(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    path: *mut FragmentPath,
    tlist: *mut List,
) -> *mut pg_sys::Plan {
    // SAFETY: as the caller promises.
    unsafe {
        let fragment = &*(*path).fragment;
        let base = (*rel).reloptkind == RelOptKind::RELOPT_BASEREL
            || (*rel).reloptkind == RelOptKind::RELOPT_OTHER_MEMBER_REL;
        let columns = if base {
            user_columns(root, rel, fragment)
        } else {
            (*path).columns
        };
        let built = query::build(
            root,
            fragment,
            columns,
            (*path).references,
            (*path).grouping.as_ref(),
            (*path).top.as_ref(),
        );
        let attributes = if base {
            attributes(columns)
        } else {
            Vec::new()
        };
        let about = ScanPlan {
            sql: crate::plan::text::deparse(copy(NodeRef::present(built.query))),
            group: fragment.group,
            user: fragment.user.to_u32(),
            attributes,
            binary: binary(columns),
        };
        let scan = nodes::make::<CustomScan>(NodeTag::T_CustomScan);
        (*scan).methods = fragment_scan::FRAGMENTS.table();
        (*scan).flags = (*path).custom.flags;
        (*scan).scan.plan.targetlist = tlist;
        (*scan).scan.plan.qual = nodes::copy((*path).kept);
        (*scan).custom_exprs = built.params;
        (*scan).custom_private = about.store(NodeRef::present(built.query)).as_ptr();
        (*scan).custom_relids = fragment.members;
        if base {
            (*scan).scan.scanrelid = (*rel).relid;
        } else {
            (*scan).custom_scan_tlist = delivered(columns);
        }
        scan.cast()
    }
}

/// The columns of a table that are to be fetched; all of them for a whole row.
unsafe fn user_columns(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    fragment: &Fragment,
) -> *mut List {
    // SAFETY: a base relation has its range table entry; columns come from the catalog.
    unsafe {
        let mut found: *mut List = std::ptr::null_mut();
        let mut whole = false;
        for var in nodes::items::<Var>(fragment.columns) {
            match (*var).varattno {
                0 => whole = true,
                n if n > 0 => found = lappend(found, var.cast()),
                _ => {}
            }
        }
        if !whole {
            return found;
        }
        let rte = *(*root).simple_rte_array.add((*rel).relid as usize);
        all_columns((*rte).relid, (*rel).relid)
    }
}

unsafe fn all_columns(relation: Oid, rti: Index) -> *mut List {
    let mut all = std::ptr::null_mut();
    // SAFETY: the planner holds a lock on the relation.
    unsafe {
        let opened = table_open(relation, NoLock as c_int);
        let descriptor = (*opened).rd_att;
        for index in 0..(*descriptor).natts as usize {
            let attribute = &*(*descriptor).attrs.as_ptr().add(index);
            if !attribute.attisdropped {
                let var = makeVar(
                    rti as c_int,
                    attribute.attnum,
                    attribute.atttypid,
                    attribute.atttypmod,
                    attribute.attcollation,
                    0,
                );
                all = lappend(all, var.cast());
            }
        }
        table_close(opened, NoLock as c_int);
    }
    all
}

unsafe fn attributes(columns: *mut List) -> Vec<i16> {
    // SAFETY: the columns of a base relation are all Var.
    unsafe {
        nodes::items::<Var>(columns)
            .map(|var| (*var).varattno)
            .collect()
    }
}

/// Binary results where the type has the same OID on every node.
unsafe fn binary(columns: *mut List) -> bool {
    // SAFETY: valid expressions.
    unsafe {
        nodes::items::<Node>(columns).all(|expr| crate::scan::decode::binary_ready(exprType(expr)))
    }
}

unsafe fn delivered(columns: *mut List) -> *mut List {
    let mut entries = std::ptr::null_mut();
    // SAFETY: valid expressions.
    unsafe {
        for (index, expr) in nodes::items::<Expr>(columns).enumerate() {
            let entry = makeTargetEntry(
                nodes::copy(expr),
                index as AttrNumber + 1,
                std::ptr::null_mut(),
                false,
            );
            entries = lappend(entries, entry.cast());
        }
    }
    entries
}

/// The columns a join must deliver, when it can be delivered at all.
///
/// # Safety
/// `rel` is a join relation.
pub unsafe fn join_columns(rel: *mut RelOptInfo, kept: *mut List) -> Option<*mut List> {
    // SAFETY: as the caller promises.
    unsafe {
        target::only_columns((*rel).reltarget).then(|| target::columns((*rel).reltarget, kept))
    }
}
