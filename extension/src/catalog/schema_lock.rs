//! While an operation runs, schema changes of distributed tables are refused: `lock_schema`, `unlock_schema`.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::catalog::groups::schema_locked_by;
use crate::error::Error;

crate::sql_function! {
    /// `expanse.lock_schema(operation bigint)`: waits for schema changes that run, then refuses new ones.
    fn lock_schema(args) {
        let operation = args.required::<i64>(0, "operation");
        let metadata = lock_metadata(&cluster());
        match schema_locked_by() {
            Some(holder) if holder == operation => {}
            Some(holder) => Error::OperationRunning {
                operation: holder,
                what: "it has locked the schema".into(),
            }
            .raise(),
            None => on_all_nodes(&metadata, &format!("SELECT expanse.set_schema_lock({operation})")),
        }
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.unlock_schema(operation bigint)`: nothing to do when it does not hold the lock.
    fn unlock_schema(args) {
        let operation = args.required::<i64>(0, "operation");
        let metadata = lock_metadata(&cluster());
        if schema_locked_by() == Some(operation) {
            on_all_nodes(&metadata, "SELECT expanse.set_schema_lock(NULL)");
        }
        Some(())
    }
}
