//! Connections to the PostgreSQL servers of the cluster.
//!
//! A [`Session`] is one connection. Whatever is asked of it has a deadline; when that passes, the
//! command is cancelled on the server and the cancellation confirmed before the session is used
//! again, otherwise the session is thrown away. Sessions are handed out by the executor pool
//! ([`crate::executor`]); nothing else connects.

mod cancel;
mod connect;
mod error;
mod session;

pub use connect::{connect, Mode, NodeAddress, THIS_SERVER};
pub use error::Error;
pub(crate) use session::first_value;
pub use session::Session;

pub type Result<T> = std::result::Result<T, Error>;

/// `text` as an SQL literal.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// `name` as an SQL identifier, always quoted.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(literal("o'clock"), "'o''clock'");
        assert_eq!(literal(r"a\'"), r" E'a\\'''");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
