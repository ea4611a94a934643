//! TPC-H's eight tables and where a cluster keeps them.

pub mod load;
pub mod queries;

/// Where the rows of a table go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    Distributed {
        column: &'static str,
        with: Option<&'static str>,
    },
    Replicated,
}

/// One table: its columns are in the order in which the generator writes them.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, &'static str)],
    pub key: &'static str,
    pub placement: Placement,
}

impl Table {
    pub fn create_statement(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, of_type)| format!("{name} {of_type} NOT NULL"))
            .collect();
        format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({}))",
            self.name,
            columns.join(", "),
            self.key
        )
    }

    /// The statement that makes the cluster keep the (empty) table where it belongs.
    pub fn place_statement(&self) -> String {
        let name = self.name;
        match self.placement {
            Placement::Replicated => format!("SELECT cluster_replicate_table('{name}')"),
            Placement::Distributed { column, with: None } => {
                format!("SELECT cluster_distribute_table('{name}', '{column}')")
            }
            Placement::Distributed {
                column,
                with: Some(other),
            } => {
                format!("SELECT cluster_distribute_table('{name}', '{column}', colocate_with => '{other}')")
            }
        }
    }

    /// All column names, comma-separated.
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

const fn distributed(column: &'static str) -> Placement {
    Placement::Distributed { column, with: None }
}

const fn together(column: &'static str, with: &'static str) -> Placement {
    Placement::Distributed {
        column,
        with: Some(with),
    }
}

/// All tables, in an order in which they can be created.
pub const TABLES: [Table; 8] = [
    Table {
        name: "region",
        columns: &[
            ("r_regionkey", "int"),
            ("r_name", "text"),
            ("r_comment", "text"),
        ],
        key: "r_regionkey",
        placement: Placement::Replicated,
    },
    Table {
        name: "nation",
        columns: &[
            ("n_nationkey", "int"),
            ("n_name", "text"),
            ("n_regionkey", "int"),
            ("n_comment", "text"),
        ],
        key: "n_nationkey",
        placement: Placement::Replicated,
    },
    Table {
        name: "supplier",
        columns: &[
            ("s_suppkey", "bigint"),
            ("s_name", "text"),
            ("s_address", "text"),
            ("s_nationkey", "int"),
            ("s_phone", "text"),
            ("s_acctbal", "numeric(15,2)"),
            ("s_comment", "text"),
        ],
        key: "s_suppkey",
        placement: Placement::Replicated,
    },
    Table {
        name: "customer",
        columns: &[
            ("c_custkey", "bigint"),
            ("c_name", "text"),
            ("c_address", "text"),
            ("c_nationkey", "int"),
            ("c_phone", "text"),
            ("c_acctbal", "numeric(15,2)"),
            ("c_mktsegment", "text"),
            ("c_comment", "text"),
        ],
        key: "c_custkey",
        placement: distributed("c_custkey"),
    },
    Table {
        name: "part",
        columns: &[
            ("p_partkey", "bigint"),
            ("p_name", "text"),
            ("p_mfgr", "text"),
            ("p_brand", "text"),
            ("p_type", "text"),
            ("p_size", "int"),
            ("p_container", "text"),
            ("p_retailprice", "numeric(15,2)"),
            ("p_comment", "text"),
        ],
        key: "p_partkey",
        placement: distributed("p_partkey"),
    },
    Table {
        name: "partsupp",
        columns: &[
            ("ps_partkey", "bigint"),
            ("ps_suppkey", "bigint"),
            ("ps_availqty", "int"),
            ("ps_supplycost", "numeric(15,2)"),
            ("ps_comment", "text"),
        ],
        key: "ps_partkey, ps_suppkey",
        placement: together("ps_partkey", "part"),
    },
    Table {
        name: "orders",
        columns: &[
            ("o_orderkey", "bigint"),
            ("o_custkey", "bigint"),
            ("o_orderstatus", "text"),
            ("o_totalprice", "numeric(15,2)"),
            ("o_orderdate", "date"),
            ("o_orderpriority", "text"),
            ("o_clerk", "text"),
            ("o_shippriority", "int"),
            ("o_comment", "text"),
        ],
        key: "o_orderkey",
        placement: distributed("o_orderkey"),
    },
    Table {
        name: "lineitem",
        columns: &[
            ("l_orderkey", "bigint"),
            ("l_partkey", "bigint"),
            ("l_suppkey", "bigint"),
            ("l_linenumber", "int"),
            ("l_quantity", "numeric(15,2)"),
            ("l_extendedprice", "numeric(15,2)"),
            ("l_discount", "numeric(15,2)"),
            ("l_tax", "numeric(15,2)"),
            ("l_returnflag", "text"),
            ("l_linestatus", "text"),
            ("l_shipdate", "date"),
            ("l_commitdate", "date"),
            ("l_receiptdate", "date"),
            ("l_shipinstruct", "text"),
            ("l_shipmode", "text"),
            ("l_comment", "text"),
        ],
        key: "l_orderkey, l_linenumber",
        placement: together("l_orderkey", "orders"),
    },
];
