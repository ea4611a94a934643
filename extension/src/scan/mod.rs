//! The custom scans that run statements and fragments.

pub mod custom;
pub mod decode;
pub mod distribute_scan;
pub mod first_scan;
pub mod fragment_scan;
pub mod moving_scan;
pub mod pending;
pub mod statement_scan;

/// Makes the names of all scans known to PostgreSQL; called once at load.
pub fn register() {
    statement_scan::ROUTE.register();
    statement_scan::MODIFY.register();
    distribute_scan::ROUTE_ROWS.register();
    distribute_scan::DISTRIBUTE.register();
    first_scan::FIRST.register();
    moving_scan::MOVING.register();
    fragment_scan::FRAGMENTS.register();
}
