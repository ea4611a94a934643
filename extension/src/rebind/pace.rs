//! `expanse.limit_copies`: a limit of what the copies of a group send from this node.
//!
//! # How it works
//! The initial copy of a subscription is a `COPY (SELECT ...)` in a WAL sender of the source. PostgreSQL has no limit for
//! it, and stopping its worker starts the copy anew from the first row. So it is slowed where it reads: the hook of the
//! executor runs such a statement a few rows at a time, and between them sleeps as long as the limit wants. Nothing is
//! lost, the target only waits for the next bytes, and the limit can change at any time.
//! The limit of each group is in shared memory, with the moment at which the next bytes are due: all copies of the group
//! on this node share it. A server that is restarted has none; its copies begin anew, and the sidecar sets it again.
//!
//! # What is not guaranteed
//! What is written meanwhile follows without a limit. A setting `track_activities = off` hides how much a copy has sent, and
//! then there is no limit either.
//!
//! # Unwind safety
//! [`may_pace`] and [`bytes_sent`] read plain values; [`wait`] is called in `entry` between two runs of the executor.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::cache::{metadata, GroupId};
use crate::pg::session;
use crate::pg::shared_memory::Segment;
use crate::pg::wait::pause;
use crate::rebind::motion::distributed_group;
use pgrx::pg_sys;
use std::os::raw::c_long;

/// Groups with a limit at the same time.
const SLOTS: usize = 64;
/// Bytes between two looks at the limit.
const PORTION: i64 = 64 << 10;
/// The longest sleep before the limit is looked at again, in microseconds.
const LOOK_US: i64 = 100_000;

#[derive(Clone, Copy)]
#[repr(C)]
struct Slot {
    database: u32,
    group: GroupId,
    /// 0: the slot is free.
    bytes_per_second: i64,
    /// When the next bytes are due: microseconds, as `GetCurrentTimestamp` counts.
    due: i64,
}

static LIMITS: Segment<[Slot; SLOTS]> = Segment::new(c"expanse_limits", || 0, |_| {});

/// Reserves the segment; called once while the library is preloaded.
pub fn init() {
    LIMITS.reserve();
}

crate::sql_function! {
    /// `expanse.limit_copies(group_id int, bytes_per_second bigint)`: NULL takes the limit away.
    fn limit_copies(args) {
        let group = args.required::<i32>(0, "group_id");
        let limit = args.get::<i64>(1);
        if limit.is_some() {
            distributed_group(&cluster(), group);
        }
        if !set(group, limit.map_or(0, |limit| limit.max(1))) {
            Error::InvalidParameter {
                parameter: "group_id",
                reason: format!("{SLOTS} groups have a limit already"),
            }
            .raise();
        }
        Some(())
    }
}

/// False if there is no free slot.
fn set(group: GroupId, bytes_per_second: i64) -> bool {
    let database = database();
    let kept = LIMITS.change(|slots| {
        let known = slots
            .iter()
            .position(|s| s.bytes_per_second > 0 && s.is(database, group));
        let free = || slots.iter().position(|s| s.bytes_per_second == 0);
        match known.or_else(|| (bytes_per_second > 0).then(free).flatten()) {
            Some(at) if slots[at].bytes_per_second != bytes_per_second => {
                slots[at] = Slot {
                    database,
                    group,
                    bytes_per_second,
                    due: 0,
                };
                true
            }
            Some(_) => true,
            None => bytes_per_second == 0,
        }
    });
    kept == Some(true)
}

impl Slot {
    fn is(&self, database: u32, group: GroupId) -> bool {
        self.database == database && self.group == group
    }
}

fn database() -> u32 {
    session::database().to_u32()
}

/// Whether a statement may be a copy with a limit: the cheap question, asked of every statement.
///
/// # Safety
/// The query is one that the executor has started.
pub unsafe fn may_pace(query: *mut pg_sys::QueryDesc, count: u64) -> bool {
    // SAFETY: plain flags of the backend and of the query.
    unsafe {
        pg_sys::am_walsender
            && count == 0
            && (*query).operation == pg_sys::CmdType::CMD_SELECT
            && !(*query).dest.is_null()
            && (*(*query).dest).mydest == pg_sys::CommandDest::DestCopyOut
    }
}

/// The group whose rows the statement reads.
pub fn group_of(query: *mut pg_sys::QueryDesc) -> Option<GroupId> {
    // SAFETY: the planned statement of a started query, with a valid list of relations.
    let relation = unsafe {
        let list = (*(*query).plannedstmt).relationOids;
        if list.is_null() || (*list).length == 0 {
            return None;
        }
        (*(*list).elements).oid_value
    };
    metadata()?.table(relation).map(|table| table.group)
}

/// Bytes that the COPY of this backend has sent.
pub fn bytes_sent() -> i64 {
    // SAFETY: this backend's own entry, which only it writes.
    unsafe {
        if pg_sys::MyBEEntry.is_null() {
            return 0;
        }
        (*pg_sys::MyBEEntry).st_progress_param[pg_sys::PROGRESS_COPY_BYTES_PROCESSED as usize]
    }
}

/// How many rows to send before the next look, when the last ones took so many bytes.
pub fn portion(rows: u64, bytes: i64) -> u64 {
    match bytes {
        ..=0 => rows.clamp(1, 1000),
        bytes => (rows as i128 * i128::from(PORTION) / i128::from(bytes)).clamp(1, 1000) as u64,
    }
}

/// Sleeps until `bytes` more may have been sent of the group.
pub fn wait(group: GroupId, bytes: i64) {
    let database = database();
    let Some(due) = claim(database, group, bytes) else {
        return;
    };
    loop {
        let now = crate::state::now();
        let limited = LIMITS.look(|slots| {
            let known = |s: &&Slot| s.bytes_per_second > 0 && s.is(database, group);
            // Less than what was claimed: the limit has been changed, so the claim is void.
            slots.iter().find(known).is_some_and(|slot| slot.due >= due)
        });
        if now >= due || limited != Some(true) {
            return;
        }
        let left = (due - now).min(LOOK_US);
        pause((left / 1000 + 1) as c_long);
    }
}

/// The moment until which `bytes` last; `None` without a limit.
fn claim(database: u32, group: GroupId, bytes: i64) -> Option<i64> {
    let now = crate::state::now();
    LIMITS.change(|slots| {
        let known = |s: &&mut Slot| s.bytes_per_second > 0 && s.is(database, group);
        let slot = slots.iter_mut().find(known)?;
        let lasts = i128::from(bytes) * 1_000_000 / i128::from(slot.bytes_per_second);
        slot.due = slot.due.max(now) + lasts as i64;
        Some(slot.due)
    })?
}
