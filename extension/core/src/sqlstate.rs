//! The SQLSTATEs of Expanse, each in one place: class `XP`, with what it means, when it happens and what to do.
//!
//! * [`statement`]: raised by the extension, for statements and for functions that are called in SQL
//! * [`operation`]: raised by the sidecar, for its commands and for operations
//! * [`coordination`]: raised by the sidecar, for the coordination store
//!
//! A caller names a constant; `docs/errors.md` is made of the tables.

mod coordination;
mod operation;
mod statement;

pub use coordination::*;
pub use operation::*;
pub use statement::*;

/// One condition: what a client tells an error apart by, and what a person needs to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlState {
    /// Five characters, the first two `XP`.
    pub code: &'static str,
    /// The condition's name, in snake case.
    pub name: &'static str,
    /// What is the matter, in full sentences.
    pub meaning: &'static str,
    /// What leads to it, in full sentences.
    pub when: &'static str,
    /// What helps, in full sentences; the hint of an error that has none of its own.
    pub hint: &'static str,
}

impl SqlState {
    /// The condition with this code; `None` for the codes of PostgreSQL.
    pub fn find(code: &str) -> Option<&'static Self> {
        all().find(|state| state.code == code)
    }
}

impl From<SqlState> for String {
    fn from(state: SqlState) -> Self {
        state.code.to_owned()
    }
}

impl PartialEq<SqlState> for &str {
    fn eq(&self, state: &SqlState) -> bool {
        *self == state.code
    }
}

impl PartialEq<SqlState> for String {
    fn eq(&self, state: &SqlState) -> bool {
        self == state.code
    }
}

/// The conditions with what raises them, for the page of errors.
pub const CHAPTERS: [(&str, &[SqlState]); 3] = [
    ("Statements and functions", statement::TABLE),
    ("Operations and commands of the sidecar", operation::TABLE),
    ("The coordination store", coordination::TABLE),
];

/// All conditions, in the order of their codes.
pub fn all() -> impl Iterator<Item = &'static SqlState> {
    CHAPTERS.iter().flat_map(|(_, table)| table.iter())
}

/// Declares a constant for each condition, and `TABLE` with all of them.
macro_rules! sqlstates {
    ($($constant:ident = $code:literal, $name:literal, $meaning:literal, $when:literal, $hint:literal;)+) => {
        $(
            #[doc = $meaning]
            pub const $constant: super::SqlState = super::SqlState {
                code: $code,
                name: $name,
                meaning: $meaning,
                when: $when,
                hint: $hint,
            };
        )+

        /// The constants of this module, in the order of their codes.
        pub(super) const TABLE: &[super::SqlState] = &[$($constant),+];

        #[cfg(test)]
        pub(super) const CONSTANTS: &[&str] = &[$(stringify!($constant)),+];
    };
}
use sqlstates;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_of_the_class_and_in_order() {
        let codes: Vec<&str> = all().map(|state| state.code).collect();
        let ordered: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(codes, ordered.into_iter().collect::<Vec<_>>());
        for code in codes {
            assert!(code.len() == 5 && code.starts_with("XP"), "{code}");
            let rest = code.strip_prefix("XPC").unwrap_or(&code[2..]);
            assert!(rest.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        }
    }

    #[test]
    fn names_are_those_of_the_constants_and_unique() {
        let constants = [
            statement::CONSTANTS,
            operation::CONSTANTS,
            coordination::CONSTANTS,
        ]
        .concat();
        let named: Vec<String> = all().map(|state| state.name.to_uppercase()).collect();
        assert_eq!(named, constants);
        assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
    }

    #[test]
    fn every_field_is_made_of_full_sentences() {
        for state in all() {
            for text in [state.meaning, state.when, state.hint] {
                let first = text.chars().next();
                assert!(
                    first.is_some_and(|c| c.is_ascii_uppercase()) && text.ends_with('.'),
                    "{}: {text:?} is no full sentence",
                    state.code
                );
                assert!(
                    !text.contains("  ") && !text.contains('\n') && !text.contains("can not"),
                    "{}: {text:?}",
                    state.code
                );
            }
        }
    }

    #[test]
    fn a_condition_is_found_by_its_code() {
        for state in all() {
            assert_eq!(SqlState::find(state.code), Some(state));
            let code: String = (*state).into();
            assert!(code == *state && state.code == *state);
        }
        assert_eq!(SqlState::find("40001"), None);
    }
}
