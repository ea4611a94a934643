//! A renamed distribution column keeps its role.

use crate::ddl::classify::DdlJob;
use crate::pg::spi;

/// Writes the new name into this node's metadata; every node does so when it runs the statement.
pub fn follow(job: &DdlJob) {
    let Some((table, old, new)) = &job.renamed_column else {
        return;
    };
    spi::as_owner(|| {
        spi::execute(&format!(
            "UPDATE expanse.distributed_table SET distribution_column = {} \
             WHERE relation OPERATOR(pg_catalog.=) {}::pg_catalog.regclass AND distribution_column OPERATOR(pg_catalog.=) {}",
            spi::literal(new),
            table.to_u32(),
            spi::literal(old)
        ));
    });
}
