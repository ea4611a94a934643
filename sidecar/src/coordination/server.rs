//! A real ZooKeeper server for tests and for the cluster in a box.
