//! What must hold after each round.

use super::cluster::Struck;
use crate::kit::{Failure, Outcome, LEFT_OVER};

/// Nothing is left of any operation.
pub fn clean(struck: &Struck) -> Outcome<bool> {
    let unfinished = "SELECT count(*) FROM cluster_operations WHERE finished_at IS NULL";
    let on_fourth =
        "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) +
        (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_prepared_xacts)";
    Ok(struck.any_says(unfinished, "0")?
        && struck.all_say(LEFT_OVER, "0")?
        && struck.fourth().internal().says(on_fourth, "0")?)
}

/// Every acknowledged row is there, every row once, every copy alike.
pub fn whole(struck: &Struck) -> Outcome {
    for table in struck.acknowledged.tables() {
        rows_are_whole(struck, &table)?;
    }
    let mut copies = Vec::new();
    for node in &struck.nodes {
        copies.push(node.internal().ask("SELECT * FROM copied ORDER BY id")?);
    }
    copies.dedup();
    if copies.len() == 1 {
        return Ok(());
    }
    Err(Failure::wrong("the copies differ"))
}

fn rows_are_whole(struck: &Struck, table: &str) -> Outcome {
    let count = format!("SELECT count(*) FROM {table}");
    let mut in_fragments = 0;
    for node in &struck.nodes {
        // A plain table is on the first node alone.
        in_fragments += node.internal().number(&count).unwrap_or(0);
    }
    let first = &struck.nodes[0];
    let seen = first.number(&count)?;
    let keys = struck.acknowledged.keys(table);
    let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
    let said = first.run(&[
        "CREATE TEMP TABLE said (id bigint)",
        &format!(
            "INSERT INTO said SELECT unnest('{{{}}}'::bigint[])",
            keys.join(",")
        ),
        &format!("SELECT count(*) FROM said LEFT JOIN {table} USING (id) WHERE {table}.id IS NULL"),
    ])?;
    if in_fragments == seen && said == "0" {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "{table}: {in_fragments} rows in fragments, {seen} seen, {said} acknowledged ones lost"
    )))
}
