//! The data plane.

pub mod hash;
