//! A network between the pool and a server that can go away without a word.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Whole,
    /// Nothing arrives any more, in neither direction.
    Silent,
    /// Requests arrive, answers do not.
    Mute,
}

pub struct Proxy {
    pub port: u16,
    network: Arc<watch::Sender<Network>>,
}

impl Proxy {
    pub async fn start(server: u16) -> std::io::Result<Self> {
        Self::slow_to_connect(server, Duration::ZERO).await
    }

    /// One that takes `delay` before a new connection reaches the server.
    pub async fn slow_to_connect(server: u16, delay: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let network = Arc::new(watch::Sender::new(Network::Whole));
        tokio::spawn(serve(listener, server, delay, network.clone()));
        Ok(Self { port, network })
    }

    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn serve(
    listener: TcpListener,
    server: u16,
    delay: Duration,
    network: Arc<watch::Sender<Network>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let network = network.clone();
        tokio::spawn(async move {
            sleep(delay).await;
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let there = relay(from_client, to_server, network.subscribe(), |n| {
                n != Network::Silent
            });
            let back = relay(from_server, to_client, network.subscribe(), |n| {
                n == Network::Whole
            });
            tokio::join!(there, back);
        });
    }
}

/// Ends when one side has no more to say, and tells the other.
async fn relay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
    passes: fn(Network) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(bytes @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if network.wait_for(|network| passes(*network)).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
