//! The rounds: operations that come back to where they began.

use std::fs;

use super::cluster::Struck;
use super::fault::Fault;
use super::whole::{clean, whole};
use crate::kit::{until, Outcome, Writer};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// A node joins, all tables follow, and it leaves again.
    Members,
    /// A storage is made, tables move there and back, and it is removed.
    Storage,
    /// A table gets another distribution column, and a plain one its first.
    Rewrite,
    /// All tables are rebound.
    All,
}

impl Round {
    pub const EACH: [Self; 4] = [Self::Members, Self::Storage, Self::Rewrite, Self::All];

    pub fn run(self, struck: &mut Struck, fault: Fault) {
        match self {
            Self::Members => members(struck, fault),
            Self::Storage => storage(struck, fault),
            Self::Rewrite => rewrite(struck, fault),
            Self::All => all(struck, fault),
        }
    }
}

/// What is checked to hold in the end.
type Holds = fn(&Struck) -> Outcome<bool>;

fn strike(struck: &mut Struck, name: &str, what: &str, kind: &str, fault: Fault, call: &str) {
    let ended = struck.strike(kind, fault, call);
    struck.scenario.check(format_args!("{name}, {what}"), ended);
}

fn finally(struck: &Struck, name: &str, what: &str, holds: Holds, call: &str) {
    let done = struck.finally(holds, call);
    struck.scenario.check(format_args!("{name}, {what}"), done);
}

fn begin(struck: &Struck) -> Writer {
    struck.acknowledged.write(struck.nodes.clone())
}

fn end(struck: &Struck, writer: Writer, what: &str) {
    if let Err(error) = writer.stop() {
        struck.scenario.note(error);
    }
    let scenario = struck.scenario;
    let left = until("nothing is left", || clean(struck));
    scenario.check(format_args!("clean, {what}"), left);
    scenario.check(format_args!("whole, {what}"), whole(struck));
}

fn expand(struck: &Struck) -> String {
    format!(
        "cluster_expand('n4', '127.0.0.1', {})",
        struck.fourth().port
    )
}

fn joined(struck: &Struck) -> Outcome<bool> {
    let active = "SELECT count(*) FROM cluster_nodes WHERE node_name = 'n4' AND state = 'active'";
    struck.any_says(active, "1")
}

fn left(struck: &Struck) -> Outcome<bool> {
    let there = "SELECT count(*) FROM cluster_nodes WHERE node_name = 'n4'";
    struck.any_says(there, "0")
}

fn bound(struck: &Struck) -> Outcome<bool> {
    let current = "SELECT count(*) FROM cluster_hash_maps WHERE current AND tables = 1";
    struck.any_says(current, "1")
}

fn members(struck: &mut Struck, fault: Fault) {
    let what = fault.to_string();
    let writer = begin(struck);
    let (expand, rebind, shrink) = (
        expand(struck),
        "cluster_rebind('moved')",
        "cluster_shrink('n4')",
    );
    strike(struck, "expand", &what, "expand", fault, &expand);
    finally(struck, "then joined", &what, joined, &expand);
    strike(struck, "rebind", &what, "rebind", fault, rebind);
    finally(struck, "then bound", &what, bound, rebind);
    strike(struck, "shrink", &what, "shrink", fault, shrink);
    finally(struck, "then left", &what, left, shrink);
    finally(struck, "then bound again", &what, bound, rebind);
    end(struck, writer, &what);
}

fn storages(struck: &Struck, number: &str) -> Outcome<bool> {
    let both = "SELECT (SELECT count(*) FROM expanse.storage), (SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast')";
    struck.all_say(both, number)
}

fn has_storage(struck: &Struck) -> Outcome<bool> {
    storages(struck, "1|1")
}

fn no_storage(struck: &Struck) -> Outcome<bool> {
    let disks = struck.scenario.cluster.file("disks");
    let empty = fs::read_dir(disks).is_ok_and(|mut entries| entries.next().is_none());
    Ok(empty && storages(struck, "0|0")?)
}

fn lies_in(struck: &Struck, storage: &str) -> Outcome<bool> {
    let both =
        "SELECT expanse.storage_of('moved'::regclass), expanse.storage_of('moved_pkey'::regclass)";
    struck.all_say(both, &format!("{storage}|{storage}"))
}

fn lies_fast(struck: &Struck) -> Outcome<bool> {
    lies_in(struck, "fast")
}

fn lies_back(struck: &Struck) -> Outcome<bool> {
    lies_in(struck, "pg_default")
}

