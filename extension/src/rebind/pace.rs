//! `expanse.limit_copies`: a limit of what the copies of a group send from this node.
//!
//! # How it works
//! The initial copy of a subscription is a `COPY (SELECT ...)` in a WAL sender of the source. PostgreSQL has no limit for
//! it, and a worker that is stopped begins the copy anew from the first row. So it is slowed where it reads: the hook of the
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
//! [`may_pace`] reads plain values; [`wait`] is called in `entry` between two runs of the executor.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::cache::{metadata, GroupId};
use crate::pg::executor::query::QueryNode;
use crate::pg::session;
use crate::pg::shared_memory::Segment;
use crate::pg::wait::pause;
use crate::rebind::motion::distributed_group;
use crate::state::now;
use expanse_core::copy_pace::Due;
use std::os::raw::c_long;

/// Groups with a limit at the same time.
const SLOTS: usize = 64;

#[derive(Clone, Copy)]
#[repr(C)]
struct Slot {
    database: u32,
    group: GroupId,
    /// 0: the slot is free.
    bytes_per_second: i64,
    /// As PostgreSQL's clock counts.
    due: Due,
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
                    due: Due(0),
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
pub fn may_pace(query: QueryNode<'_>, count: u64) -> bool {
    session::is_wal_sender() && count == 0 && query.is_sent_by_copy()
}

/// The group whose rows the statement reads.
pub fn group_of(query: QueryNode<'_>) -> Option<GroupId> {
    let relation = query.statement().relations().iter().next()?;
    metadata()?.table(relation).map(|table| table.group)
}

/// Sleeps until `bytes` more may have been sent of the group.
pub fn wait(group: GroupId, bytes: i64) {
    let database = database();
    let Some(due) = claim(database, group, bytes) else {
        return;
    };
    loop {
        let shared = LIMITS.look(|slots| {
            let known = |s: &&Slot| s.bytes_per_second > 0 && s.is(database, group);
            slots.iter().find(known).map(|slot| slot.due)
        });
        match due.sleep(now(), shared.flatten()) {
            None => return,
            Some(left) => pause((left / 1000 + 1) as c_long),
        }
    }
}

/// The moment until which `bytes` last; `None` without a limit.
fn claim(database: u32, group: GroupId, bytes: i64) -> Option<Due> {
    let now = now();
    LIMITS.change(|slots| {
        let known = |s: &&mut Slot| s.bytes_per_second > 0 && s.is(database, group);
        let slot = slots.iter_mut().find(known)?;
        slot.due = slot.due.after(now, bytes, slot.bytes_per_second);
        Some(slot.due)
    })?
}
