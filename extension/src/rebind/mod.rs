//! The steps of moving a group to another hash map version.
