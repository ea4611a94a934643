//! What can go wrong with a box.

use std::io;
use std::path::PathBuf;

use crate::coordination::server::ServerError;

#[derive(Debug, thiserror::Error)]
pub enum BoxError {
    #[error("\"{}\": {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("PostgreSQL's programs are not in \"{}\"; say where with --pg-config", directory.display())]
    NoPostgres { directory: PathBuf },
    #[error("the library is not installed in this PostgreSQL: \"{}\" is missing; run make install", path.display())]
    NoLibrary { path: PathBuf },
    #[error("user \"postgres\" does not exist; servers cannot run as root")]
    NoUser,
    #[error("\"{}\" is not a cluster in a box; make one with: expansectl dev up --dir {}", directory.display(), directory.display())]
    NoBox { directory: PathBuf },
    #[error("\"{}\" exists and is not a cluster in a box", directory.display())]
    Foreign { directory: PathBuf },
    #[error("port {port} is in use; choose others with --base-port")]
    PortInUse { port: u16 },
    #[error("{program} failed: {output}")]
    Program { program: String, output: String },
    #[error("the sidecar of {node} did not become ready: {log}")]
    Sidecar { node: String, log: String },
    #[error("{node}: {message}")]
    Sql { node: String, message: String },
    #[error("\"{}\" is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error(transparent)]
    ZooKeeper(#[from] ServerError),
}

impl BoxError {
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BoxError {
        let path = path.into();
        move |source| BoxError::Io { path, source }
    }
}
