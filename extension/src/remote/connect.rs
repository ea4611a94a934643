//! Opening a connection to another server.

use crate::metadata::cache::metadata;
use crate::pg::session;
use crate::pg::wait::{check_for_interrupts, wait_once};
use crate::remote::libpq::{c_string, Connecting, Pq};
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

/// Of the other server: its session notices within seconds that this one is gone, also while it waits for a lock, and gives
/// its own locks back.
const SERVER_OPTIONS: &str = " -c client_connection_check_interval=2s -c tcp_keepalives_idle=10 \
     -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20s";

/// As whom to log in, and which role to take there.
struct Login {
    user: String,
    role: Option<String>,
}

/// Connects as the current user; the reason when that fails. `label` tells the other server who asks for what; `internal`
/// marks the session as one that takes distributed tables as the ordinary tables they are there.
pub fn connect(host: &str, port: i32, label: &str, internal: bool) -> Result<Pq, String> {
    let login = login();
    let mut options = String::from(
        "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 \
         -c idle_session_timeout=0 -c default_transaction_isolation=read\\ committed \
         -c default_transaction_read_only=off -c default_transaction_deferrable=off \
         -c array_nulls=on",
    );
    options.push_str(SERVER_OPTIONS);
    if let (true, Some(known)) = (internal, metadata()) {
        options.push_str(&format!(" -c expanse.peer_key={}", known.peer_key));
    }
    if let Some(role) = &login.role {
        options.push_str(&format!(" -c role={}", escape_option(role)));
    }
    let parameters: Vec<(&CStr, CString)> = vec![
        (c"host", c_string(host)),
        (c"port", c_string(&port.to_string())),
        (c"dbname", c_string(&session::database_name())),
        (c"user", c_string(&login.user)),
        (c"application_name", c_string(&format!("expanse:{label}"))),
        (c"options", c_string(&options)),
        (c"client_encoding", c_string(&session::encoding_name())),
        (c"tcp_user_timeout", c_string("15000")),
        (c"keepalives_idle", c_string("10")),
        (c"keepalives_interval", c_string("5")),
        (c"keepalives_count", c_string("3")),
    ];
    let mut pq = Pq::start(&parameters);
    finish(&mut pq)?;
    Ok(pq)
}

fn finish(pq: &mut Pq) -> Result<(), String> {
    let timeout = crate::state::settings::CONNECT_TIMEOUT.get();
    let deadline = Instant::now() + Duration::from_millis(timeout.max(0) as u64);
    // libpq wants the first wait to be for writing.
    let mut writing = true;
    loop {
        if pq.socket() < 0 {
            return Err(reason(pq));
        }
        if !wait_once(pq.socket(), writing, deadline) {
            return Err(format!("no answer within {timeout} ms"));
        }
        check_for_interrupts();
        writing = match pq.poll() {
            Connecting::Read => false,
            Connecting::Write => true,
            Connecting::Done => return Ok(()),
            Connecting::Failed => return Err(reason(pq)),
        };
    }
}

/// libpq's message without the part that repeats host and port.
fn reason(pq: &Pq) -> String {
    let text = pq.error();
    match text.rsplit_once(" failed: ") {
        Some((_, reason)) => reason.trim_start_matches("FATAL: ").trim().to_owned(),
        None => text,
    }
}

/// The current user, or the session user with the current user's role when the current one cannot log in.
fn login() -> Login {
    let user = session::user();
    let name = session::existing_role_name(user);
    if session::can_log_in(user) {
        return Login {
            user: name,
            role: None,
        };
    }
    Login {
        user: session::existing_role_name(session::session_user()),
        role: Some(name),
    }
}

/// A word of `options`: spaces and backslashes are escaped by a backslash.
fn escape_option(word: &str) -> String {
    word.replace('\\', "\\\\").replace(' ', "\\ ")
}
