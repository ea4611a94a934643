//! `expanse.publish_status` and `expanse.cluster_status`: the sidecar's view, in and out of shared memory.

use crate::error::Error;
use crate::state::status_memory;

crate::sql_function! {
    /// `expanse.publish_status(status text)`: kept until the next one; the SQL declaration takes `jsonb`.
    fn publish_status(args) {
        let status = args.required::<String>(0, "status");
        if !status_memory::store(&status) {
            Error::InvalidParameter {
                parameter: "status",
                reason: format!("its {} bytes are more than expanse.status_memory holds", status.len()),
            }
            .raise();
        }
        Some(())
    }
}

crate::sql_function! {
    /// `expanse.cluster_status() -> text`: what was published last, NULL before that.
    fn cluster_status(args) {
        let _ = args;
        status_memory::fetch()
    }
}
