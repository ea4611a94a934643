//! Differences between PostgreSQL versions, one function a difference.
