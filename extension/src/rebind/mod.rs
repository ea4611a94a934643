//! What a rebind does on the nodes, step by step; the sidecar decides the order.

pub mod bind;
pub mod filter;
pub mod motion;
pub mod surplus;
pub mod wait;
