//! This node's entry in the status directory, and those of all nodes as this node sees them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::live::NodeLoad;
use expanse_core::wire::NodeStatus;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{LocalNode, STATUS};
use crate::alarms::Alarms;
use crate::coordination::{Coordination, Error, Owner};
use crate::postgres::THIS_SERVER;

/// How often a registration that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What this node's entry is made of.
pub struct Own {
    pub local: watch::Receiver<Option<LocalNode>>,
    pub load: watch::Receiver<NodeLoad>,
    pub alarms: Alarms,
}

impl Own {
    /// This node with its load and alarms, while its server is ready.
    fn node(&self) -> Option<LocalNode> {
        let mut node = self.local.borrow().clone().filter(LocalNode::ready)?;
        node.status.load = *self.load.borrow();
        node.status.alarms = self.alarms.shown();
        for alarm in &mut node.status.alarms {
            if alarm.node_name == THIS_SERVER {
                alarm.node_name.clone_from(&node.address.node_name);
            }
        }
        Some(node)
    }
}

/// Keeps the entry of this node: there while the server is ready, gone otherwise.
pub async fn register(store: Arc<dyn Coordination>, mut own: Own, stop: CancellationToken) {
    let mut registered: Option<String> = None;
    let mut alarms = own.alarms.changed();
    let mut failing = false;
    loop {
        own.local.mark_unchanged();
        own.load.mark_unchanged();
        alarms.mark_unchanged();
        let outcome = settle(&*store, &mut registered, own.node()).await;
        match &outcome {
            Err(error) if !failing => tracing::info!(%error, "could not keep the status entry"),
            Ok(()) if failing => tracing::info!("status entry is kept again"),
            _ => {}
        }
        failing = outcome.is_err();
        let changed = tokio::select! {
            () = stop.cancelled() => {
                settle(&*store, &mut registered, None).await.ok();
                return;
            }
            changed = own.local.changed() => changed,
            changed = own.load.changed() => changed,
            changed = alarms.changed() => changed,
            () = sleep(RETRY), if outcome.is_err() => Ok(()),
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn settle(
    store: &dyn Coordination,
    registered: &mut Option<String>,
    node: Option<LocalNode>,
) -> Result<(), Error> {
    let wanted = node
        .as_ref()
        .map(|n| format!("{STATUS}/{}", n.address.node_name));
    if let Some(path) = registered.take_if(|path| wanted.as_ref() != Some(path)) {
        if let Some(entry) = store.get_fresh(&path).await? {
            if entry.owner == Owner::ThisClient {
                store.delete(&path, entry.version).await?;
            }
        }
    }
    if let (Some(path), Some(node)) = (wanted, node) {
        let data = serde_json::to_vec(&node.status).expect("a status is plain data");
        store.publish(&path, &data).await?;
        *registered = Some(path);
    }
    Ok(())
}

/// Shows every node's entry in `shown`, by name, until `stop`.
pub async fn follow(
    store: Arc<dyn Coordination>,
    shown: watch::Sender<BTreeMap<String, NodeStatus>>,
    stop: CancellationToken,
) {
    let followers: Mutex<BTreeMap<String, CancellationToken>> = Mutex::default();
    loop {
        let watched = tokio::select! {
            () = stop.cancelled() => return,
            watched = store.watch_children(STATUS) => watched,
        };
        if let Ok(mut names) = watched {
            loop {
                adjust(&store, &names.current(), &followers, &shown, &stop);
                let changed = tokio::select! {
                    () = stop.cancelled() => return,
                    changed = names.changed() => changed,
                };
                if changed.is_err() {
                    break;
                }
            }
        }
        sleep(RETRY).await;
    }
}

/// One follower for each name.
fn adjust(
    store: &Arc<dyn Coordination>,
    names: &[String],
    followers: &Mutex<BTreeMap<String, CancellationToken>>,
    shown: &watch::Sender<BTreeMap<String, NodeStatus>>,
    stop: &CancellationToken,
) {
    let mut followers = followers.lock();
    followers.retain(|name, follower| {
        let stays = names.contains(name);
        if !stays {
            follower.cancel();
            shown.send_modify(|all| {
                all.remove(name);
            });
        }
        stays
    });
    for name in names {
        if followers.contains_key(name) {
            continue;
        }
        let token = stop.child_token();
        followers.insert(name.clone(), token.clone());
        let (store, name, shown) = (store.clone(), name.clone(), shown.clone());
        tokio::spawn(async move {
            token
                .clone()
                .run_until_cancelled(follow_one(store, name, shown, token))
                .await;
        });
    }
}

async fn follow_one(
    store: Arc<dyn Coordination>,
    name: String,
    shown: watch::Sender<BTreeMap<String, NodeStatus>>,
    token: CancellationToken,
) {
    let path = format!("{STATUS}/{name}");
    loop {
        if let Ok(mut entry) = store.watch(&path).await {
            loop {
                let status = entry
                    .current()
                    .and_then(|e| e.json::<NodeStatus>(&path).ok());
                // What an entry says of another node does not count.
                let status = status.filter(|s| s.node_name == name);
                if !token.is_cancelled() {
                    shown.send_if_modified(|all| match status {
                        Some(status) => all.insert(name.clone(), status.clone()) != Some(status),
                        None => all.remove(&name).is_some(),
                    });
                }
                if entry.changed().await.is_err() {
                    break;
                }
            }
        }
        sleep(RETRY).await;
    }
}
