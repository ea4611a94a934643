//! Telling the service manager: the `sd_notify` protocol, datagrams to `$NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::Heartbeat;

/// Sends `message` if a service manager listens; whether it does is its own affair.
pub fn send(message: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET") {
        if let Err(error) = send_to(&address.to_string_lossy(), message) {
            tracing::debug!(%error, "could not notify the service manager");
        }
    }
}

fn send_to(address: &str, message: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    socket.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

/// Says that a reload has begun; READY=1 ends it. The time is that of `CLOCK_MONOTONIC`, by which the
/// manager knows that it is its own request that is being answered.
pub fn reloading() {
    let micros = crate::sys::monotonic().as_micros();
    send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// Says that the daemon is alive, at half the interval the service manager asks for, as long as its
/// main loop goes round.
pub async fn watchdog(heartbeat: Heartbeat, stop: CancellationToken) {
    let interval = std::env::var("WATCHDOG_USEC")
        .ok()
        .and_then(|text| text.parse::<u64>().ok())
        .map(|micros| Duration::from_micros(micros / 2));
    let Some(interval) = interval.filter(|i| !i.is_zero()) else {
        return stop.cancelled().await;
    };
    while stop
        .run_until_cancelled(tokio::time::sleep(interval))
        .await
        .is_some()
    {
        if heartbeat.age() < interval * 2 {
            send("WATCHDOG=1");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_address() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("expanse-test-{}", std::process::id());
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send_to(path.to_str().unwrap(), "READY=1").unwrap();
        send_to(&format!("@{name}"), "STOPPING=1").unwrap();
        let mut buffer = [0; 32];
        let length = by_path.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        let length = by_name.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STOPPING=1");
    }
}
