//! Expanse: PostgreSQL that grows while it is in use.
//!
//! This library is the mechanism: hash maps, bindings, distributed planning and execution, schema
//! changes and the cluster views. Orchestration is the sidecar's. `docs/architecture.md` has the whole.
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc
)]

mod catalog;
mod compat;
mod ddl;
mod entry;
mod error;
mod executor;
mod hashmap;
mod hooks;
mod operations;
mod planner;
mod rebind;
mod sql;
mod state;
mod storage;
mod transaction;
mod views;

pgrx::pg_module_magic!();

/// Called by PostgreSQL when it loads the library.
#[allow(non_snake_case)]
#[no_mangle]
pub extern "C-unwind" fn _PG_init() {
    entry::entry(|| {
        state::guc::define();
        if !state::preloading() {
            error::Error::NotPreloaded.raise();
        }
        state::init();
        rebind::pace::init();
        transaction::init();
        executor::fragment_scan::register();
        hooks::install();
    });
}
