//! The engine of operations: durable changes to the cluster in many steps. It knows no kind of operation.
//!
//! An operation is an entry of the journal in the coordination store ([`journal`]). The leader ([`leader`]) runs it by
//! the declared table of steps ([`step`]) of its kind ([`kind`]): each step is idempotent and is journaled when it is done,
//! so that another leader goes on from there ([`runner`]). Before the table's turning point an operation that is cancelled
//! or cannot go on is undone, after it it goes forward. Any node may submit ([`submit`]) and request ([`request`]); the
//! leader picks the entry up, unless it conflicts with another ([`conflict`]). Why something is refused is typed, by the
//! engine and by each kind ([`refusal`]).
//!
//! What a kind needs of itself in the journal is typed ([`state`]) and opaque to the engine. The kinds are in
//! the room `kinds`.

mod conflict;
pub mod context;
pub mod error;
mod fault;
pub mod journal;
mod kept;
pub mod kind;
pub mod leader;
pub mod members;
pub mod refusal;
pub mod request;
mod runner;
pub mod state;
pub mod step;
pub mod submit;

pub use context::{maintenance, Context, Shared};
pub use error::{Error, Result};
pub use journal::{Journal, JournalEntry};
pub use kind::{Desk, Kind, Kinds};
pub use refusal::{Reason, Refusal};
pub use state::Typed;
pub use step::{Plan, Reversal, Step};
