//! Moving: a DELETE that leaves behind that its rows have moved and not ended.
//!
//! # How it works
//! PostgreSQL's table access method takes a flag for that, `changingPart`, which the executor sets only for partitions. While
//! the DELETE runs, the relation's access method is a copy of its own in which deletions have the flag set.
//! Who waits for such a row, or meets it in an older snapshot, gets PostgreSQL's own error 40001.
//!
//! # Invariants
//! The relation has its own access method back when the DELETE has run or its (sub)transaction is aborted, both while the
//! executor (or the resource owner of the aborted transaction) still holds the relation open. What PostgreSQL
//! rebuilds in between after an invalidation gets the copy again.

use crate::pg::entry::entry;
use crate::pg::raw;
use crate::scan::custom;
use crate::scan::custom::{ExecMethods, Methods};
use pgrx::pg_sys::{
    self, CustomScan, CustomScanMethods, CustomScanState, EState, ModifyTableState, Node, Oid,
    PlanState, Relation, TableAmRoutine, TupleTableSlot,
};
use std::cell::{Cell, RefCell};

static MOVING: Methods = custom::methods(c"Moving", create);
static EXEC: ExecMethods = custom::exec_methods(c"Moving", begin, next, end, rescan, None);

/// What PostgreSQL sees, with our part behind it.
#[repr(C)]
struct MovingState {
    custom: CustomScanState,
    child: *mut PlanState,
    begun: bool,
}

/// An access method whose deletions say that the rows move.
#[repr(C)]
struct MovingMethod {
    routine: TableAmRoutine,
    own: *const TableAmRoutine,
}

/// A relation that has another access method than its own for now.
struct Exchanged {
    relation: Relation,
    oid: Oid,
    method: *const MovingMethod,
    /// The nest level of the transaction that runs the DELETE.
    level: i32,
}

thread_local! {
    static EXCHANGED: RefCell<Vec<Exchanged>> = const { RefCell::new(Vec::new()) };
    /// One for each access method that was met; they stay.
    static METHODS: RefCell<Vec<&'static MovingMethod>> = const { RefCell::new(Vec::new()) };
}

/// The scan's methods.
pub fn methods() -> &'static CustomScanMethods {
    &MOVING.0
}

/// Makes the name known to PostgreSQL, which looks it up when it reads a plan back.
pub fn register() {
    // SAFETY: the table lives as long as the library.
    unsafe { pg_sys::RegisterCustomScanMethods(&MOVING.0) };
}

unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state before Begin.
    unsafe { custom::new_state::<MovingState>(&EXEC) }
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    // SAFETY: the state that `create` made, of a scan over one plan; nothing droppable lives in this frame.
    unsafe { (*node.cast::<MovingState>()).child = custom::begin_child(node, estate, flags) };
}

unsafe extern "C-unwind" fn next(node: *mut CustomScanState) -> *mut TupleTableSlot {
    let state = node.cast::<MovingState>();
    // SAFETY: begun by `begin`; the child is called by its own function pointer, with nothing droppable in this frame.
    unsafe {
        let child = (*state).child;
        if !(*state).begun {
            (*state).begun = true;
            entry(|| exchange(child.cast()));
        }
        let slot = (*child).ExecProcNode.expect("a begun plan")(child);
        if slot.is_null() || (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0 {
            entry(|| put_back(child.cast()));
        }
        slot
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    // SAFETY: begun by `begin`; the relations are closed after all nodes have ended.
    unsafe {
        let child = (*node.cast::<MovingState>()).child;
        entry(|| put_back(child.cast()));
        raw::ExecEndNode(child);
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    // SAFETY: as in `end`.
    unsafe { raw::ExecReScan((*node.cast::<MovingState>()).child) }
}

/// The open relations that the DELETE writes.
unsafe fn targets(modify: *mut ModifyTableState) -> impl Iterator<Item = Relation> {
    // SAFETY: a begun ModifyTable, which has an array of its result relations.
    unsafe {
        (0..(*modify).mt_nrels as usize)
            .map(move |at| (*(*modify).resultRelInfo.add(at)).ri_RelationDesc)
    }
}

unsafe fn exchange(modify: *mut ModifyTableState) {
    watch_relations();
    // SAFETY: reads a counter of the backend; the relations are open while the executor runs.
    unsafe {
        let level = pg_sys::GetCurrentTransactionNestLevel();
        for relation in targets(modify) {
            let method = moving((*relation).rd_tableam);
            EXCHANGED.with_borrow_mut(|all| {
                all.push(Exchanged {
                    relation,
                    oid: (*relation).rd_id,
                    method,
                    level,
                });
            });
            (*relation).rd_tableam = &(*method).routine;
        }
    }
}

/// The copy that belongs to an access method. That of a copy is itself: a trigger of the DELETE may move rows, too.
unsafe fn moving(own: *const TableAmRoutine) -> *const MovingMethod {
    METHODS.with_borrow_mut(|methods| {
        let known = methods
            .iter()
            .find(|known| known.own == own || std::ptr::eq(&known.routine, own));
        if let Some(&known) = known {
            return std::ptr::from_ref(known);
        }
        // SAFETY: an access method's table lives as long as the process, and is plain data.
        let mut routine = unsafe { std::ptr::read(own) };
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

/// The DELETE's relations have their own access methods again, unless a DELETE around this one moves rows of them as well.
unsafe fn put_back(modify: *mut ModifyTableState) {
    // SAFETY: the relations are open until the executor has ended.
    unsafe {
        for relation in targets(modify) {
            EXCHANGED.with_borrow_mut(|all| {
                let Some(last) = all.iter().rposition(|one| one.relation == relation) else {
                    return;
                };
                let ended = all.remove(last);
                if !all.iter().any(|one| one.relation == relation) {
                    restore(&ended);
                }
            });
        }
    }
}

unsafe fn restore(ended: &Exchanged) {
    // SAFETY: the caller knows that the relation is open; methods stay for ever.
    unsafe {
        if std::ptr::eq((*ended.relation).rd_tableam, &(*ended.method).routine) {
            (*ended.relation).rd_tableam = (*ended.method).own;
        }
    }
}

/// A (sub)transaction at nest level `level` is being aborted; what it has opened is still open.
pub fn forget(level: i32) {
    EXCHANGED.with_borrow_mut(|all| {
        let kept = all.iter().take_while(|one| one.level < level).count();
        for ended in all.split_off(kept) {
            if !all.iter().any(|one| one.relation == ended.relation) {
                // SAFETY: as the caller says.
                unsafe { restore(&ended) };
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
        for one in all.iter() {
            if relation == pg_sys::InvalidOid || relation == one.oid {
                // SAFETY: the relation is open as long as its entry is there.
                unsafe { (*one.relation).rd_tableam = &(*one.method).routine };
            }
        }
    }) else {
        return;
    };
}
