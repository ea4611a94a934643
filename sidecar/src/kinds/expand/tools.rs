//! PostgreSQL's own programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::refusal::Refusal;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;

/// How much of a failed program's output is shown.
const SHOWN: usize = 2_000;

/// Programs run against one server, as a session that sees that server alone.
pub struct Tools {
    bin_dir: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Tools {
    /// # Errors
    /// Those of the local server.
    pub async fn find(context: &Context) -> Result<Self> {
        let settings = &context.config().postgres;
        let mut bin_dir = settings.bin_dir.clone();
        if bin_dir.as_os_str().is_empty() {
            let theirs: String = context
                .executor()
                .value(
                    context.local(),
                    maintenance("look for programs"),
                    "SELECT setting FROM pg_config WHERE name = 'BINDIR'",
                    &[],
                )
                .await?;
            if Path::new(&theirs).join("pg_dump").exists() {
                bin_dir = theirs.into();
            }
        }
        let environment = vec![
            ("PGUSER", settings.user.clone()),
            ("PGDATABASE", settings.dbname.clone()),
            ("PGPASSWORD", settings.password.clone()),
            ("PGOPTIONS", "-c expanse.internal=on".to_owned()),
            (
                "PGCONNECT_TIMEOUT",
                (settings.connect_timeout_ms / 1000).max(2).to_string(),
            ),
            ("PGAPPNAME", "expansed".to_owned()),
        ];
        Ok(Self {
            bin_dir,
            environment,
        })
    }

    /// Runs `program` against `server` with `input`; what it wrote.
    ///
    /// # Errors
    /// [`Refusal::ToolMissing`], [`Refusal::ToolFailed`] with what it said.
    pub async fn run(
        &self,
        program: &str,
        server: &NodeAddress,
        arguments: &[String],
        input: &str,
    ) -> Result<String> {
        let path = self.bin_dir.join(program);
        let missing = |error: std::io::Error| Refusal::ToolMissing {
            program: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut child = Command::new(&path)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PGHOST", &server.host)
            .env("PGPORT", server.port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(missing)?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        let input = input.as_bytes().to_vec();
        let writer = tokio::spawn(async move {
            // A program that ends early says why by itself.
            stdin.write_all(&input).await.ok();
        });
        let output = child.wait_with_output().await.map_err(missing)?;
        writer.abort();
        if !output.status.success() {
            let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            said.truncate(
                said.char_indices()
                    .nth(SHOWN)
                    .map_or(said.len(), |(at, _)| at),
            );
            return Err(Refusal::ToolFailed {
                program: program.to_owned(),
                output: said,
            }
            .into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
