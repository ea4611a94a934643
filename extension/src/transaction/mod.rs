//! Transactions over nodes: two-phase commit, savepoints, recovery.

/// Registers the transaction callbacks; called once at load.
pub fn init() {}
