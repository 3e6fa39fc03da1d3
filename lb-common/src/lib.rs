//! What the kernel's half and user space's half of the load balancer share.
//!
//! - [`abi`]: the layouts of the BPF maps.
//! - [`reason`]: every way out of the data plane, with its words.
//! - [`wire`]: packet headers as they lie on the wire.
//! - [`datapath`]: the data plane itself, over the traits [`datapath::Frame`] and
//!   [`datapath::Env`]; the same source runs in the kernel and in tests.
//! - [`api`] (feature `api`): the control API's types.
#![no_std]

#[cfg(feature = "api")]
extern crate alloc;

pub mod abi;
#[cfg(feature = "api")]
pub mod api;
pub mod datapath;
pub mod reason;
pub mod wire;
