//! Health checks: who is up.

pub mod check;
pub mod probe;
