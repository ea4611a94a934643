//! `storage`: tablespaces that every node has, and what lies in them.

use clap::Subcommand;

use super::{views, wait, CliError, Target};

#[derive(Subcommand)]
pub enum Storage {
    /// Make a tablespace of that name on every node
    Add {
        name: String,
        /// Absolute path; {node} in it stands for the node's name
        directory: String,
        /// Return at once with the operation's number
        #[arg(long)]
        no_wait: bool,
    },
    /// Move a table's colocation group, or a replicated table, to a storage, node by node
    Move {
        /// A table of the group
        relation: String,
        /// A storage, or pg_default
        storage: String,
        /// Also rewrite the table in the order of this index
        #[arg(long)]
        cluster_on: Option<String>,
        /// Return at once with the operation's number
        #[arg(long)]
        no_wait: bool,
    },
    /// Remove an empty storage from every node
    Drop {
        name: String,
        /// Return at once with the operation's number
        #[arg(long)]
        no_wait: bool,
    },
    /// The storages
    List,
}

/// Starts what is asked for and waits for it.
///
/// # Errors
/// [`CliError::Sql`] with what refused or ended it.
pub async fn run(target: &Target, json: bool, storage: &Storage) -> Result<(), CliError> {
    let client = target.connect().await?;
    let (row, no_wait) = match storage {
        Storage::List => return views::show(&client, json, &views::STORAGES).await,
        Storage::Add {
            name,
            directory,
            no_wait,
        } => {
            let sql = "SELECT cluster_add_storage($1::text, $2::text)";
            (client.query_one(sql, &[name, directory]).await?, *no_wait)
        }
        Storage::Move {
            relation,
            storage,
            cluster_on,
            no_wait,
        } => {
            let sql = "SELECT cluster_move_table($1::text::regclass, $2::text, $3::text::regclass)";
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [relation, storage, cluster_on];
            (client.query_one(sql, &parameters).await?, *no_wait)
        }
        Storage::Drop { name, no_wait } => {
            let sql = "SELECT cluster_drop_storage($1::text)";
            (client.query_one(sql, &[name]).await?, *no_wait)
        }
    };
    wait::finish(&client, row.get(0), json, no_wait).await
}
