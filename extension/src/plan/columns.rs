//! Which columns a query uses, and whether it can stand by itself.

use crate::pg::tree::walk::RANGE_TABLE_TOO;
use crate::pg::tree::{walk_query, NodeRef, Step};
use pgrx::pg_sys::{Aggref, GroupingFunc, NodeTag, Query, RTEKind, RangeTblEntry, Var};
use std::collections::BTreeSet;

/// Attribute numbers of relation `rti` that the query uses, in its sublinks and subqueries too.
pub fn used(query: NodeRef<'_, Query>, rti: u32) -> BTreeSet<i16> {
    let mut search = Search::of(rti as i32);
    search.visit(query, 0);
    search.found
}

/// Does the query refer to nothing around it: no columns, aggregates or common table expressions of outer queries?
pub fn self_contained(query: NodeRef<'_, Query>) -> bool {
    let mut search = Search::of(0);
    search.visit(query, 0);
    !search.outward
}

struct Search {
    /// The range table index that is looked for.
    rti: i32,
    found: BTreeSet<i16>,
    /// Something refers to what is around the query.
    outward: bool,
}

impl Search {
    fn of(rti: i32) -> Search {
        Search {
            rti,
            found: BTreeSet::new(),
            outward: false,
        }
    }

    /// Visits a query that lies `depth` levels below the one where the search began.
    fn visit(&mut self, query: NodeRef<'_, Query>, depth: u32) {
        walk_query(query, RANGE_TABLE_TOO, &mut |node| {
            match node.tag() {
                NodeTag::T_Query => {
                    let inner = node.cast().expect("the tag was tested");
                    self.visit(inner, depth + 1);
                    return Step::Over;
                }
                NodeTag::T_Var => {
                    let var = node.cast::<Var>().expect("the tag was tested");
                    self.outward |= var.varlevelsup > depth;
                    if var.varlevelsup == depth && var.varno == self.rti {
                        self.found.insert(var.varattno);
                    }
                }
                NodeTag::T_RangeTblEntry => {
                    let entry = node.cast::<RangeTblEntry>().expect("the tag was tested");
                    self.outward |= entry.rtekind == RTEKind::RTE_CTE && entry.ctelevelsup > depth;
                }
                NodeTag::T_Aggref => {
                    let aggregate = node.cast::<Aggref>().expect("the tag was tested");
                    self.outward |= aggregate.agglevelsup > depth;
                }
                NodeTag::T_GroupingFunc => {
                    let grouping = node.cast::<GroupingFunc>().expect("the tag was tested");
                    self.outward |= grouping.agglevelsup > depth;
                }
                _ => {}
            }
            Step::Into
        });
    }
}
