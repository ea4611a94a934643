//! Other nodes: connections, what is sent to them and what comes back. Nothing here knows of transactions over nodes.

pub mod autonomous;
pub mod buffer_rows;
pub mod command;
pub mod connect;
pub mod connection;
pub mod copy_fields;
pub mod copy_text;
pub mod exact_values;
pub mod libpq;
pub mod participant;
pub mod pool;
pub mod settings;
pub mod sockets;
pub mod spill;
pub mod statements;
