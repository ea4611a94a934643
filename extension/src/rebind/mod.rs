//! What a rebind does on the nodes, step by step; the sidecar decides the order.

pub mod adopt;
pub mod bind;
pub mod digest;
pub mod empty_group;
pub mod freeze;
pub mod motion;
pub mod own_group;
pub mod pace;
pub mod publication;
pub mod running_statements;
pub mod surplus;
