//! Plain data in `custom_private` of a plan: JSON in a String node, so that PostgreSQL can copy it and print it.

use crate::error::Error;
use crate::pg::tree::build::string;
use crate::pg::tree::{list_of, ListRef, NodeRef};
use pgrx::pg_sys::{self, CustomScan};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::ffi::CString;

/// The data as a node.
pub fn to_node<'a, T: Serialize>(data: &T) -> NodeRef<'a> {
    let text = serde_json::to_string(data).expect("plain data");
    let text = CString::new(text).expect("JSON escapes NUL bytes");
    string(&text).node()
}

/// The data as the only part of a plan's private data.
pub fn to_list<'a, T: Serialize>(data: &T) -> ListRef<'a> {
    list_of([to_node(data)])
}

/// What the first part of a plan's private data holds.
pub fn from_scan<T: DeserializeOwned>(scan: NodeRef<'_, CustomScan>) -> T {
    let text = scan
        .private()
        .first()
        .and_then(|node| node.cast::<pg_sys::String>())
        .and_then(|text| text.value())
        .unwrap_or_default();
    serde_json::from_slice(text.to_bytes())
        .unwrap_or_else(|error| Error::Internal(format!("private data of a plan: {error}")).raise())
}
