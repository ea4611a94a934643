//! How a client of the directory store learns that something has changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{Inotify, WatchMask};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::Directory;

/// How long it takes at most until a change, or the death of a client, is noticed without inotify.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// The same with inotify, for what it may have missed.
const CALM_INTERVAL: Duration = Duration::from_secs(3);

/// The kernel tells of a file's last close a moment before it releases the lock.
const LOCK_RELEASE: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(30),
];

#[derive(PartialEq)]
enum Heard {
    Change,
    SessionClosed,
    /// It is time to look without having been told.
    Nothing,
}

/// Ticks the client's watches whenever something may have changed, until it is closed or dropped.
pub async fn serve(client: Weak<Directory>, closed: CancellationToken) {
    let mut events = client.upgrade().and_then(|client| subscribe(&client));
    let mut sweep = sweeps(events.is_some());
    loop {
        let told = async {
            match &mut events {
                Some(events) => events.next().await,
                None => std::future::pending().await,
            }
        };
        let heard = tokio::select! {
            () = closed.cancelled() => return,
            _ = sweep.tick() => Heard::Nothing,
            event = told => match event {
                // Changes of `.revision` carry no name, those in `.sessions` do.
                Some(Ok(event)) if event.name.is_none() => Heard::Change,
                Some(Ok(_)) => Heard::SessionClosed,
                _ => {
                    (events, sweep) = (None, sweeps(false));
                    Heard::Nothing
                }
            },
        };
        let Some(client) = client.upgrade() else {
            return;
        };
        if heard == Heard::Nothing && !client.store.session_stands() {
            client.replace_session().await;
        }
        if heard != Heard::Change {
            // What fails now is tried again at the next sweep; readers ignore entries of the dead anyway.
            let sweep = client.run("sweep", |store, deadline| store.remove_dead(deadline));
            let _ = sweep.await;
        }
        client
            .ticks
            .send_modify(|ticks| *ticks = ticks.wrapping_add(1));
        if heard == Heard::SessionClosed {
            tokio::spawn(tick_later(Arc::downgrade(&client)));
        }
    }
}

fn sweeps(told: bool) -> Interval {
    let mut sweep = tokio::time::interval(if told { CALM_INTERVAL } else { SWEEP_INTERVAL });
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep
}

/// Looks again shortly after a session file was closed.
async fn tick_later(client: Weak<Directory>) {
    for pause in LOCK_RELEASE {
        tokio::time::sleep(pause).await;
        let Some(client) = client.upgrade() else {
            return;
        };
        client
            .ticks
            .send_modify(|ticks| *ticks = ticks.wrapping_add(1));
    }
}

fn subscribe(client: &Directory) -> Option<inotify::EventStream<[u8; 4096]>> {
    let subscribed = || {
        let inotify = Inotify::init()?;
        inotify
            .watches()
            .add(client.store.revision(), WatchMask::MODIFY)?;
        let ends = WatchMask::CLOSE_WRITE | WatchMask::DELETE | WatchMask::MOVED_FROM;
        inotify.watches().add(client.store.sessions(), ends)?;
        inotify.into_event_stream([0; 4096])
    };
    subscribed()
        .inspect_err(|error| tracing::warn!(%error, "no inotify, changes are noticed by looking twice a second"))
        .ok()
}
