//! PostgreSQL's planner as safe references: one level of planning, its relations, what they give, and their paths.
//!
//! # How it works
//! The planner's hooks make a [`Planner`] and [`Rel`]s once, unsafely. From there methods lead to the other structures and
//! run the planner's own functions. Plain fields are read through `Deref`. The planner changes its structures while it works:
//! what is read is read anew each time, and setters change single fields.
//!
//! # Invariants
//! Every structure lives in the memory of the planning, for `'a`. What is made here is made in the current memory context,
//! which is the planner's own in its hooks.

pub mod aggregate;
pub mod custom_path;
pub mod paths;
pub mod rel;
pub mod relids;
pub mod root;
pub mod target;
pub mod upper;

pub use custom_path::PlannedByUs;
pub use paths::{Aggregation, PathRef};
pub use rel::{Private, Rel};
pub use relids::Relids;
pub use root::Planner;
pub use target::Target;
pub use upper::Stage;

/// `Name(Structure);` makes the reference to a structure of the planner, through which its plain fields can be read.
macro_rules! references {
    ($($(#[$doc:meta])* $name:ident($of:ident);)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub struct $name<'a> {
                place: std::ptr::NonNull<pgrx::pg_sys::$of>,
                planning: std::marker::PhantomData<&'a pgrx::pg_sys::$of>,
            }

            impl std::ops::Deref for $name<'_> {
                type Target = pgrx::pg_sys::$of;

                fn deref(&self) -> &Self::Target {
                    // SAFETY: valid as long as the planning (`new`).
                    unsafe { self.place.as_ref() }
                }
            }

            impl $name<'_> {
                /// # Safety
                /// Not null; a structure of the planner at work that lives for the lifetime of the result, with everything
                /// that it refers to.
                pub unsafe fn new(place: *mut pgrx::pg_sys::$of) -> Self {
                    $name {
                        place: std::ptr::NonNull::new(place).expect("the planner has a structure here"),
                        planning: std::marker::PhantomData,
                    }
                }

                /// For PostgreSQL's functions.
                pub fn as_ptr(self) -> *mut pgrx::pg_sys::$of {
                    self.place.as_ptr()
                }
            }
        )*
    };
}
use references;
