//! Moving: a DELETE that leaves behind that its rows have moved and not ended.
//!
//! # How it works
//! PostgreSQL's table access method takes a flag for that, `changingPart`, which the executor sets only for partitions. While
//! the DELETE runs, the relation's access method is a copy of its own in which deletions have the flag set.
//! A session that waits for such a row, or meets it in an older snapshot, gets PostgreSQL's own error 40001.
//!
//! # Invariants
//! The relation has its own access method back when the DELETE has run or its (sub)transaction is aborted, both while the
//! executor (or the resource owner of the aborted transaction) still holds the relation open. What PostgreSQL
//! rebuilds in between after an invalidation gets the copy again.

use crate::pg::executor::plan_node::PlanNode;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::session::transaction::nest_level;
use crate::scan::custom::over_child::{callbacks, OverChild};
use crate::scan::custom::{Callbacks, Methods, Scan};
use pgrx::pg_sys::{self, Oid, Relation, TableAmRoutine};
use std::cell::{Cell, RefCell};

pub static MOVING: Methods<MovingScan> = Methods::new(c"Moving");

pub struct MovingScan {
    /// The open relations that the DELETE writes.
    relations: Vec<Relation>,
    begun: bool,
}

impl Scan for MovingScan {
    const CALLBACKS: Callbacks = callbacks::<MovingScan>();

    fn begin(_node: ScanNode<'_>, _flags: i32) -> MovingScan {
        MovingScan {
            relations: Vec::new(),
            begun: false,
        }
    }
}

impl OverChild for MovingScan {
    fn child_begun(&mut self, _node: ScanNode<'_>, child: PlanNode) {
        self.relations = child.written_tables();
    }

    fn is_due(&self) -> bool {
        !self.begun
    }

    fn prepare(&mut self, _node: ScanNode<'_>) {
        self.begun = true;
        self.exchange();
    }

    fn child_ended(&mut self) {
        self.put_back();
    }

    /// The relations are closed after all nodes have ended.
    fn end(&mut self) {
        self.put_back();
    }
}

/// An access method whose deletions say that the rows move.
#[repr(C)]
struct MovingMethod {
    routine: TableAmRoutine,
    own: *const TableAmRoutine,
}

/// A relation that has another access method than its own for now; it is open as long as this is listed.
struct Exchanged {
    relation: Relation,
    oid: Oid,
    method: &'static MovingMethod,
    /// The nest level of the transaction that runs the DELETE.
    level: i32,
}

thread_local! {
    static EXCHANGED: RefCell<Vec<Exchanged>> = const { RefCell::new(Vec::new()) };
    /// One for each access method that was met; they stay.
    static METHODS: RefCell<Vec<&'static MovingMethod>> = const { RefCell::new(Vec::new()) };
}

impl MovingScan {
    fn exchange(&self) {
        watch_relations();
        let level = nest_level();
        for &relation in &self.relations {
            // SAFETY: the relations are open while the executor runs; an access method's table lives as long as the process.
            let (oid, own) = unsafe { ((*relation).rd_id, &*(*relation).rd_tableam) };
            let method = moving(own);
            let one = Exchanged {
                relation,
                oid,
                method,
                level,
            };
            one.apply();
            EXCHANGED.with_borrow_mut(|all| all.push(one));
        }
    }

    /// The relations have their own access methods again, unless a DELETE around this one moves rows of them as well.
    fn put_back(&self) {
        for &relation in &self.relations {
            EXCHANGED.with_borrow_mut(|all| {
                let Some(last) = all.iter().rposition(|one| one.relation == relation) else {
                    return;
                };
                let ended = all.remove(last);
                if !all.iter().any(|one| one.relation == relation) {
                    ended.restore();
                }
            });
        }
    }
}

impl Exchanged {
    fn apply(&self) {
        // SAFETY: the relation is open; methods stay for ever.
        unsafe { (*self.relation).rd_tableam = &self.method.routine };
    }

    /// Called while the relation is still open.
    fn restore(&self) {
        // SAFETY: the relation is open; methods stay for ever.
        unsafe {
            if std::ptr::eq((*self.relation).rd_tableam, &self.method.routine) {
                (*self.relation).rd_tableam = self.method.own;
            }
        }
    }
}

/// The copy that belongs to an access method. That of a copy is itself: a trigger of the DELETE may move rows, too.
fn moving(own: &'static TableAmRoutine) -> &'static MovingMethod {
    METHODS.with_borrow_mut(|methods| {
        let known = methods
            .iter()
            .find(|known| std::ptr::eq(known.own, own) || std::ptr::eq(&known.routine, own));
        if let Some(&known) = known {
            return known;
        }
        let mut routine = *own;
        routine.tuple_delete = Some(delete);
        let made: &'static MovingMethod = Box::leak(Box::new(MovingMethod { routine, own }));
        methods.push(made);
        made
    })
}

#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
unsafe extern "C-unwind" fn delete(
    relation: Relation,
    tid: pg_sys::ItemPointer,
    cid: pg_sys::CommandId,
    snapshot: pg_sys::Snapshot,
    crosscheck: pg_sys::Snapshot,
    wait: bool,
    failure: *mut pg_sys::TM_FailureData,
    _moves: bool,
) -> pg_sys::TM_Result::Type {
    // SAFETY: only the copies name this function, and they begin with the table that the relation points to.
    unsafe {
        let own = (*(*relation).rd_tableam.cast::<MovingMethod>()).own;
        let delete = (*own).tuple_delete.expect("access methods can delete");
        delete(
            relation, tid, cid, snapshot, crosscheck, wait, failure, true,
        )
    }
}

/// A (sub)transaction at nest level `level` is being aborted; what it has opened is still open.
pub fn forget(level: i32) {
    EXCHANGED.with_borrow_mut(|all| {
        let kept = all.iter().take_while(|one| one.level < level).count();
        for ended in all.split_off(kept) {
            if !all.iter().any(|one| one.relation == ended.relation) {
                ended.restore();
            }
        }
    });
}

/// Registers [`rebuilt`] with PostgreSQL, once in a backend.
fn watch_relations() {
    thread_local! {
        static REGISTERED: Cell<bool> = const { Cell::new(false) };
    }
    if !REGISTERED.replace(true) {
        // SAFETY: the callback is a plain function that lives as long as the library.
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(rebuilt), pg_sys::Datum::from(0)) };
    }
}

/// Must not do anything that can fail: it runs while PostgreSQL processes invalidations.
/// PostgreSQL has rebuilt a relation (or, for `InvalidOid`, all that are open): it has its own access method again.
unsafe extern "C-unwind" fn rebuilt(_argument: pg_sys::Datum, relation: Oid) {
    let Ok(()) = EXCHANGED.try_with(|all| {
        let Ok(all) = all.try_borrow() else { return };
        let affected = |one: &&Exchanged| relation == pg_sys::InvalidOid || relation == one.oid;
        all.iter().filter(affected).for_each(Exchanged::apply);
    }) else {
        return;
    };
}
