//! Health checks: who is up.
//!
//! [`Checks`] runs them on a thread of its own and tells what changes. What it decides, it decides
//! in an [`Engine`], which knows neither clock nor socket.

pub mod check;
mod driver;
mod engine;
mod machine;
pub mod probe;
mod rhythm;
mod target;

#[cfg(test)]
mod simulation;

pub use driver::Checks;
pub use engine::{Change, Engine, Id, Start, Wanted};
pub use target::Target;
