//! What a rebind does on the nodes, step by step; the sidecar decides the order.

pub mod filter;
