//! What the extension and the sidecar both decide, as plain Rust.
#![forbid(unsafe_code)]
