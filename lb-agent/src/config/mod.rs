//! The configuration file: from text to a [`Config`], or to all that is wrong with it.

mod model;

pub use model::{Config, Limits, Server, Service};
