//! The stages after the joins, as PostgreSQL's planner comes to them.

use super::Planner;
use crate::pg::tree::ListRef;
use pgrx::pg_sys::{GroupPathExtraData, UpperRelationKind};
use std::ffi::c_void;

/// A stage after the joins.
#[derive(Clone, Copy)]
pub enum Stage<'a> {
    /// Grouping, with the conditions of HAVING.
    Grouping {
        having: ListRef<'a>,
    },
    Distinct,
    Ordering,
}

impl<'a> Stage<'a> {
    /// `None` for the other stages, some of which have no input.
    ///
    /// # Safety
    /// What PostgreSQL passes to `create_upper_paths_hook` at this level of planning.
    pub unsafe fn new(
        planner: Planner<'a>,
        stage: UpperRelationKind::Type,
        extra: *mut c_void,
    ) -> Option<Self> {
        Some(match stage {
            UpperRelationKind::UPPERREL_GROUP_AGG => {
                // SAFETY: the extra data of a grouping, if any. HAVING is a list of conditions in the planner.
                let having = unsafe {
                    let of_stage = extra.cast::<GroupPathExtraData>().as_ref();
                    let having = of_stage.map_or(planner.query().havingQual, |it| it.havingQual);
                    ListRef::new(having.cast())
                };
                Stage::Grouping { having }
            }
            UpperRelationKind::UPPERREL_DISTINCT => Stage::Distinct,
            UpperRelationKind::UPPERREL_ORDERED => Stage::Ordering,
            _ => return None,
        })
    }
}
