//! What a table must be like to become distributed or replicated. Every check comes before any change.

use crate::error::Error;
use crate::metadata::bucket::hash_function;
use crate::metadata::cache::TableKind;
use crate::pg::session::locks::lock_relation;
use crate::pg::session::transaction;
use crate::pg::{names, spi};
use pgrx::pg_sys::{self, Oid};

/// A table under inspection.
pub struct Subject {
    pub relation: Oid,
    /// `schema.name`.
    pub name: String,
    /// Name without schema, for messages.
    pub bare: String,
}

impl Subject {
    /// Locks the table against all other sessions until the transaction ends; refuses what is no table of the user's.
    pub fn lock(relation: Oid) -> Subject {
        Self::with_lock(relation, pg_sys::AccessExclusiveLock)
    }

    /// The same with a lock of another mode.
    pub fn with_lock(relation: Oid, mode: u32) -> Subject {
        refuse_old_snapshot();
        // A missing relation is found below.
        lock_relation(relation, mode as i32);
        let Some(name) = names::qualified(relation) else {
            Error::InvalidParameter {
                parameter: "relation",
                reason: format!("relation with OID {} does not exist", relation.to_u32()),
            }
            .raise()
        };
        let subject = Subject {
            relation,
            name,
            bare: names::bare(relation),
        };
        subject.check_owner();
        subject
    }

    fn check_owner(&self) {
        let oid = self.relation.to_u32();
        let owned = spi::holds(&format!(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = {oid}"
        ));
        if !owned {
            crate::error::Raised {
                sqlstate: "42501".into(),
                message: format!("must be owner of table {}", self.bare),
                ..Default::default()
            }
            .raise();
        }
    }

    pub fn refuse(&self, reason: impl Into<String>, hint: impl Into<String>) -> ! {
        Error::NotDistributable {
            relation: self.bare.clone(),
            reason: reason.into(),
            hint: hint.into(),
        }
        .raise()
    }

    /// Not distributed or replicated yet, and an ordinary permanent table of the user's.
    pub fn check_kind(&self) {
        if let Some(table) = crate::catalog::everywhere::cluster().table(self.relation) {
            let kind = match table.kind {
                TableKind::Distributed { .. } => "distributed",
                TableKind::Replicated => "replicated",
            };
            Error::AlreadyDistributed {
                relation: self.bare.clone(),
                kind,
            }
            .raise();
        }
        let oid = self.relation.to_u32();
        for (test, reason, hint) in KIND {
            if spi::holds(&format!(
                "SELECT {test} FROM pg_class c WHERE c.oid = {oid}"
            )) {
                self.refuse(*reason, *hint);
            }
        }
    }

    /// The distribution column's number and type.
    pub fn check_column(&self, column: &str) -> (i16, Oid) {
        let rows = spi::query(&format!(
            "SELECT attnum, atttypid::oid, attgenerated <> '', coalesce(c.collisdeterministic, true) \
             FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation \
             WHERE attrelid = {} AND attname = {} AND attnum > 0 AND NOT attisdropped",
            self.relation.to_u32(),
            spi::literal(column)
        ));
        let Some([Some(number), Some(type_oid), Some(generated), Some(deterministic)]) =
            rows.first().map(Vec::as_slice)
        else {
            Error::NoSuchColumn {
                relation: self.bare.clone(),
                column: column.into(),
            }
            .raise()
        };
        if generated == "t" {
            self.refuse(
                format!("column \"{column}\" is generated"),
                "Distribute by a column that is stored as it is written.",
            );
        }
        if deterministic != "t" {
            self.refuse(
                format!("the collation of column \"{column}\" is not deterministic"),
                "Equal values must have equal bytes; give the column another collation.",
            );
        }
        let type_oid = spi::parse_oid(type_oid).expect("an OID is a number");
        self.check_type(column, type_oid);
        (
            number.parse().expect("an attribute number is a number"),
            type_oid,
        )
    }

    /// Same hash on every node, and allowed in a publication's filter: a built-in base type whose values are not OIDs
    /// of this server's own objects.
    fn check_type(&self, column: &str, type_oid: Oid) {
        let usable = spi::holds(&format!(
            "SELECT typtype = 'b' AND typcategory NOT IN ('A', 'P') AND typname !~ '^reg' AND oid < 16384 \
             FROM pg_type WHERE oid = {}",
            type_oid.to_u32()
        ));
        if hash_function(type_oid).is_none() {
            Error::NoHashFunction {
                column: column.into(),
                type_name: names::type_name(type_oid),
            }
            .raise();
        }
        if !usable {
            self.refuse(
                format!(
                    "values of type {} do not hash alike on all nodes",
                    names::type_name(type_oid)
                ),
                "Distribute by a column of a built-in base type, such as bigint, text or uuid.",
            );
        }
    }

