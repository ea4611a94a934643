//! Watches that last longer than ZooKeeper's, which end with their first event.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use zookeeper_client::{Client, Error as ZkError, OneshotWatcher};

use super::calls::{absent_is_none, pause, unless, Read};
use super::Shared;
use crate::coordination::watch::Feed;
use crate::coordination::{Entry, Result, Watch};

/// A value together with ZooKeeper's promise to tell once when it changes.
type Armed<T> = (T, OneshotWatcher);

pub fn arm_entry<'a>(
    client: &'a Client,
    path: &'a str,
) -> BoxFuture<'a, std::result::Result<Armed<Option<Entry>>, ZkError>> {
    Box::pin(async move {
        client.sync(path).await?;
        loop {
            match absent_is_none(client.get_and_watch_data(path).await)? {
                Some((data, stat, watcher)) => {
                    return Ok((Some(super::entry(client, data, &stat)), watcher));
                }
                None => {
                    if let (None, watcher) = client.check_and_watch_stat(path).await? {
                        return Ok((None, watcher));
                    }
                }
            }
        }
    })
}

pub fn arm_children<'a>(
    client: &'a Client,
    path: &'a str,
) -> BoxFuture<'a, std::result::Result<Armed<Vec<String>>, ZkError>> {
    Box::pin(async move {
        client.sync(path).await?;
        loop {
            match absent_is_none(client.list_and_watch_children(path).await)? {
                Some((mut names, watcher)) => {
                    names.sort();
                    return Ok((names, watcher));
                }
                None => {
                    if let (None, watcher) = client.check_and_watch_stat(path).await? {
                        return Ok((Vec::new(), watcher));
                    }
                }
            }
        }
    })
}

/// A watch on what `arm` reads at `path`.
pub async fn follow<T>(shared: &Arc<Shared>, path: &str, arm: Read<Armed<T>>) -> Result<Watch<T>>
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let (value, watcher) = shared.read("watch", path, arm).await?;
    let (feed, watch) = Watch::new(value);
    tokio::spawn(serve(shared.clone(), path.to_owned(), arm, feed, watcher));
    Ok(watch)
}

async fn serve<T>(
    shared: Arc<Shared>,
    path: String,
    arm: Read<Armed<T>>,
    feed: Feed<T>,
    armed: OneshotWatcher,
) where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let stopped = feed.stopped.clone();
    let work = async {
        let mut armed = Some(armed);
        loop {
            let mut state = shared.state.subscribe();
            if let Some(watcher) = armed.take() {
                // Armed before `state` was looked at: a reconnect in between ends in an event as well.
                tokio::select! {
                    _ = watcher.changed() => {}
                    // Connection or session lost or made: what was missed is read again.
                    _ = state.changed() => {}
                }
            }
            match shared.read("watch", &path, arm).await {
                Ok((value, watcher)) => {
                    feed.show(value);
                    armed = Some(watcher);
                }
                Err(error) if error.is_retryable() => pause().await,
                Err(error) => {
                    if !shared.closed.is_cancelled() {
                        tracing::warn!(path, %error, "a watch cannot be armed");
                    }
                    tokio::time::sleep(shared.timeouts.call).await;
                }
            }
        }
    };
    unless(
        async {
            tokio::select! { () = stopped.cancelled() => {}, () = shared.closed.cancelled() => {} }
        },
        work,
    )
    .await;
}
