//! Where the programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::owner::run;
use super::BoxError;

/// PostgreSQL's programs and ours.
#[derive(Debug, Clone)]
pub struct Programs {
    pub bin_dir: PathBuf,
    pub expansed: PathBuf,
}

impl Programs {
    /// Found by `pg_config` if given, next to this program, or by `pg_config` on the PATH, in this order.
    ///
    /// # Errors
    /// [`BoxError::NoPostgres`], [`BoxError::NoLibrary`].
    pub fn find(pg_config: Option<&Path>) -> Result<Programs, BoxError> {
        let own_dir = std::env::current_exe()
            .ok()
            .and_then(|path| path.canonicalize().ok())
            .and_then(|path| path.parent().map(Path::to_owned))
            .unwrap_or_default();
        let bin_dir = match pg_config {
            Some(pg_config) => ask(pg_config, "--bindir")?,
            None if own_dir.join("postgres").exists() => own_dir.clone(),
            None => ask(Path::new("pg_config"), "--bindir")?,
        };
        Programs::at(bin_dir, &own_dir)
    }

    /// The programs in a directory that is known already.
    ///
    /// # Errors
    /// [`BoxError::NoPostgres`], [`BoxError::NoLibrary`].
    pub fn at(bin_dir: PathBuf, own_dir: &Path) -> Result<Programs, BoxError> {
        if !bin_dir.join("initdb").exists() {
            return Err(BoxError::NoPostgres { directory: bin_dir });
        }
        let library = ask(&bin_dir.join("pg_config"), "--pkglibdir")
            .or_else(|_| ask(Path::new("pg_config"), "--pkglibdir"))?
            .join("expanse.so");
        if !library.exists() {
            return Err(BoxError::NoLibrary { path: library });
        }
        let neighbour = own_dir.join("expansed");
        let expansed = if neighbour.exists() {
            neighbour
        } else {
            bin_dir.join("expansed")
        };
        Ok(Programs { bin_dir, expansed })
    }

    pub fn postgres(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }
}

fn ask(pg_config: &Path, what: &str) -> Result<PathBuf, BoxError> {
    let mut command = Command::new(pg_config);
    command.arg(what);
    Ok(PathBuf::from(run(command)?.trim()))
}
