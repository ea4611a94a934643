//! Why the levels cannot be run. A level that fails is no error.

use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("there is no level \"{name}\"; there are: {known}")]
    NoLevel { name: String, known: String },
    #[error("level \"{level}\" has no single tests")]
    NoTests { level: String },
    #[error("level \"{level}\" has no test \"{test}\"; it has: {known}")]
    NoTest {
        level: String,
        test: String,
        known: String,
    },
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("starting \"{program}\": {source}")]
    Program {
        program: String,
        source: std::io::Error,
    },
    #[error("{}, line {line}: {reason}", path.display())]
    Expected {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("the proxy of isolation specs: {0}")]
    Proxy(#[source] std::io::Error),
    #[error(transparent)]
    Step(#[from] expanse_scenarios::kit::Failure),
    #[error(transparent)]
    Box(#[from] expanse_cluster_box::Error),
}

impl Error {
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
