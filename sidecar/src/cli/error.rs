//! What the command line says when something fails.

use crate::devcluster::BoxError;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Sql(#[from] tokio_postgres::Error),
    #[error("could not connect to {target}: {source}")]
    Connect {
        target: String,
        source: tokio_postgres::Error,
    },
    #[error(transparent)]
    Box(#[from] BoxError),
}

impl CliError {
    /// Writes the error as psql would (message, DETAIL, HINT), or as one JSON object.
    pub fn print(&self, json: bool) {
        let db = match self {
            CliError::Sql(error) | CliError::Connect { source: error, .. } => error.as_db_error(),
            CliError::Box(_) => None,
        };
        let message = db.map_or_else(|| self.to_string(), |db| db.message().to_owned());
        let (code, detail, hint) = match db {
            Some(db) => (Some(db.code().code()), db.detail(), db.hint()),
            None => (None, None, None),
        };
        if json {
            let object = serde_json::json!({
                "error": {"sqlstate": code, "message": message, "detail": detail, "hint": hint}
            });
            eprintln!("{object}");
            return;
        }
        match code {
            Some(code) => eprintln!("ERROR {code}: {message}"),
            None => eprintln!("ERROR: {message}"),
        }
        for (name, text) in [("DETAIL", detail), ("HINT", hint)] {
            if let Some(text) = text {
                eprintln!("{name}: {text}");
            }
        }
    }
}
