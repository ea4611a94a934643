//! A network between a client and a server that can be broken in several ways.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Whole,
    /// Connections break and new ones are refused.
    Broken,
    /// Nothing arrives any more, and no one is told.
    Silent,
    /// Requests arrive, answers do not.
    Mute,
}

pub struct Proxy {
    pub port: u16,
    network: Arc<watch::Sender<Network>>,
    /// How many times the connections have been broken: a connection that looks late sees it too.
    breaks: Arc<watch::Sender<u64>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(server: u16) -> Self {
        let port = crate::stores::port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let network = Arc::new(watch::Sender::new(Network::Whole));
        let breaks = Arc::new(watch::Sender::new(0));
        let task = tokio::spawn(serve(listener, server, network.clone(), breaks.clone()));
        Self {
            port,
            network,
            breaks,
            task,
        }
    }

    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
        if network == Network::Broken {
            self.breaks.send_modify(|breaks| *breaks += 1);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Network::Broken);
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    server: u16,
    network: Arc<watch::Sender<Network>>,
    breaks: Arc<watch::Sender<u64>>,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            return;
        };
        let mut broken = breaks.subscribe();
        if *network.borrow() == Network::Broken {
            continue;
        }
        let (requests, answers) = (network.subscribe(), network.subscribe());
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = broken.changed() => {}
                () = relay(from_client, to_server, requests, |network| matches!(network, Network::Whole | Network::Mute)) => {}
                () = relay(from_server, to_client, answers, |network| network == Network::Whole) => {}
            }
        });
    }
}

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
