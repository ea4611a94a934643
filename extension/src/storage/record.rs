//! The catalog of storages, written on all nodes at once.

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes};
use crate::pg::spi;

crate::sql_function! {
    /// `expanse.record_storage(storage_name text, directory text)`: nothing to do when it is recorded.
    fn record_storage(args) {
        let name = args.required::<String>(0, "storage_name");
        let directory = args.required::<String>(1, "directory");
        let metadata = lock_metadata(&cluster());
        on_all_nodes(
            &metadata,
            &format!("SELECT expanse.put_storage({}, {})", spi::literal(&name), spi::literal(&directory)),
        );
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.forget_storage(storage_name text)`: nothing to do when it is not recorded.
    fn forget_storage(args) {
        let name = args.required::<String>(0, "storage_name");
        let metadata = lock_metadata(&cluster());
        on_all_nodes(&metadata, &format!("SELECT expanse.remove_storage({})", spi::literal(&name)));
        Some(())
    }
}
