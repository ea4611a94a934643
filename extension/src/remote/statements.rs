//! Statements that a connection keeps prepared: the least recently used one goes when there are too many.

use pgrx::pg_sys::Oid;
use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;

/// How many statements a connection keeps.
const LIMIT: usize = 256;

struct Statement {
    name: Rc<CString>,
    types: Vec<Oid>,
    used: u64,
}

/// The prepared statements of one connection, by text.
#[derive(Default)]
pub struct Statements {
    known: HashMap<Rc<str>, Statement>,
    clock: u64,
    made: u64,
}

impl Statements {
    /// The name under which the server knows this statement.
    pub fn find(&mut self, sql: &str, types: &[Oid]) -> Option<Rc<CString>> {
        let statement = self.known.get_mut(sql)?;
        if statement.types != types {
            return None;
        }
        self.clock += 1;
        statement.used = self.clock;
        Some(statement.name.clone())
    }

    /// A name for a new statement.
    pub fn new_name(&mut self) -> Rc<CString> {
        self.made += 1;
        Rc::new(CString::new(format!("expanse_{}", self.made)).expect("no NUL in a number"))
    }

    /// The server has prepared it. Answers the names of statements that are to be deallocated.
    pub fn add(&mut self, sql: Rc<str>, types: Vec<Oid>, name: Rc<CString>) -> Vec<Rc<CString>> {
        self.clock += 1;
        let mut surplus = Vec::new();
        let statement = Statement {
            name,
            types,
            used: self.clock,
        };
        if let Some(replaced) = self.known.insert(sql, statement) {
            surplus.push(replaced.name);
        }
        if self.known.len() > LIMIT {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, s)| s.used)
                .map(|(k, _)| k.clone());
            surplus.extend(
                oldest
                    .and_then(|key| self.known.remove(&key))
                    .map(|s| s.name),
            );
        }
        surplus
    }

    /// Forgets all; answers whether there were any.
    pub fn clear(&mut self) -> bool {
        let any = !self.known.is_empty();
        self.known.clear();
        any
    }
}
