//! One plain PostgreSQL to compare with: the same programs and settings, without the library.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio_postgres::Client;

use crate::cluster_box::run;
use crate::pg::Server;
use crate::Error;

/// A server in a directory of its own that exists until [`Plain::down`].
pub struct Plain {
    bin: PathBuf,
    dir: PathBuf,
    server: Server,
}

impl Plain {
    pub fn new(dir: PathBuf, port: u16) -> Self {
        Self {
            bin: PathBuf::new(),
            dir,
            server: Server::local("plain", port),
        }
    }

    /// Makes and starts the server, after removing what an earlier run may have left. The
    /// directory's parent must be one that `postgres` may write to.
    /// `settings` come after its defaults.
    ///
    /// # Errors
    /// [`Error::Program`] with what `initdb` or `pg_ctl` wrote.
    pub async fn up(
        &mut self,
        pg_config: &Path,
        settings: &[(String, String)],
    ) -> Result<Server, Error> {
        let mut bindir = Command::new(pg_config);
        bindir.arg("--bindir");
        self.bin = run(bindir).await?.trim().into();
        self.down().await?;
        let mut initdb = as_postgres(&self.bin.join("initdb"));
        initdb
            .args(["-U", "postgres", "--auth=trust", "--no-sync", "-D"])
            .arg(&self.dir);
        run(initdb).await?;
        self.configure(settings).await?;
        self.pg_ctl(&["-w", "-l", "server.log", "start"]).await?;
        Ok(self.server.clone())
    }

    async fn configure(&self, settings: &[(String, String)]) -> Result<(), Error> {
        let mut lines = String::new();
        let own = [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", self.server.port.to_string()),
            ("unix_socket_directories", String::new()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        for (name, value) in settings.iter().chain(&own) {
            lines.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        let file = self.dir.join("postgresql.conf");
        let mut text = tokio::fs::read_to_string(&file)
            .await
            .map_err(Error::io("reading settings"))?;
        text.push_str(&lines);
        tokio::fs::write(&file, text)
            .await
            .map_err(Error::io("writing settings"))
    }

    async fn pg_ctl(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = as_postgres(&self.bin.join("pg_ctl"));
        command
            .arg("-D")
            .arg(&self.dir)
            .args(arguments)
            .current_dir(&self.dir);
        run(command).await.map(drop)
    }

    /// Stops the server and deletes its directory; nothing to do if there is none.
    ///
    /// # Errors
    /// [`Error::Program`] with what `pg_ctl` wrote, [`Error::Io`].
    pub async fn down(&self) -> Result<(), Error> {
        if self.dir.join("postmaster.pid").exists() {
            self.pg_ctl(&["-m", "fast", "-w", "stop"]).await?;
        }
        if self.dir.exists() {
            tokio::fs::remove_dir_all(&self.dir)
                .await
                .map_err(Error::io("deleting a server"))?;
        }
        Ok(())
    }
}

/// The directory of the plain server that belongs to a box in `dir`.
pub fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push("-plain");
    name.into()
}

/// PostgreSQL refuses to run as root; then its programs run as `postgres`.
fn as_postgres(program: &Path) -> Command {
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// The settings of another server that were made in its files, without those that are about that
/// server itself or about the library.
///
/// # Errors
/// [`Error::Server`].
pub async fn settings_of(client: &Client) -> Result<Vec<(String, String)>, Error> {
    let rows = client
        .query(
            "SELECT name, current_setting(name) FROM pg_settings \
             WHERE source = 'configuration file' AND name NOT LIKE '%.%' \
             AND name NOT IN ('port', 'listen_addresses', 'unix_socket_directories', \
                              'shared_preload_libraries', 'cluster_name') \
             AND name !~ '(_file|_directory|_path|^log_.*|^logging_.*)$' ORDER BY name",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
