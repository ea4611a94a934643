//! Talking to this server's sidecar over its control socket: one JSON line each way.
//!
//! Every wait ends: at the deadline, or when the session is interrupted.

use crate::error::{Error, Raised};
use crate::state::settings::CONTROL_SOCKET;
use expanse_core::wire::{ControlError, Request, Response};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long the sidecar may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long to sleep in the kernel before interrupts are looked at.
const SLICE: Duration = Duration::from_millis(50);

/// The longest answer that is taken.
const MAX_ANSWER: usize = 64 << 20;

/// Sends a request and gives the answer; raises the sidecar's refusal as it is.
pub fn ask(request: &Request) -> Response {
    let socket = socket_path();
    let mut stream = match UnixStream::connect(&socket) {
        Ok(stream) => stream,
        Err(error) => unreachable(&socket, &error.to_string()),
    };
    let line = serde_json::to_string(request).expect("a request is plain data");
    let answer =
        exchange(&mut stream, &line).unwrap_or_else(|reason| unreachable(&socket, &reason));
    match serde_json::from_str::<Response>(&answer) {
        Ok(response) => response.into_result().unwrap_or_else(|error| raise(error)),
        Err(error) => unreachable(&socket, &format!("its answer is not understood: {error}")),
    }
}

fn socket_path() -> String {
    CONTROL_SOCKET
        .get()
        .map_or_else(String::new, |path| path.to_string_lossy().into_owned())
}

fn unreachable(socket: &str, reason: &str) -> ! {
    Error::SidecarUnreachable {
        socket: socket.into(),
        reason: reason.into(),
    }
    .raise()
}

/// Raises an error of the sidecar or of an operation with its own SQLSTATE.
pub fn raise(error: ControlError) -> ! {
    Raised {
        sqlstate: error.sqlstate,
        message: error.message,
        detail: error.detail,
        hint: error.hint,
        ..Raised::default()
    }
    .raise()
}

fn exchange(stream: &mut UnixStream, line: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| error.to_string();
    stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .map_err(failed)?;
    stream.set_read_timeout(Some(SLICE)).map_err(failed)?;
    stream
        .write_all(format!("{line}\n").as_bytes())
        .map_err(failed)?;
    let deadline = Instant::now() + DEADLINE;
    let mut answer = Vec::new();
    let mut part = [0_u8; 16 << 10];
    loop {
        match stream.read(&mut part) {
            Ok(0) if answer.is_empty() => return Err("it closed the connection".into()),
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error.to_string()),
        }
        if answer.last() == Some(&b'\n') {
            break;
        }
        if answer.len() > MAX_ANSWER {
            return Err("its answer is too long".into());
        }
        pgrx::check_for_interrupts!();
        if Instant::now() >= deadline {
            return Err(format!("no answer within {} s", DEADLINE.as_secs()));
        }
    }
    String::from_utf8(answer).map_err(|error| error.to_string())
}
