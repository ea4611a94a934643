//! Statements on other nodes, and the custom scans that run them.

pub mod connection;
pub mod copy;
pub mod identity;
pub mod libpq;
pub mod pool;
pub mod remote;
pub mod settings;
pub mod stream;
pub mod wait;

/// A string as an SQL literal.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A name as an SQL identifier.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
