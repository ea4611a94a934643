//! Settings, each with unit and default.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;

/// `expanse.internal` (boolean, default off; superuser): this session executes fragments for another node.
pub static INTERNAL: GucSetting<bool> = GucSetting::<bool>::new(false);

/// `expanse.peer_key` (text, only as a connection begins): what a node shows, so that its session counts as internal whatever
/// user it works for.
pub static PEER_KEY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// `expanse.control_socket` (path, default `/run/expanse/expansed.sock`): where the sidecar of this server listens.
pub static CONTROL_SOCKET: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"/run/expanse/expansed.sock"));

/// `expanse.connect_timeout` (milliseconds, default 5000): how long a connection to another node may take.
pub static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5000);

/// `expanse.status_memory` (kilobytes, default 1024, needs a restart): shared memory for the status of the cluster.
pub static STATUS_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(1024);

/// `expanse.fault` (text, default empty; superuser): a point at which this backend kills itself, for tests of recovery:
/// `before_prepare`, `during_prepare`, `after_prepare`, `before_local_commit`, `after_local_commit`,
/// `before_commit_prepared` or `during_commit_prepared`.
pub static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Registers all settings; called once at load.
pub fn define() {
    GucRegistry::define_string_guc(
        c"expanse.fault",
        c"Point at which this backend kills itself, for tests of recovery.",
        c"Empty for none.",
        &FAULT,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    GucRegistry::define_bool_guc(
        c"expanse.internal",
        c"This session executes fragments for another node.",
        c"Distributed tables are the ordinary local tables they are on this node.",
        &INTERNAL,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    GucRegistry::define_string_guc(
        c"expanse.peer_key",
        c"What a node of the cluster shows when it connects.",
        c"Its session executes fragments for that node.",
        &PEER_KEY,
        GucContext::Backend,
        GucFlags::NO_SHOW_ALL.union(GucFlags::SUPERUSER_ONLY),
    );
    GucRegistry::define_string_guc(
        c"expanse.control_socket",
        c"Unix socket of this server's sidecar.",
        c"Operations such as cluster_expand are handed to the sidecar there.",
        &CONTROL_SOCKET,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"expanse.connect_timeout",
        c"How long a connection to another node may take.",
        c"In milliseconds.",
        &CONNECT_TIMEOUT,
        10,
        600_000,
        GucContext::Userset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"expanse.status_memory",
        c"Shared memory for the status of the cluster.",
        c"In kilobytes.",
        &STATUS_MEMORY,
        64,
        1 << 20,
        GucContext::Postmaster,
        GucFlags::UNIT_KB,
    );
}
