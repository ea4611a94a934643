//! Free ports for a cluster in a box.
//!
//! # How it works
//! A block is 32 consecutive ports. A cluster uses those from its base port on for its nodes, the ones just below the
//! base port for its coordination store, and the same ports plus 1000 for HTTP. Blocks lie in even thousands, so that
//! no block's HTTP ports are another block's nodes.
//!
//! The last port of a block is held open for as long as the block is in use. The level that could bind it owns the block,
//! in this run or in another one on the same machine. A process that ends gives its blocks back.

use std::net::TcpListener;
use std::ops::RangeInclusive;

use crate::Error;

/// Ports of a block.
const BLOCK: u16 = 32;
/// Ports below the base port, for three servers of a coordination store with three ports each.
const STORE: u16 = 9;
/// From a node's port to the HTTP port of its sidecar.
const HTTP: u16 = 1000;

/// Where blocks are looked for: below the ports that the kernel hands out by itself.
pub const DEFAULT_RANGE: RangeInclusive<u16> = 12_000..=30_999;

/// A block of ports; free again when it is dropped.
#[derive(Debug)]
pub struct Block {
    first: u16,
    _owned: TcpListener,
}

impl Block {
    /// Port of the first node.
    pub fn base(&self) -> u16 {
        self.first + STORE
    }
}

/// Takes a block of free ports within the range.
///
/// # Errors
/// [`Error::Wrong`] if there is none.
pub fn allocate(range: &RangeInclusive<u16>) -> Result<Block, Error> {
    candidates(range).find_map(take).ok_or_else(|| {
        Error::Wrong(format!(
            "no {BLOCK} consecutive free ports between {} and {}",
            range.start(),
            range.end()
        ))
    })
}

/// First ports of all blocks in the range: whole blocks, in even thousands.
fn candidates(range: &RangeInclusive<u16>) -> impl Iterator<Item = u16> {
    let (start, end) = (*range.start(), *range.end());
    (start..=end.saturating_sub(BLOCK - 1))
        .step_by(usize::from(BLOCK))
        .filter(|first| {
            let last = first + (BLOCK - 1);
            (first / HTTP).is_multiple_of(2) && first / HTTP == last / HTTP
        })
}

fn take(first: u16) -> Option<Block> {
    let last = first + (BLOCK - 1);
    let owned = bind(last)?;
    let nodes_and_store = first..last;
    let http = (first + HTTP)..=(last + HTTP);
    let free = nodes_and_store.chain(http).all(|port| bind(port).is_some());
    free.then_some(Block {
        first,
        _owned: owned,
    })
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stay_clear_of_each_other_and_of_http_ports() {
        let firsts: Vec<u16> = candidates(&DEFAULT_RANGE).collect();
        assert!(firsts.len() > 200);
        for (index, first) in firsts.iter().enumerate() {
            let uses = |port: u16| {
                let block = port..port + BLOCK;
                let http = port + HTTP..port + HTTP + BLOCK;
                [block, http]
            };
            for other in &firsts[index + 1..] {
                for a in uses(*first) {
                    for b in uses(*other) {
                        assert!(a.end <= b.start || b.end <= a.start, "{a:?} {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_block_is_taken_once() {
        let range = 30_000..=30_999;
        let one = allocate(&range).expect("a free block");
        let other = allocate(&range).expect("another free block");
        assert_ne!(one.base(), other.base());
        let base = one.base();
        drop(one);
        assert_eq!(allocate(&range).expect("the first again").base(), base);
    }
}
