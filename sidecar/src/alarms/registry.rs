//! The alarms of this sidecar.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use expanse_core::live::Blocked;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::webhook::{Notice, Notices};
use crate::sys::now;
use crate::weight::Weight;

/// An alarm that has neither been repeated nor cleared for so long is over: it is not asked for any more.
const FADES_AFTER: Duration = Duration::from_secs(600);

/// Something that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub node_name: String,
    /// The name of the command.
    pub what: String,
    pub why: String,
    pub hint: String,
    pub weight: Weight,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Alarms(Arc<Inner>);

struct Inner {
    active: Mutex<BTreeMap<(String, String), Active>>,
    /// Equal to the length of `active`; asked on every success.
    count: AtomicUsize,
    notices: Notices,
    changed: watch::Sender<()>,
}

struct Active {
    trouble: Trouble,
    since: f64,
    last: Instant,
    times: u64,
}

impl Alarms {
    pub fn new(notices: Notices) -> Self {
        Self(Arc::new(Inner {
            active: Mutex::default(),
            count: AtomicUsize::new(0),
            notices,
            changed: watch::Sender::new(()),
        }))
    }

    /// Something was given up. Told once, until it is cleared or gets heavier.
    pub fn raise(&self, trouble: Trouble) {
        let key = (trouble.node_name.clone(), trouble.what.clone());
        let mut active = self.0.active.lock();
        let known = active.remove(&key);
        let heavier = |k: &Active| trouble.weight > k.trouble.weight;
        let news = known.as_ref().is_none_or(heavier);
        let raised = Active {
            since: known.as_ref().map_or_else(now, |k| k.since),
            times: known.as_ref().map_or(1, |k| k.times + 1),
            last: Instant::now(),
            trouble,
        };
        if !news {
            active.insert(key, raised);
            return;
        }
        tell(&raised.trouble);
        if raised.trouble.weight == Weight::Critical {
            self.0.notices.send(Notice::raised(shown(&raised)));
        }
        active.insert(key, raised);
        self.counted(&active);
    }

    /// The command has succeeded on the node.
    pub fn clear(&self, node_name: &str, what: &str) {
        if self.0.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut active = self.0.active.lock();
        let over = active.remove(&(node_name.to_owned(), what.to_owned()));
        self.counted(&active);
        if let Some(over) = over {
            self.ended(&over);
        }
    }

    /// Ends those that were not repeated for long.
    pub fn fade(&self, at: Instant) {
        let mut active = self.0.active.lock();
        let before = active.len();
        active.retain(|_, alarm| {
            let stays = at.saturating_duration_since(alarm.last) < FADES_AFTER;
            if !stays {
                self.ended(alarm);
            }
            stays
        });
        if active.len() != before {
            self.counted(&active);
        }
    }

    /// Those that are shown, the heaviest first.
    pub fn shown(&self) -> Vec<Blocked> {
        let active = self.0.active.lock();
        let mut alarms: Vec<_> = active
            .values()
            .filter(|alarm| alarm.trouble.weight > Weight::Background)
            .collect();
        alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.trouble.weight));
        alarms.into_iter().map(shown).collect()
    }

    /// Fires whenever an alarm begins or ends.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn counted(&self, active: &BTreeMap<(String, String), Active>) {
        self.0.count.store(active.len(), Ordering::Relaxed);
        self.0.changed.send_replace(());
    }

    fn ended(&self, alarm: &Active) {
        let Trouble {
            node_name, what, ..
        } = &alarm.trouble;
        tracing::info!(
            node = node_name,
            command = what,
            given_up = alarm.times,
            "alarm is over"
        );
        if alarm.trouble.weight == Weight::Critical {
            self.0.notices.send(Notice::cleared(shown(alarm)));
        }
    }
}

fn shown(alarm: &Active) -> Blocked {
    Blocked {
        reported_by: String::new(),
        node_name: alarm.trouble.node_name.clone(),
        what: alarm.trouble.what.clone(),
        why: alarm.trouble.why.clone(),
        since: alarm.since,
        hint: alarm.trouble.hint.clone(),
        weight: alarm.trouble.weight.name().into(),
        times: alarm.times,
    }
}

fn tell(trouble: &Trouble) {
    let Trouble {
        node_name: node,
        what: command,
        why,
        hint,
        weight,
    } = trouble;
    match weight {
        Weight::Critical => tracing::error!(node, command, why, hint, "gave up"),
        Weight::Interactive => tracing::warn!(node, command, why, hint, "gave up"),
        Weight::Maintenance => tracing::info!(node, command, why, hint, "gave up"),
        Weight::Background => tracing::debug!(node, command, why, hint, "gave up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarms::webhook::channel;

    fn trouble(what: &str, weight: Weight) -> Trouble {
        Trouble {
            node_name: "n2".into(),
            what: what.into(),
            why: "it does not answer".into(),
            hint: "Look after it.".into(),
            weight,
        }
    }

    #[test]
    fn an_alarm_is_told_once_until_it_is_cleared() {
        let (notices, mut told) = channel();
        let alarms = Alarms::new(notices);
        alarms.raise(trouble("recover", Weight::Critical));
        alarms.raise(trouble("recover", Weight::Critical));
        alarms.raise(trouble("copy", Weight::Maintenance));
        alarms.raise(trouble("count", Weight::Background));
        let shown = alarms.shown();
        let names: Vec<_> = shown.iter().map(|b| (b.what.as_str(), b.times)).collect();
        assert_eq!(names, [("recover", 2), ("copy", 1)]);
        alarms.clear("n2", "recover");
        alarms.clear("n1", "copy");
        assert_eq!(alarms.shown().len(), 1);
        let first = told.try_recv().unwrap();
        let second = told.try_recv().unwrap();
        assert!(told.try_recv().is_err(), "only critical ones are sent");
        assert_eq!((first.state, second.state), ("raised", "cleared"));
    }

    #[test]
    fn an_alarm_that_gets_heavier_is_told_again() {
        let (notices, mut told) = channel();
        let alarms = Alarms::new(notices);
        alarms.raise(trouble("recover", Weight::Maintenance));
        assert!(told.try_recv().is_err());
        alarms.raise(trouble("recover", Weight::Critical));
        alarms.raise(trouble("recover", Weight::Critical));
        assert_eq!(told.try_recv().unwrap().alarm.times, 2);
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn what_nobody_asks_for_any_more_fades() {
        let alarms = Alarms::new(channel().0);
        alarms.raise(trouble("copy", Weight::Maintenance));
        alarms.fade(Instant::now() + FADES_AFTER / 2);
        assert_eq!(alarms.shown().len(), 1);
        alarms.fade(Instant::now() + FADES_AFTER * 2);
        assert!(alarms.shown().is_empty());
    }
}
