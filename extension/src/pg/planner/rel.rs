//! Relations of the planner: tables, joins, and what is made of them.

use super::{references, PathRef, Relids, Target};
use crate::pg::tree::ListRef;
use pgrx::pg_sys::{self, AttrNumber, RelOptKind, RestrictInfo};

references! {
    /// A relation of the planner.
    Rel(RelOptInfo);
}

/// What is remembered with a relation from one hook to the next.
///
/// # Safety
/// No other type, and no structure of a foreign data wrapper's, has this mark.
pub unsafe trait Private: Copy {
    const MARK: u64;
}

#[repr(C)]
struct Marked<T> {
    mark: u64,
    value: T,
}

impl<'a> Rel<'a> {
    /// What the relation gives.
    pub fn target(self) -> Target<'a> {
        // SAFETY: every relation has a target.
        unsafe { Target::new(self.reltarget) }
    }

    /// Sets what a relation of a stage after the joins gives.
    pub fn set_target(self, target: Target<'a>) {
        // SAFETY: both belong to the planner at work.
        unsafe { (*self.as_ptr()).reltarget = target.as_ptr() };
    }

    pub fn relids(self) -> Relids<'a> {
        // SAFETY: a field of a valid relation.
        unsafe { Relids::new(self.relids) }
    }

    /// The tables that it refers to from inside, by LATERAL.
    pub fn lateral_relids(self) -> Relids<'a> {
        // SAFETY: as above.
        unsafe { Relids::new(self.lateral_relids) }
    }

    /// The conditions on a table alone.
    pub fn conditions(self) -> ListRef<'a, RestrictInfo> {
        // SAFETY: a list of conditions.
        unsafe { ListRef::new(self.baserestrictinfo) }
    }

    /// Is it a table, rather than a join or what is made of one?
    pub fn is_table(self) -> bool {
        matches!(
            self.reloptkind,
            RelOptKind::RELOPT_BASEREL | RelOptKind::RELOPT_OTHER_MEMBER_REL
        )
    }

    /// Does the planner know that it has no rows?
    pub fn is_empty(self) -> bool {
        // SAFETY: looks at the paths of a valid relation.
        unsafe { pg_sys::is_dummy_rel(self.as_ptr()) }
    }

    /// System columns of a table (negative numbers) that the query reads.
    pub fn system_columns(self) -> impl Iterator<Item = AttrNumber> + use<'a> {
        (self.min_attr..0).filter(move |&attribute| {
            // SAFETY: `attr_needed` has an entry for each attribute from `min_attr` on.
            let needed = unsafe { *self.attr_needed.add((attribute - self.min_attr) as usize) };
            !needed.is_null()
        })
    }

    /// Adds a path to those that the planner chooses from.
    pub fn add_path(self, path: PathRef<'a>) {
        // SAFETY: both belong to the planner at work.
        unsafe { pg_sys::add_path(self.as_ptr(), path.as_ptr()) };
    }

    /// Drops the paths that the planner has found so far, and lets it look for none of parallel workers.
    pub fn drop_paths(self) {
        let rel = self.as_ptr();
        // SAFETY: fields of a valid relation, whose paths nothing refers to while its own hook runs.
        unsafe {
            (*rel).pathlist = std::ptr::null_mut();
            (*rel).partial_pathlist = std::ptr::null_mut();
            (*rel).consider_parallel = false;
        }
    }

    /// Says that a table is so many times as large as it seemed.
    pub fn enlarge(self, factor: f64) {
        let pages = (f64::from(self.pages) * factor).min(f64::from(u32::MAX - 1));
        let tuples = self.tuples * factor;
        // SAFETY: fields of a valid relation.
        unsafe {
            (*self.as_ptr()).tuples = tuples;
            (*self.as_ptr()).pages = pages as u32;
        }
    }

    /// Remembers a value with the relation, as long as the planning.
    pub fn attach<T: Private + 'a>(self, value: T) -> &'a T {
        // SAFETY: palloc gives enough aligned memory, or raises; the field is free in a relation without a foreign data
        // wrapper.
        unsafe {
            let place = pg_sys::palloc(std::mem::size_of::<Marked<T>>()).cast::<Marked<T>>();
            place.write(Marked {
                mark: T::MARK,
                value,
            });
            (*self.as_ptr()).fdw_private = place.cast();
            &(*place).value
        }
    }

    /// What [`Rel::attach`] has remembered.
    pub fn attached<T: Private + 'a>(self) -> Option<&'a T> {
        if !self.fdwroutine.is_null() {
            return None;
        }
        // SAFETY: null, or of another library or ours, of at least eight bytes; the mark says which.
        unsafe {
            let mark = self.fdw_private.cast::<u64>().as_ref()?;
            (*mark == T::MARK).then(|| &(*self.fdw_private.cast::<Marked<T>>()).value)
        }
    }
}
