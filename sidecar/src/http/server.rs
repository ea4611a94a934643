//! Listens, within limits: so many connections, so long for a request and for a connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{routes, Site};
use crate::config::HttpConfig;

const CONNECTIONS: usize = 64;
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const CONNECTION_LIMIT: Duration = Duration::from_secs(120);
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Serves until `stop`. A port that is in use is waited for: the node works without HTTP.
pub async fn run(config: HttpConfig, site: Site, stop: CancellationToken) {
    if config.port == 0 {
        return stop.cancelled().await;
    }
    stop.run_until_cancelled(serve(config, site, stop.clone()))
        .await;
}

async fn serve(config: HttpConfig, site: Site, stop: CancellationToken) {
    let listener = listen(&config).await;
    let routes = routes(Arc::new(site));
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = connections.clone().acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "could not accept an HTTP connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_LIMIT)
            .serve_connection(TokioIo::new(stream), service);
        let stop = stop.clone();
        tokio::spawn(async move {
            // How a client ends is its own affair.
            let _ = stop
                .run_until_cancelled(timeout(CONNECTION_LIMIT, connection))
                .await;
            drop(place);
        });
    }
}

async fn listen(config: &HttpConfig) -> TcpListener {
    let ip: IpAddr = config.address.parse().expect("it has been checked");
    let address = SocketAddr::new(ip, config.port);
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                tracing::info!(%address, "serves HTTP");
                return listener;
            }
            Err(error) if !told => {
                told = true;
                tracing::warn!(%address, %error, "could not serve HTTP, tries again");
            }
            Err(_) => {}
        }
        sleep(RETRY_INTERVAL).await;
    }
}
