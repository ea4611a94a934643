//! Why a step of a scenario failed.

use thiserror::Error;
use tokio_postgres::error::DbError;

/// What a step gives, or why it failed.
pub type Outcome<T = ()> = Result<T, Failure>;

#[derive(Debug, Error)]
pub enum Failure {
    /// A server refused a statement, or the session was lost.
    #[error("{node}: {error}")]
    Sql { node: String, error: SqlError },
    /// Something took longer than its bound.
    #[error("after {seconds} s: {what}")]
    Late { what: String, seconds: u64 },
    /// Something is not as it should be.
    #[error("{0}")]
    Wrong(String),
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    Box(#[from] expanse_cluster_box::Error),
}

impl Failure {
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// SQLSTATE of a refused statement.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Sql { error, .. } => error.sqlstate.as_deref(),
            _ => None,
        }
    }
}

/// An error of a statement, with all that the server said.
#[derive(Debug, Clone, Error)]
#[error("{text}")]
pub struct SqlError {
    /// None: the session was lost, or never began.
    pub sqlstate: Option<String>,
    /// SQLSTATE, message, detail, hint and context.
    pub text: String,
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self {
                sqlstate: Some(said.code().code().to_owned()),
                text: all_of(said),
            };
        }
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Self {
            sqlstate: None,
            text: format!("{error}{}", cause.unwrap_or_default()),
        }
    }
}

fn all_of(said: &DbError) -> String {
    let mut text = format!(
        "{}:  {}: {}",
        said.severity(),
        said.code().code(),
        said.message()
    );
    let parts = [
        ("DETAIL", said.detail()),
        ("HINT", said.hint()),
        ("CONTEXT", said.where_()),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            text.push_str(&format!("\n{name}:  {part}"));
        }
    }
    text
}

/// What a check may be given: something that holds or not, with or without a reason.
pub trait Verdict {
    /// # Errors
    /// Why it does not hold.
    fn verdict(self) -> Outcome;
}

impl Verdict for bool {
    fn verdict(self) -> Outcome {
        if self {
            Ok(())
        } else {
            Err(Failure::wrong("it is not so"))
        }
    }
}

impl Verdict for Outcome {
    fn verdict(self) -> Outcome {
        self
    }
}

impl Verdict for Outcome<String> {
    fn verdict(self) -> Outcome {
        self.map(drop)
    }
}

impl Verdict for Outcome<bool> {
    fn verdict(self) -> Outcome {
        self?.verdict()
    }
}