fn storage(struck: &mut Struck, fault: Fault) {
    let what = fault.to_string();
    let directory = struck.scenario.cluster.file("disks/{node}");
    let add = format!("cluster_add_storage('fast', '{}')", directory.display());
    let drop = "cluster_drop_storage('fast')";
    let in_order = "cluster_move_table('moved', 'fast', 'moved_pkey')";
    let (there, back) = (
        "cluster_move_table('moved', 'fast')",
        "cluster_move_table('moved', 'pg_default')",
    );
    let writer = begin(struck);
    strike(struck, "add_storage", &what, "add_storage", fault, &add);
    finally(struck, "then there", &what, has_storage, &add);
    strike(struck, "move_table", &what, "move_table", fault, in_order);
    finally(struck, "then moved", &what, lies_fast, there);
    finally(struck, "and back", &what, lies_back, back);
    strike(struck, "drop_storage", &what, "drop_storage", fault, drop);
    finally(struck, "then gone", &what, no_storage, drop);
    end(struck, writer, &what);
}

/// Two tables more: one of another group, and a plain one of the first node.
fn with_others(struck: &Struck) -> Outcome {
    struck.nodes[0].run(&[
        "CREATE TABLE turned (id bigint, customer int DEFAULT 5, note text, PRIMARY KEY (id, customer))",
        "SELECT cluster_distribute_table('turned', 'customer')",
        "CREATE TABLE adopted (id bigint, customer int DEFAULT 5, note text)",
        "INSERT INTO turned SELECT i, i % 97, 'old' FROM generate_series(1, 1000) i",
        "INSERT INTO adopted TABLE turned",
    ])?;
    for table in ["turned", "adopted"] {
        struck.acknowledged.begin(table, 1);
    }
    Ok(())
}

fn without_others(struck: &Struck) -> Outcome<String> {
    for table in ["turned", "adopted"] {
        struck.acknowledged.end(table);
    }
    struck.nodes[0].ask("DROP TABLE turned, adopted")
}

fn by(struck: &Struck, table: &str, column: &str) -> Outcome<bool> {
    let query = format!(
        "SELECT distribution_column FROM cluster_tables WHERE relation = '{table}'::regclass"
    );
    struck.any_says(&query, column)
}

fn turned_by_id(struck: &Struck) -> Outcome<bool> {
    by(struck, "turned", "id")
}

fn turned_by_customer(struck: &Struck) -> Outcome<bool> {
    by(struck, "turned", "customer")
}

fn adopted_by_id(struck: &Struck) -> Outcome<bool> {
    let there = "SELECT count(*) FROM pg_class WHERE relname = 'adopted'";
    Ok(struck.all_say(there, "1")? && by(struck, "adopted", "id")?)
}

fn adopted_is_plain(struck: &Struck) -> Outcome<bool> {
    // It may be plain already, or not reached yet.
    let _ = struck.nodes[0].ask("SELECT cluster_localize_table('adopted')");
    let recorded =
        "SELECT count(*) FROM expanse.distributed_table WHERE relation = to_regclass('adopted')";
    struck.all_say(recorded, "0")
}

fn rewrite(struck: &mut Struck, fault: Fault) {
    let what = format!("rewrite, {fault}");
    let call = |table: &str, column: &str| {
        format!(
            "cluster_rebind('{table}', strategy => 'rewrite', distribution_column => '{column}')"
        )
    };
    let others = with_others(struck);
    if !struck
        .scenario
        .check(format_args!("two tables, {what}"), others)
    {
        return;
    }
    let writer = begin(struck);
    let (there, back) = (call("turned", "id"), call("turned", "customer"));
    let adopt = call("adopted", "id");
    strike(struck, "another column", &what, "rebind", fault, &there);
    finally(struck, "then by it", &what, turned_by_id, &there);
    finally(struck, "and back", &what, turned_by_customer, &back);
    strike(struck, "a first column", &what, "rebind", fault, &adopt);
    finally(struck, "then distributed", &what, adopted_by_id, &adopt);
    let plain = until("it is plain", || adopted_is_plain(struck));
    struck
        .scenario
        .check(format_args!("and plain, {what}"), plain);
    end(struck, writer, &what);
    struck
        .scenario
        .check(format_args!("dropped, {what}"), without_others(struck));
}

fn all_bound(struck: &Struck) -> Outcome<bool> {
    let old = "SELECT count(*) FROM cluster_hash_maps WHERE tables > 0 AND NOT current";
    struck.any_says(old, "0")
}

fn all(struck: &mut Struck, fault: Fault) {
    let what = format!("all, {fault}");
    let others = with_others(struck);
    if !struck
        .scenario
        .check(format_args!("two tables, {what}"), others)
    {
        return;
    }
    let expand = expand(struck);
    let rebind_all = "cluster_rebind_all()";
    let writer = begin(struck);
    finally(struck, "joined", &what, joined, &expand);
    strike(
        struck,
        "rebind",
        &what,
        "rebind_all",
        fault,
        "cluster_rebind_all(2)",
    );
    finally(struck, "then bound", &what, all_bound, rebind_all);
    finally(struck, "left", &what, left, "cluster_shrink('n4')");
    finally(struck, "then bound again", &what, all_bound, rebind_all);
    end(struck, writer, &what);
    struck
        .scenario
        .check(format_args!("dropped, {what}"), without_others(struck));
}
