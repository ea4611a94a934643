//! `expanse.wait_for_statements`: statements that planned by an older state of a group have ended.
//!
//! A transaction that reads or writes a group holds the group lock until its end. So it is enough to see the
//! transactions end that hold one now; later ones know the newer state. A table that has come from another group may
//! still be used by statements that hold that one's lock, so the locks of groups without tables count too.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::cache::GroupId;
use crate::pg::session;
use crate::pg::wait::pause;
use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// How often the transactions are looked at.
const PAUSE_MS: std::os::raw::c_long = 5;

crate::sql_function! {
    /// `expanse.wait_for_statements(group_id int, timeout_ms int) -> bool`: have they ended in time?
    fn wait_for_statements(args) {
        let group = args.required::<i32>(0, "group_id");
        let timeout = args.required::<i32>(1, "timeout_ms").max(0);
        Some(wait(group, Duration::from_millis(timeout.unsigned_abs().into())))
    }
}

fn wait(group: GroupId, timeout: Duration) -> bool {
    let metadata = cluster();
    let Some(found) = metadata.groups.get(&group) else {
        Error::InvalidParameter {
            parameter: "group_id",
            reason: format!("colocation group {group} does not exist"),
        }
        .raise()
    };
    let deadline = Instant::now() + timeout;
    let locks = metadata
        .groups
        .values()
        .filter(|other| other.version.is_some() && metadata.is_deserted(other.id))
        .map(|other| other.lock)
        .chain([found.lock]);
    let mut holders: Vec<_> = locks.flat_map(holders_of).collect();
    loop {
        // SAFETY: asks without waiting whether a transaction, also a prepared one, has ended.
        holders.retain(|&holder| unsafe { !pg_sys::VirtualXactLock(holder, false) });
        if holders.is_empty() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause(PAUSE_MS);
    }
}

/// Transactions other than this one that hold any lock on a relation of this database.
fn holders_of(relation: pg_sys::Oid) -> Vec<pg_sys::VirtualTransactionId> {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: session::database().to_u32(),
        locktag_field2: relation.to_u32(),
        locktag_field3: 0,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    let mut count = 0;
    // SAFETY: gives a palloc'd array of `count` entries.
    unsafe {
        let conflicts =
            pg_sys::GetLockConflicts(&tag, pg_sys::AccessExclusiveLock as i32, &mut count);
        std::slice::from_raw_parts(conflicts, count.unsigned_abs() as usize).to_vec()
    }
}
