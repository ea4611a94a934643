//! Cancelling what runs on a connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::{CancelToken, NoTls};

use super::NodeAddress;

/// Asks the server to cancel what runs on the token's connection; whether it has acted on that
/// within `limit`.
///
/// The server closes the connection of such a request after it has sent its signal, so from then on
/// nothing can be hit but what was already sent to it: a request that is still on its way would
/// cancel the next command of another caller. (`CancelToken::cancel_query` does not wait.)
pub(super) async fn cancel(token: CancelToken, address: NodeAddress, limit: Duration) -> bool {
    let asked = async {
        if address.host.starts_with('/') {
            let socket = format!("{}/.s.PGSQL.{}", address.host, address.port);
            ask(UnixStream::connect(socket).await?, token).await
        } else {
            let server = (address.host.as_str(), address.port);
            ask(TcpStream::connect(server).await?, token).await
        }
    };
    matches!(timeout(limit, asked).await, Ok(Ok(())))
}

async fn ask(
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    token: CancelToken,
) -> io::Result<()> {
    let sent = token.cancel_query_raw(&mut server, NoTls).await;
    sent.map_err(io::Error::other)?;
    // The server says nothing; this ends when it closes.
    server.read_to_end(&mut Vec::new()).await.map(drop)
}
