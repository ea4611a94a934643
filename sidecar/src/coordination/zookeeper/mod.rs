//! The coordination store of a real cluster: ZooKeeper.

use std::sync::Arc;

use super::address::ZooKeeperAddress;
use super::{Coordination, Error, Result, Timeouts};

pub struct ZooKeeper;

impl ZooKeeper {
    pub async fn connect(
        _address: ZooKeeperAddress,
        _identity: &str,
        _timeouts: Timeouts,
    ) -> Result<Arc<dyn Coordination>> {
        Err(Error::Unavailable {
            reason: "not yet".to_owned(),
        })
    }
}
