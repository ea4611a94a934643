//! Requests to the sidecars' HTTP servers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::failure::{Failure, Outcome};

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends a request such as `GET /metrics` to a port of this machine.
///
/// # Errors
/// [`Failure::Io`], [`Failure::Wrong`] if the answer is not HTTP.
pub fn request(port: u16, line: &str) -> Outcome<Answer> {
    let whole = exchange(port, line).map_err(Failure::io(format!("{line} on port {port}")))?;
    let (head, body) = whole.split_once("\r\n\r\n").unwrap_or((&whole, ""));
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| Failure::Wrong(format!("{line} on port {port}: {head}")))?;
    Ok(Answer {
        status,
        body: body.replace('\r', ""),
    })
}

fn exchange(port: u16, line: &str) -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
