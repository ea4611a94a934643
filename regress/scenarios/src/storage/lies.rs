//! Where things lie: tables, tablespaces, directories, and what the store says of them.

use super::Storages;
use crate::kit::{until, Failure, Outcome};

/// These tables, their indexes and TOAST are there on every node, and no part of them is elsewhere.
pub fn lies(storages: &Storages, storage: &str, tables: &[&str]) -> Outcome {
    let query = format!(
        "SELECT DISTINCT coalesce(s.spcname, 'pg_default') FROM pg_class t
            JOIN LATERAL (SELECT t.oid UNION ALL SELECT t.reltoastrelid UNION ALL SELECT indexrelid FROM pg_index
                          WHERE indrelid IN (t.oid, t.reltoastrelid)) AS p (part) ON true
            JOIN pg_class c ON c.oid = p.part LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
            WHERE t.oid = ANY ('{{{}}}'::regclass[]::oid[])",
        tables.join(",")
    );
    for node in storages.scenario.cluster.nodes()? {
        let found = node.internal().ask(&query)?;
        if found != storage {
            return Err(Failure::Wrong(format!("on {}: {found}", node.name)));
        }
    }
    Ok(())
}

/// The rows of app.item lie by weight on every node.
pub fn in_order(storages: &Storages) -> Outcome<bool> {
    storages.scenario.cluster.all_say(
        "SELECT count(*) FROM (SELECT weight < lag(weight) OVER (ORDER BY ctid) AS back FROM app.item) r WHERE back",
        "0",
    )
}

/// Every node has it, in its own directory, and the topology in the store says so.
pub fn has_storage(storages: &Storages, name: &str) -> Outcome {
    let pattern = storages.pattern(name);
    let there = storages.scenario.cluster.all_say(
        &format!(
            "SELECT replace('{pattern}', '{{node}}', (SELECT node_name FROM cluster_nodes WHERE local)) =
                (SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = '{name}')"
        ),
        "t",
    )?;
    if !there {
        return Err(Failure::Wrong(format!("a node does not have {name}")));
    }
    let entry = format!("\"storage_name\":\"{name}\",\"directory\":\"{pattern}\"");
    until(&format!("{name} is in the topology"), || {
        storages.scenario.cluster.stored("", &entry)
    })
}

/// Neither tablespace, directory, record nor topology.
pub fn no_storage(storages: &Storages, name: &str) -> Outcome {
    let cluster = &storages.scenario.cluster;
    let left = cluster.sum(&format!(
        "SELECT (SELECT count(*) FROM pg_tablespace WHERE spcname = '{name}') +
            (SELECT count(*) FROM expanse.storage WHERE storage_name = '{name}')"
    ))?;
    if left > 0 {
        return Err(Failure::Wrong(format!("{left} things are left of {name}")));
    }
    for node in ["n1", "n2", "n3", "n4"] {
        let directory = storages.disks.join(node).join(name);
        if directory.exists() {
            let what = format!("{} is there", directory.display());
            return Err(Failure::Wrong(what));
        }
    }
    let entry = format!("\"storage_name\":\"{name}\"");
    until(&format!("{name} is not in the topology"), || {
        Ok(!cluster.stored("topology", &entry)?)
    })
}
