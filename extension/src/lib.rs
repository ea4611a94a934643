//! Expanse: PostgreSQL that grows while it is in use.
//!
//! This library is the mechanism: hash maps, bindings, distributed planning and execution, schema
//! changes and the cluster views. Orchestration is the sidecar's. `docs/architecture/` has the whole.
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::missing_safety_doc
)]

mod catalog;
mod copy;
mod ddl;
mod dispatch;
mod error;
mod exchange;
mod hooks;
mod metadata;
mod nodes;
mod objects;
mod operations;
mod pg;
mod plan;
mod planner;
mod rebind;
mod remote;
mod scan;
mod snapshot;
mod state;
mod storage;
mod tables;
mod transaction;
mod views;

pgrx::pg_module_magic!();

/// Called by PostgreSQL when it loads the library.
#[allow(non_snake_case)]
#[no_mangle]
pub extern "C-unwind" fn _PG_init() {
    pg::entry::entry(|| {
        state::settings::define();
        if !state::preloading() {
            error::Error::NotPreloaded.raise();
        }
        state::init();
        rebind::pace::init();
        scan::register();
        hooks::install();
    });
}
