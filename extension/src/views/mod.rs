//! What the cluster views show.
