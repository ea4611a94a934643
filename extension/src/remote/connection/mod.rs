//! A connection to another node: sends batches, receives results, knows what is still to come.
//!
//! # How it works
//! A statement alone is sent as it is. When something has to precede it (settings, BEGIN, savepoints, its
//! preparation) all of it goes out as one libpq pipeline: one round trip in any case. `expected` lists
//! the answers that are to come; [`Connection::poll`] consumes them without blocking.
//!
//! # Invariants
//! A new batch is only sent when `expected` is empty ([`Connection::settle`] sees to it, moving rows of a
//! statement that still streams into that statement's own buffer). A connection that is `lost` is never used again.
//!
//! # Unwind safety
//! Waiting can unwind at any point (cancel). The state is then one in which answers are outstanding; the abort
//! callback of the transaction consumes them or closes the connection.

pub mod receive;
pub mod send;
pub mod settle;
pub mod wait;

use crate::error::Raised;
use crate::metadata::cache::{Node, NodeId};
use crate::pg::wait::WaitSet;
use crate::remote::libpq::{Answer, Pq, Values};
use crate::remote::participant::Participant;
use crate::remote::settings::Settings;
use crate::remote::spill::Spill;
use crate::remote::statements::Statements;
use pgrx::pg_sys::{Oid, SubTransactionId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CString;
use std::rc::Rc;
use std::time::Instant;

/// An answer that is to come.
enum Expected {
    /// Of a statement that only prepares for another.
    Setup,
    /// Of the preparation of this text.
    Preparation(Rc<str>, Vec<Oid>, Rc<CString>),
    /// The rows of the statement itself.
    Statement,
    /// Of a text of several statements, the first `skip` of which only prepare.
    Script { skip: usize },
    /// The end of a pipeline's batch.
    Sync,
}

/// What [`Connection::poll`] found.
pub enum Event {
    Rows(Answer),
    CopyIn,
    /// Everything expected has arrived.
    Finished,
    /// Nothing more has arrived yet.
    Blocked,
    Lost,
}

/// What a statement has answered, shared by its [`crate::dispatch::stream::Stream`] and the connection it runs on.
#[derive(Default)]
pub struct Results {
    pub buffer: Spill,
    pub ended: bool,
    pub affected: u64,
    pub tag: String,
    pub failure: Option<Raised>,
    /// The subtransaction in which its reader began.
    pub owner: SubTransactionId,
    /// Its notices are not passed on: they say what this node says itself.
    pub quiet: bool,
}

pub struct Connection {
    pub pq: Pq,
    pub node: NodeId,
    pub node_name: String,
    pub user: Oid,
    pub host: String,
    pub port: i32,
    pub participant: Participant,
    pub lost: bool,
    pub settings: Settings,
    waiter: Option<WaitSet>,
    statements: Statements,
    deallocate: Vec<Rc<CString>>,
    values: Values,
    expected: VecDeque<Expected>,
    pipelined: bool,
    failure: Option<Raised>,
    affected: u64,
    tag: String,
    pub(super) live: Option<Rc<RefCell<Results>>>,
    /// Set while a COPY runs.
    copy: Option<Rc<Cell<bool>>>,
    used_at: Instant,
    /// The running statement commits by itself, so that losing the connection leaves its outcome unknown.
    pub commits_alone: bool,
}

impl Connection {
    pub fn new(pq: Pq, node: &Node, user: Oid) -> Connection {
        let waiter = Some(WaitSet::new(vec![pq.socket()]));
        Connection {
            pq,
            node: node.id,
            node_name: node.name.clone(),
            user,
            host: node.host.clone(),
            port: node.port,
            participant: Participant::default(),
            lost: false,
            settings: Settings::default(),
            waiter,
            statements: Statements::default(),
            deallocate: Vec::new(),
            values: Values::default(),
            expected: VecDeque::new(),
            pipelined: false,
            failure: None,
            affected: 0,
            tag: String::new(),
            live: None,
            copy: None,
            used_at: Instant::now(),
            commits_alone: false,
        }
    }

    /// Are these the results of the running statement?
    pub fn runs(&self, results: &Rc<RefCell<Results>>) -> bool {
        !self.idle()
            && self
                .live
                .as_ref()
                .is_some_and(|live| Rc::ptr_eq(live, results))
    }

    /// Is nothing outstanding?
    pub fn idle(&self) -> bool {
        self.expected.is_empty()
    }

    /// Is what is outstanding the answer to a command that was sent for its effect only?
    pub fn runs_control(&self) -> bool {
        !self.idle() && self.live.is_none()
    }
}

/// What [`Connection::try_pull`] found.
pub enum Pulled {
    Rows(Answer),
    Ended,
    Blocked,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Before the socket they wait for is closed.
        self.waiter = None;
        crate::remote::sockets::forget();
    }
}
