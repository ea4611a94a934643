//! How far a connection is inside a transaction on its node: plain data that the transaction callbacks keep.

/// How far a connection is inside a transaction on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// No transaction is open.
    #[default]
    None,
    /// A read-only transaction of one local statement.
    Statement(u64),
    /// The node's part of the local transaction.
    Transaction,
}

/// The part of a connection that the transaction callbacks look after.
#[derive(Debug, Default)]
pub struct Participant {
    pub scope: Scope,
    /// Deepest local nest level that the node knows: 1 is BEGIN, 2 the first savepoint.
    pub level: i32,
    pub wrote: bool,
    /// The snapshot of the statement's transaction, or of one in which nothing has been done, is to be taken anew.
    pub stale: bool,
    /// Name under which PREPARE TRANSACTION was sent.
    pub prepared_as: Option<String>,
}

impl Participant {
    pub fn in_transaction(&self) -> bool {
        self.scope != Scope::None
    }

    pub fn ended(&mut self) {
        *self = Participant::default();
    }
}
