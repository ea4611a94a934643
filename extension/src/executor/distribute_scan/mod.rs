//! Spread and Distribute: rows computed here go to the nodes they belong to.
//!
//! # How it works
//! [`spread`] sits under PostgreSQL's ModifyTable, gives it this node's rows and hands the others to a [`outbox::Outbox`];
//! [`top`] sits above ModifyTable and empties the outbox when the rows have run out.
//!
//! # Invariants
//! A row is inserted where its key belongs by the metadata under the gate; a replicated table's row on every node.

mod outbox;
mod spread;
mod top;

use pgrx::pg_sys::{self, CustomExecMethods, CustomScanMethods};

/// Method tables are read by several processes of one image and never written.
struct Methods(CustomScanMethods);
// SAFETY: immutable, and backends have one thread.
unsafe impl Sync for Methods {}
struct ExecMethods(CustomExecMethods);
// SAFETY: as above.
unsafe impl Sync for ExecMethods {}

static SPREAD: Methods = Methods(CustomScanMethods {
    CustomName: c"Spread".as_ptr(),
    CreateCustomScanState: Some(spread::create),
});
static DISTRIBUTE: Methods = Methods(CustomScanMethods {
    CustomName: c"Distribute".as_ptr(),
    CreateCustomScanState: Some(top::create),
});

pub fn spread_methods() -> *const CustomScanMethods {
    &SPREAD.0
}

pub fn distribute_methods() -> *const CustomScanMethods {
    &DISTRIBUTE.0
}

/// Makes the names known to PostgreSQL, which looks them up when it reads a plan back.
pub fn register() {
    // SAFETY: the tables live as long as the library.
    unsafe {
        pg_sys::RegisterCustomScanMethods(&SPREAD.0);
        pg_sys::RegisterCustomScanMethods(&DISTRIBUTE.0);
    }
}

/// A table of methods of which only the usual ones are set.
const fn exec_methods(
    name: &'static std::ffi::CStr,
    begin: unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState, *mut pg_sys::EState, i32),
    next: unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState) -> *mut pg_sys::TupleTableSlot,
    end: unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState),
    rescan: unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState),
) -> ExecMethods {
    ExecMethods(CustomExecMethods {
        CustomName: name.as_ptr(),
        BeginCustomScan: Some(begin),
        ExecCustomScan: Some(next),
        EndCustomScan: Some(end),
        ReScanCustomScan: Some(rescan),
        MarkPosCustomScan: None,
        RestrPosCustomScan: None,
        EstimateDSMCustomScan: None,
        InitializeDSMCustomScan: None,
        ReInitializeDSMCustomScan: None,
        InitializeWorkerCustomScan: None,
        ShutdownCustomScan: None,
        ExplainCustomScan: None,
    })
}
