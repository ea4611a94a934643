//! Places at which a test can end this backend as `kill -9` would.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;

static FAULT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));

/// Registers `expanse.fault` (text, default empty, superuser): the place at which the backend is to die.
pub fn define() {
    GucRegistry::define_string_guc(
        c"expanse.fault",
        c"Place at which this backend ends itself by SIGKILL, for tests.",
        c"One of before_prepare, after_prepare, after_local_commit, before_remote_commit; empty: none.",
        &FAULT,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
}

/// Dies here if the setting says so.
pub fn point(name: &str) {
    let wanted = FAULT.get();
    if wanted.is_some_and(|wanted| wanted.as_bytes() == name.as_bytes() && !name.is_empty()) {
        // SAFETY: ends this very process; the postmaster then restarts all backends.
        unsafe { kill(std::process::id() as i32, 9) };
    }
}

extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
}
