//! Transactions over nodes that were lately recorded on one node.

/// One transaction on one node. Plain data, for shared memory; all zeroes is a free place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Entry {
    pub fingerprint: u64,
    /// The nodes that take part ([`super::member`]); 0 when not known.
    pub members: u64,
    /// Counted up with each record of the ring, from 1.
    pub sequence: u64,
    /// What the node itself calls the transaction.
    pub id: u32,
}

/// The `N` transactions recorded last, and which have been forgotten. For shared memory; all zeroes is an empty ring.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Ring<const N: usize> {
    /// Another one after each start of the server.
    pub epoch: u64,
    /// The last sequence number that was given.
    last: u64,
    /// The highest one whose entry has been overwritten.
    overwritten: u64,
    next: usize,
    entries: [Entry; N],
}

/// What a node knew at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    pub epoch: u64,
    pub sequence: u64,
    /// Recorded, and neither committed nor rolled back on this node.
    pub unfinished: Vec<Unfinished>,
}

/// A transaction of a [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unfinished {
    pub fingerprint: u64,
    pub members: u64,
    pub id: u32,
}

impl<const N: usize> Ring<N> {
    pub fn new(epoch: u64) -> Self {
        Ring {
            epoch,
            last: 0,
            overwritten: 0,
            next: 0,
            entries: [Entry::default(); N],
        }
    }

    /// Records a transaction before it is prepared, or before its coordinator commits it. What is unfinished is never
    /// overwritten: false when there is nothing else, and then the transaction must not be prepared.
    #[must_use]
    pub fn record(
        &mut self,
        fingerprint: u64,
        members: u64,
        id: u32,
        unfinished: impl Fn(u32) -> bool,
    ) -> bool {
        let free = |place: &usize| {
            let oldest = self.entries[*place];
            oldest.sequence == 0 || !unfinished(oldest.id)
        };
        let Some(place) = (self.next..N).chain(0..self.next).find(free) else {
            return false;
        };
        self.next = place;
        self.last += 1;
        self.overwritten = self.overwritten.max(self.entries[self.next].sequence);
        self.entries[self.next] = Entry {
            fingerprint,
            members,
            sequence: self.last,
            id,
        };
        self.next = (self.next + 1) % N;
        true
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.sequence != 0)
    }

    /// What the node knows now.
    pub fn mark(&self, unfinished: impl Fn(u32) -> bool) -> Mark {
        let of = |entry: &Entry| Unfinished {
            fingerprint: entry.fingerprint,
            members: entry.members,
            id: entry.id,
        };
        Mark {
            epoch: self.epoch,
            sequence: self.last,
            unfinished: self
                .entries()
                .filter(|entry| unfinished(entry.id))
                .map(of)
                .collect(),
        }
    }

    /// All that was unfinished at the mark or has been recorded since; `None` when this ring does not reach back to the
    /// mark: it has been overwritten, or lost with the server.
    pub fn since(&self, mark: &Mark) -> Option<Vec<Entry>> {
        if mark.epoch != self.epoch || self.overwritten > mark.sequence {
            return None;
        }
        let before = mark.unfinished.iter().map(|one| Entry {
            fingerprint: one.fingerprint,
            members: one.members,
            sequence: 0,
            id: one.id,
        });
        let after = self
            .entries()
            .filter(|entry| entry.sequence > mark.sequence);
        Some(before.chain(after.copied()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Ring};

    fn sequences<const N: usize>(ring: &Ring<N>, mark: &Mark) -> Option<Vec<u64>> {
        let entries = ring.since(mark)?;
        Some(entries.iter().map(|entry| entry.fingerprint).collect())
    }

    #[test]
    fn what_came_since_a_mark_is_found_until_it_is_overwritten() {
        let mut ring = Ring::<3>::new(1);
        assert!(ring.record(10, 0, 10, |_| false));
        let mark = ring.mark(|_| false);
        assert_eq!(sequences(&ring, &mark), Some(vec![]));
        for number in 11..14 {
            assert!(ring.record(number, 0, number as u32, |_| false));
        }
        let mut found = sequences(&ring, &mark).expect("it reaches back");
        found.sort_unstable();
        assert_eq!(found, [11, 12, 13]);
        assert!(ring.record(14, 0, 14, |_| false));
        assert_eq!(sequences(&ring, &mark), None);
    }

    #[test]
    fn what_is_unfinished_stays() {
        let mut ring = Ring::<2>::new(1);
        assert!(ring.record(10, 0, 10, |id| id == 10));
        for number in 11..20 {
            assert!(ring.record(number, 0, number as u32, |id| id == 10));
        }
        assert_eq!(ring.mark(|id| id == 10).unfinished[0].fingerprint, 10);
    }

    #[test]
    fn a_ring_full_of_what_is_unfinished_takes_nothing_more() {
        let mut ring = Ring::<2>::new(1);
        assert!(ring.record(10, 0, 10, |_| true));
        assert!(ring.record(11, 0, 11, |_| true));
        assert!(!ring.record(12, 0, 12, |_| true));
        assert_eq!(ring.mark(|_| true).unfinished.len(), 2);
    }

    #[test]
    fn a_mark_keeps_what_was_unfinished_whatever_the_ring_forgets() {
        let mut ring = Ring::<4>::new(1);
        assert!(ring.record(10, 0, 10, |_| true));
        let mark = ring.mark(|_| true);
        assert!(ring.record(11, 0, 11, |_| false));
        assert_eq!(sequences(&ring, &mark), Some(vec![10, 11]));
    }

    #[test]
    fn a_mark_from_before_a_restart_is_none() {
        assert_eq!(
            sequences(&Ring::<4>::new(2), &Ring::<4>::new(1).mark(|_| false)),
            None
        );
    }
}
