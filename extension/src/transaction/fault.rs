//! Points at which a test can let this server crash: `expanse.fault` (superuser, default empty).

/// Kills this backend, and with it (by PostgreSQL's own rule) all others, if the test asked for it here.
pub fn point(name: &str) {
    let wanted = crate::state::settings::FAULT.get();
    if wanted.is_some_and(|wanted| wanted.as_bytes() == name.as_bytes()) {
        // SAFETY: signals this very process.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}
