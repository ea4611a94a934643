//! What a Route or Modify plan says, read once in a backend and not at each execution.
//!
//! # How it works
//! Every plan carries a number that no other plan of this backend has ([`next_number`]); copies of the plan keep it. The
//! number leads to the decoded statement, the hash function of its key and the functions that read its columns.
//!
//! # Invariants
//! Nothing here depends on the metadata. What the functions allocate lives in a context of its own, deleted with the value.

use crate::metadata::bucket::Bucketer;
use crate::pg::tree::NodeRef;
use crate::plan::private;
use crate::plan::statement::Statement;
use crate::scan::rows::Decoder;
use pgrx::pg_sys::{self, CustomScan, Oid};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// How many plans are remembered.
const LIMIT: usize = 512;

/// A plan's decoded data.
pub struct Prepared {
    pub statement: Statement,
    /// Hashes the key; `None` when there is none or its type can not be hashed.
    pub bucketer: Option<RefCell<Bucketer>>,
    decoder: RefCell<Option<Decoder>>,
    context: pg_sys::MemoryContext,
}

thread_local! {
    static KNOWN: RefCell<HashMap<i32, Rc<Prepared>>> = RefCell::default();
    static LAST: Cell<i32> = const { Cell::new(0) };
}

/// A number for a new plan.
pub fn next_number() -> i32 {
    let number = LAST.get().wrapping_add(1);
    LAST.set(number);
    if number == 0 {
        // All numbers have been used: those remembered could come again.
        KNOWN.with_borrow_mut(HashMap::clear);
    }
    number
}

/// The data of this plan.
///
/// # Safety
/// `scan` was made by `planner::statement::wrap`.
pub unsafe fn prepared(scan: *mut CustomScan) -> Rc<Prepared> {
    // SAFETY: the second of the private nodes is an Integer, the plan's number.
    let number = unsafe {
        let value = (*(*(*scan).custom_private).elements.add(1))
            .ptr_value
            .cast::<pg_sys::Integer>();
        (*value).ival
    };
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&number).cloned()) {
        return known;
    }
    // SAFETY: one of our plans.
    let scan = unsafe { NodeRef::present(scan) };
    let new = Rc::new(Prepared::new(private::from_scan(scan)));
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= LIMIT {
            known.clear();
        }
        known.insert(number, new.clone());
    });
    new
}

impl Prepared {
    fn new(statement: Statement) -> Prepared {
        // SAFETY: a small context under one that lives as long as the backend.
        let context = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CacheMemoryContext,
                c"expanse statement".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_SMALL_MAXSIZE as usize,
            )
        };
        let mut prepared = Prepared {
            statement,
            bucketer: None,
            decoder: RefCell::new(None),
            context,
        };
        let key_type = Oid::from(prepared.statement.key_type);
        if key_type != pg_sys::InvalidOid {
            prepared.bucketer = prepared.inside(|| {
                // SAFETY: a catalog lookup.
                let collation = unsafe { pg_sys::get_typcollation(key_type) };
                Bucketer::new(key_type, collation).map(RefCell::new)
            });
        }
        prepared
    }

    /// Runs `make` with this value's own memory.
    fn inside<T>(&self, make: impl FnOnce() -> T) -> T {
        let _back = Switched::to(self.context);
        make()
    }

    /// Stores a stream's row in the slot. Its values live in the current memory context.
    ///
    /// # Safety
    /// `slot` is a virtual slot of the scan's shape.
    pub unsafe fn store(
        &self,
        stream: &crate::dispatch::stream::Stream,
        slot: *mut pg_sys::TupleTableSlot,
    ) {
        let mut decoder = self.decoder.borrow_mut();
        // SAFETY: as promised by the caller; every execution of one plan has slots of one shape.
        unsafe {
            let decoder = decoder.get_or_insert_with(|| {
                self.inside(|| Decoder::new((*slot).tts_tupleDescriptor, self.statement.binary))
            });
            decoder.store(stream, slot);
        }
    }
}

/// Another memory context is the current one, until this is dropped.
struct Switched(pg_sys::MemoryContext);

impl Switched {
    fn to(context: pg_sys::MemoryContext) -> Switched {
        // SAFETY: the context lives at least as long as the caller's borrow of its owner.
        Switched(unsafe { pg_sys::MemoryContextSwitchTo(context) })
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        // SAFETY: the context that was current before, which outlives this frame.
        unsafe { pg_sys::MemoryContextSwitchTo(self.0) };
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: made in `new`, deleted once; at the end of the process PostgreSQL's contexts go first.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::MemoryContextDelete(self.context);
            }
        }
    }
}
