//! `expanse.disk_space(directory)`: room on the file system of a directory, or of the data directory.

use pgrx::pg_sys;
use std::ffi::{CStr, CString};

crate::sql_function! {
    /// `expanse.disk_space(directory text) -> setof (free_bytes bigint, total_bytes bigint)`: one row; none where the
    /// system does not say. Without a directory, of the data directory.
    fn disk_space(args) {
        let directory = args.get::<String>(0);
        let rows: Vec<Vec<Option<String>>> = file_system(directory.as_deref())
            .map(|(free, total)| vec![Some(free.to_string()), Some(total.to_string())])
            .into_iter()
            .collect();
        args.set(&rows)
    }
}

/// Bytes that this server may still write, and bytes in all.
fn file_system(directory: Option<&str>) -> Option<(u64, u64)> {
    let given = directory.map(|directory| CString::new(directory).unwrap_or_default());
    // SAFETY: DataDir is a NUL-terminated path from startup on; statvfs writes into a local of its own type, which is
    // read only when it says that it did.
    unsafe {
        let path = match &given {
            Some(given) => given.as_c_str(),
            None => CStr::from_ptr(pg_sys::DataDir),
        };
        let mut found = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return None;
        }
        let found = found.assume_init();
        Some((
            found.f_bavail * found.f_frsize,
            found.f_blocks * found.f_frsize,
        ))
    }
}
