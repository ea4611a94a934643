//! The new server gets what must exist there: the extension, roles, and the schema of the cluster.
//!
//! `pg_dump` writes it, `psql` restores it in one transaction. Plain local tables stay where they
//! are, and so do views that need them.

use super::join::addresses;
use super::state::Expand;
use super::tools::Tools;
use crate::kinds::storage::members;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::{literal, NodeAddress};

/// # Errors
/// Those of the new server.
pub async fn create_extension(context: &Context) -> Result<()> {
    for new in addresses(context)? {
        context
            .executor()
            .batch(
                &new,
                maintenance("create the extension"),
                "CREATE EXTENSION IF NOT EXISTS expanse",
            )
            .await?;
    }
    Ok(())
}

/// Roles belong to the server, not to the database. Those that exist there stay as they are.
///
/// # Errors
/// Those of the programs.
pub async fn copy_roles(context: &Context) -> Result<()> {
    let tools = Tools::find(context).await?;
    let roles = tools
        .run(
            "pg_dumpall",
            context.local(),
            &strings(&["--roles-only"]),
            "",
        )
        .await?;
    // Without ON_ERROR_STOP: a role that has come to exist meanwhile is no reason to stop.
    let arguments = strings(&["-X", "-q", "-f", "-"]);
    for new in addresses(context)? {
        let there = existing_roles(context, &new).await?;
        let wanted: String = roles
            .lines()
            .filter(|line| {
                !there
                    .iter()
                    .any(|role| *line == format!("CREATE ROLE {role};"))
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        tools.run("psql", &new, &arguments, &wanted).await?;
    }
    Ok(())
}

/// The roles of the new server, as `pg_dumpall` writes them.
async fn existing_roles(context: &Context, new: &NodeAddress) -> Result<Vec<String>> {
    let rows = context
        .executor()
        .query(
            new,
            maintenance("look for roles"),
            "SELECT quote_ident(rolname) FROM pg_roles",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Before the tables that lie in them.
///
/// # Errors
/// Why a server cannot have one.
pub async fn make_storages(context: &Context) -> Result<()> {
    for new in addresses(context)? {
        make_storages_on(context, &new).await?;
    }
    Ok(())
}

async fn make_storages_on(context: &Context, new: &NodeAddress) -> Result<()> {
    // What was there before stays when the server does not join after all.
    let present = members::present(context, new).await?;
    if kept(context, new)?.is_none() {
        let name = new.node_name.clone();
        context
            .change_state::<Expand>(|state| {
                state.storages.insert(name, present);
            })
            .await?;
    }
    members::give(context, new).await
}

/// The storages that a new server had before; `None` when it was not asked yet.
fn kept(context: &Context, new: &NodeAddress) -> Result<Option<Vec<String>>> {
    Ok(context.state::<Expand>()?.storages.remove(&new.node_name))
}

/// # Errors
/// Those of the programs and of both servers.
pub async fn copy_schema(context: &Context) -> Result<()> {
    let marker = format!("schema of operation {}", context.id());
    let mut missing = Vec::new();
    for new in addresses(context)? {
        if !restored(context, &new, &marker).await? {
            missing.push(new);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let tools = Tools::find(context).await?;
    let mut arguments = strings(&[
        "--schema-only",
        "--no-publications",
        "--no-subscriptions",
        "--no-tablespaces",
        "--exclude-schema=expanse",
    ]);
    for relation in local_relations(context).await? {
        arguments.push(format!("--exclude-table={relation}"));
    }
    let mut script = tools
        .run("pg_dump", context.local(), &arguments, "")
        .await?;
    for statement in members::placements(context).await? {
        script.push_str(&format!("\n{statement}"));
    }
    // In the same transaction: the leader that resumes knows that it has been restored.
    script.push_str(&format!(
        "\nCOMMENT ON TABLE expanse.local_node IS {};\n",
        literal(&marker)
    ));
    let arguments = strings(&[
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "--single-transaction",
        "-f",
        "-",
    ]);
    for new in &missing {
        tools.run("psql", new, &arguments, &script).await?;
    }
    Ok(())
}

async fn restored(context: &Context, new: &NodeAddress, marker: &str) -> Result<bool> {
    Ok(context
        .executor()
        .value(
            new,
            maintenance("look for the schema"),
            "SELECT coalesce(obj_description('expanse.local_node'::regclass, 'pg_class') = $1::text, false)",
            &[&marker],
        )
        .await?)
}

/// Plain tables, what belongs to them, and views that need them, as patterns for `pg_dump`.
async fn local_relations(context: &Context) -> Result<Vec<String>> {
    const SQL: &str = r#"WITH RECURSIVE local AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
          AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'expanse')
          AND NOT EXISTS (SELECT FROM expanse.distributed_table t WHERE t.relation::oid = c.oid)
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
      UNION
        SELECT dependent.oid FROM local
        CROSS JOIN LATERAL (
            SELECT w.ev_class AS oid FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = local.oid AND w.ev_class <> local.oid
          UNION ALL
            SELECT d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = local.oid AND d.deptype = 'a') dependent)
    SELECT format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""'))
    FROM local JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM expanse.distributed_table t WHERE t.relation::oid = c.oid)"#;
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("look for local tables"),
            SQL,
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Makes the new servers what they were: they had no objects of users, which was checked before.
///
/// # Errors
/// Those of the new server; one that does not answer any more is left alone.
pub async fn empty_server(context: &Context) -> Result<()> {
    if context.state::<Expand>()?.checked.is_none() {
        return Ok(());
    }
    const SQL: &str = "DO $$ DECLARE s name; BEGIN \
        DROP EXTENSION IF EXISTS expanse CASCADE; \
        FOR s IN SELECT nspname FROM pg_namespace \
            WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' LOOP \
            EXECUTE format('DROP SCHEMA %I CASCADE', s); \
        END LOOP; \
        CREATE SCHEMA public AUTHORIZATION pg_database_owner; \
        GRANT USAGE ON SCHEMA public TO PUBLIC; \
        COMMENT ON SCHEMA public IS 'standard public schema'; END $$";
    for new in addresses(context)? {
        let emptied = async {
            take_storages(context, &new).await?;
            let command = maintenance("empty the server");
            Ok(context.executor().batch(&new, command, SQL).await?)
        };
        match emptied.await {
            Err(Error::Postgres(error)) if error.is_absence() => {
                tracing::warn!(operation = context.id(), %error, "the new server keeps what it got");
            }
            other => other?,
        }
    }
    Ok(())
}

/// While the extension is still there, which removes their directories; first what lies in them.
async fn take_storages(context: &Context, new: &NodeAddress) -> Result<()> {
    const SQL: &str = "DO $$ DECLARE s name; BEGIN \
        FOR s IN SELECT nspname FROM pg_namespace \
            WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'expanse') LOOP \
            EXECUTE format('DROP SCHEMA %I CASCADE', s); \
        END LOOP; END $$";
    const HAS_EXTENSION: &str = "SELECT to_regclass('expanse.storage') IS NOT NULL";
    let Some(kept) = kept(context, new)? else {
        return Ok(());
    };
    let executor = context.executor();
    let command = maintenance("look for the extension");
    if !executor.value(new, command, HAS_EXTENSION, &[]).await? {
        return Ok(());
    }
    executor
        .batch(new, maintenance("empty the server"), SQL)
        .await?;
    members::take(context, new, context.local(), &kept).await
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
