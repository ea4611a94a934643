//! What can go wrong in a run. Every message says what was being done.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    /// A server refused a statement, with all it said.
    #[error("{0}")]
    Server(String),
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    /// A program ended with an error, with what it wrote.
    #[error("\"{program}\" failed ({status}): {output}")]
    Program {
        program: String,
        status: String,
        output: String,
    },
    #[error("{what} took longer than {seconds} s")]
    Timeout { what: String, seconds: u64 },
    /// Everything ran, and the outcome is not what it should be.
    #[error("{0}")]
    Wrong(String),
    #[error("interrupted")]
    Interrupted,
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(server_message(&error))
    }
}

impl Error {
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// SQLSTATE, message, detail, hint and context in one line.
fn server_message(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|s| format!(": {s}"));
        return format!("{error}{}", cause.unwrap_or_default());
    };
    let mut text = format!("{} {}", db.code().code(), db.message());
    for (name, part) in [
        ("detail", db.detail()),
        ("hint", db.hint()),
        ("context", db.where_()),
    ] {
        if let Some(part) = part {
            text.push_str(&format!("; {name}: {}", part.replace('\n', " ")));
        }
    }
    text
}
