//! What a Route or Modify plan says, read once in a backend and not at each execution.
//!
//! # How it works
//! Every plan carries a number that no other plan of this backend has ([`next_number`]); copies of the plan keep it. The
//! number leads to the decoded statement, the hash function of its key and the functions that read its columns.
//!
//! # Invariants
//! Nothing here depends on the metadata. What the functions allocate lives in a context of its own, deleted with the value.

use crate::dispatch::stream::Stream;
use crate::metadata::bucket::Bucketer;
use crate::pg::catalog::type_collation;
use crate::pg::executor::slot::Slot;
use crate::pg::memory::OwnedContext;
use crate::pg::tree::NodeRef;
use crate::plan::private;
use crate::plan::statement::Statement;
use crate::scan::decode::RowDecoder;
use pgrx::pg_sys::{self, CustomScan, Integer, Oid};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// How many plans are remembered.
const LIMIT: usize = 512;

/// A plan's decoded data.
pub struct Prepared {
    pub statement: Statement,
    /// Hashes the key; `None` when there is none or its type cannot be hashed.
    pub bucketer: Option<RefCell<Bucketer>>,
    decoder: RefCell<Option<RowDecoder>>,
    memory: OwnedContext,
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

/// The data of this plan, which the planner has made.
pub fn prepared(scan: NodeRef<CustomScan>) -> Rc<Prepared> {
    let number = scan
        .private()
        .get(1)
        .and_then(|node| node.cast::<Integer>());
    let number = number.expect("the plan's number").ival;
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&number).cloned()) {
        return known;
    }
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
        let mut prepared = Prepared {
            statement,
            bucketer: None,
            decoder: RefCell::new(None),
            memory: OwnedContext::small(c"expanse statement"),
        };
        let key_type = Oid::from(prepared.statement.key_type);
        if key_type != pg_sys::InvalidOid {
            prepared.bucketer = prepared
                .memory
                .inside(|| Bucketer::new(key_type, type_collation(key_type)).map(RefCell::new));
        }
        prepared
    }

    /// Stores a stream's row in the slot. Its values live in the current memory context.
    pub fn store(&self, stream: &Stream, slot: Slot) {
        let mut decoder = self.decoder.borrow_mut();
        // Every execution of one plan has slots of one shape.
        let decoder = decoder.get_or_insert_with(|| {
            let binary = self.statement.binary;
            self.memory.inside(|| RowDecoder::new(slot, binary))
        });
        decoder.store(stream, slot);
    }
}
