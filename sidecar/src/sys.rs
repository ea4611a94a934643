//! The operating system: file locks, signals, clocks. The one place of the sidecar with calls that the standard library
//! does not have.
//!
//! Everything here is a thin, safe function over one system call; no decision is made here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// How a file lock excludes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    Shared,
    Exclusive,
}

/// Takes the advisory lock (`flock(2)`) of an open file if no other process holds it against us;
/// whether it was taken. It is released when the file is closed, so at the latest when the process
/// dies, however it dies. Two open files of one process exclude each other as well.
///
/// # Errors
/// Those of the system call, other than that the lock is held.
pub fn try_lock(file: &File, kind: LockKind) -> io::Result<bool> {
    let operation = match kind {
        LockKind::Shared => libc::LOCK_SH,
        LockKind::Exclusive => libc::LOCK_EX,
    };
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed, and flock touches no
        // memory of this process.
        let result = unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) };
        if result == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(false),
            io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// What can be said to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Kill,
}

/// Sends a signal to one process.
///
/// # Errors
/// Those of the system call, such as that there is no such process.
pub fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    // Zero and negative numbers would mean groups of processes.
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let signal = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
    };
    // SAFETY: kill takes two numbers and touches no memory of this process.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Seconds since 1970, UTC.
pub fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Time since some moment in the past, such as the machine's start, that only goes forward
/// (`CLOCK_MONOTONIC`).
pub fn monotonic() -> std::time::Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for the answer for as long as the call takes.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    assert!(result == 0, "CLOCK_MONOTONIC is always there");
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    std::time::Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_exclude_and_end_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = File::create(&path).unwrap();
        let second = File::open(&path).unwrap();
        assert!(try_lock(&first, LockKind::Exclusive).unwrap());
        assert!(!try_lock(&second, LockKind::Shared).unwrap());
        drop(first);
        assert!(try_lock(&second, LockKind::Shared).unwrap());
        let third = File::open(&path).unwrap();
        assert!(try_lock(&third, LockKind::Shared).unwrap());
        assert!(!try_lock(&third, LockKind::Exclusive).unwrap());
    }
}
