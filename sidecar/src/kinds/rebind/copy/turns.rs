//! Whose turn it is to copy: pairs of nodes copy at the same time, but on one node no more than the executor pool has
//! sockets for maintenance there, all operations together.
//!
//! A stream whose turn has not come has its publication and its slot already, so it misses nothing; it gets its
//! subscription, with which the copy begins, when another one has copied everything.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::streams::Stream;

/// The copies that the operations of one leader run.
#[derive(Debug, Default)]
pub struct Copies(Mutex<HashMap<String, Ends>>);

/// The two nodes of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ends {
    source: String,
    target: String,
}

impl Ends {
    fn of(stream: &Stream) -> Self {
        Self {
            source: stream.source.node_name.clone(),
            target: stream.target.node_name.clone(),
        }
    }

    fn touches(&self, node: &str) -> bool {
        self.source == node || self.target == node
    }
}

/// Those of `waiting` that may begin while `running` go on, in their order, with no node at more than `limit` copies.
fn may_begin<'a>(running: &[Ends], waiting: &'a [Stream], limit: usize) -> Vec<&'a Stream> {
    let mut all = running.to_vec();
    let mut begin = Vec::new();
    for stream in waiting {
        let ends = Ends::of(stream);
        let at = |node: &str| all.iter().filter(|copy| copy.touches(node)).count();
        if at(&ends.source) < limit && at(&ends.target) < limit {
            all.push(ends);
            begin.push(stream);
        }
    }
    begin
}

/// One operation's part of the copies; given back when dropped.
pub struct Turns {
    copies: Arc<Copies>,
    mine: Vec<String>,
}

impl Turns {
    pub fn new(copies: Arc<Copies>) -> Self {
        Self {
            copies,
            mine: Vec::new(),
        }
    }

    /// Notes a copy that runs already.
    pub fn note(&mut self, stream: &Stream) {
        self.copies
            .0
            .lock()
            .insert(stream.name.clone(), Ends::of(stream));
        self.mine.push(stream.name.clone());
    }

    /// Notes that these copies, by the names of their streams, are over.
    pub fn over(&mut self, is_over: impl Fn(&str) -> bool) {
        let mut running = self.copies.0.lock();
        self.mine.retain(|name| {
            let over = is_over(name);
            if over {
                running.remove(name);
            }
            !over
        });
    }

    /// Those of `waiting` whose turn it is; they count as running from now on. One copy it always has, so that an
    /// operation whose copies do not get on never keeps another from its own.
    pub fn begin<'s>(&mut self, waiting: &'s [Stream], limit: usize) -> Vec<&'s Stream> {
        let mut running = self.copies.0.lock();
        let ends: Vec<Ends> = running.values().cloned().collect();
        let mut begin = may_begin(&ends, waiting, limit);
        if begin.is_empty() && self.mine.is_empty() {
            begin.extend(waiting.first());
        }
        for stream in &begin {
            running.insert(stream.name.clone(), Ends::of(stream));
            self.mine.push(stream.name.clone());
        }
        begin
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.over(|_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::NodeAddress;
    use proptest::prelude::*;

    fn stream(number: usize, source: u8, target: u8) -> Stream {
        let node = |number: u8| NodeAddress {
            node_name: format!("n{number}"),
            host: String::new(),
            port: 0,
        };
        Stream {
            name: format!("s{number}"),
            source: node(source),
            target: node(target),
            tables: String::new(),
        }
    }

    proptest! {
        /// However copies end, no node ever has more than the limit, and all have had their turn in the end.
        #[test]
        fn every_copy_gets_its_turn(
            ends in prop::collection::vec((0_u8..5, 5_u8..8), 1..30),
            limit in 1_usize..4,
            order in prop::collection::vec(any::<prop::sample::Index>(), 30),
        ) {
            let copies = Arc::new(Copies::default());
            let mut turns = Turns::new(copies.clone());
            let mut waiting: Vec<Stream> =
                ends.iter().enumerate().map(|(n, (s, t))| stream(n, *s, *t)).collect();
            let mut running: Vec<Stream> = Vec::new();
            let mut order = order.iter();
            while !(waiting.is_empty() && running.is_empty()) {
                let begun: Vec<Stream> = turns.begin(&waiting, limit).into_iter().cloned().collect();
                waiting.retain(|stream| begun.iter().all(|other| other.name != stream.name));
                running.extend(begun);
                for node in 0..8 {
                    let name = format!("n{node}");
                    let busy = running.iter().filter(|stream| Ends::of(stream).touches(&name)).count();
                    prop_assert!(busy <= limit);
                }
                prop_assert!(!running.is_empty());
                let at = order.next().map_or(0, |index| index.index(running.len()));
                let ended = running.remove(at);
                turns.over(|name| name == ended.name);
            }
            prop_assert!(copies.0.lock().is_empty());
        }
    }

    #[test]
    fn operations_share_the_limit_and_give_it_back() {
        let copies = Arc::new(Copies::default());
        let mut other = Turns::new(copies.clone());
        other.note(&stream(1, 1, 3));
        let mut own = Turns::new(copies.clone());
        let waiting = [stream(2, 2, 3), stream(3, 2, 4)];
        let begun: Vec<_> = own
            .begin(&waiting, 1)
            .iter()
            .map(|s| s.name.clone())
            .collect();
        assert_eq!(begun, ["s3"]);
        assert!(own.begin(&waiting[..1], 1).is_empty());
        drop(other);
        assert!(own.begin(&waiting[..1], 1).is_empty());
        own.over(|name| name == "s3");
        assert_eq!(own.begin(&waiting[..1], 1).len(), 1);
    }

    #[test]
    fn one_copy_is_always_allowed() {
        let copies = Arc::new(Copies::default());
        let mut stuck = Turns::new(copies.clone());
        stuck.note(&stream(1, 1, 3));
        let mut own = Turns::new(copies.clone());
        let waiting = [stream(2, 2, 3), stream(3, 1, 4)];
        assert_eq!(own.begin(&waiting, 1).len(), 1);
        assert!(own.begin(&waiting[1..], 1).is_empty());
    }
}