    /// Every key that is to be unique contains the distribution column, else no single node could see to it.
    pub fn check_keys(&self, column: &str, number: i16) {
        let oid = self.relation.to_u32();
        let found = spi::value(&format!(
            "SELECT CASE WHEN k.contype IS NULL THEN format('unique index %I', x.relname) \
                         WHEN k.contype = 'p' THEN format('primary key %I', k.conname) \
                         WHEN k.contype = 'u' THEN format('unique constraint %I', k.conname) \
                         ELSE format('exclusion constraint %I', k.conname) END \
             FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
             LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x') \
             WHERE i.indrelid = {oid} AND (i.indisunique OR i.indisexclusion) \
               AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key (attnum, place) \
                               WHERE key.attnum = {number} AND key.place <= i.indnkeyatts \
                                 AND (k.conexclop IS NULL OR (SELECT oprname = '=' FROM pg_operator \
                                                              WHERE oid = k.conexclop[key.place]))) \
             ORDER BY x.relname LIMIT 1"
        ));
        if let Some(object) = found {
            Error::KeyWithoutColumn {
                relation: self.bare.clone(),
                object,
                column: column.into(),
            }
            .raise();
        }
    }

    /// No row without a bucket.
    pub fn check_no_nulls(&self, column: &str) {
        let nulls = spi::holds(&format!(
            "SELECT EXISTS (SELECT FROM ONLY {} WHERE {} IS NULL)",
            self.name,
            spi::identifier(column)
        ));
        if nulls {
            self.refuse(
                format!("column \"{column}\" contains null values"),
                "A distribution column is NOT NULL; give these rows a value first.",
            );
        }
    }
}

/// A snapshot from before the lock would not show every row that has to be moved.
fn refuse_old_snapshot() {
    if transaction::has_one_snapshot() {
        crate::error::Raised {
            sqlstate: "25001".into(),
            message:
                "a table cannot be distributed in a REPEATABLE READ or SERIALIZABLE transaction"
                    .into(),
            hint: Some("Use a READ COMMITTED transaction.".into()),
            ..Default::default()
        }
        .raise();
    }
}

/// Conditions under which a table is refused: SQL over `pg_class c`, reason, hint.
const KIND: &[(&str, &str, &str)] = &[
    ("c.relkind = 'p'", "it is partitioned", "Distribute its rows as one ordinary table."),
    ("c.relkind = 'f'", "it is a foreign table", "Only ordinary tables can be distributed."),
    ("c.relkind IN ('v', 'm')", "it is a view", "Distribute the tables it reads instead."),
    ("c.relkind <> 'r'", "it is not a table", "Only ordinary tables can be distributed."),
    ("c.relpersistence = 't'", "it is temporary", "Only permanent tables can be distributed."),
    ("c.relpersistence = 'u'", "it is unlogged", "Run ALTER TABLE ... SET LOGGED first."),
    ("c.relispartition", "it is a partition", "Detach it first."),
    (
        "EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent))",
        "it takes part in inheritance",
        "Run ALTER TABLE ... NO INHERIT first.",
    ),
    (
        "c.oid < 16384 OR c.relnamespace::regnamespace::text IN ('pg_catalog', 'information_schema', 'expanse')",
        "it belongs to the system",
        "Only tables of your own can be distributed.",
    ),
    (
        "EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')",
        "it belongs to an extension",
        "Only tables of your own can be distributed.",
    ),
    (
        "EXISTS (SELECT FROM pg_class o JOIN pg_tablespace s ON s.oid = o.reltablespace \
         WHERE (o.oid = c.oid OR o.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid)) \
           AND s.spcname <> 'pg_default' AND s.spcname NOT IN (SELECT storage_name FROM expanse.storage))",
        "it or an index of it lies in a tablespace that is no storage of the cluster",
        "Move it with ALTER TABLE ... SET TABLESPACE, or run SELECT cluster_add_storage(...) for that tablespace first.",
    ),
    ("c.reloftype <> 0", "it is a typed table", "Run ALTER TABLE ... NOT OF first."),
    (
        "EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid)",
        "it has rules",
        "Drop the rules first; triggers can do their work.",
    ),
];
