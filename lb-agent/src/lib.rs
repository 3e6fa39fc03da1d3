//! The load balancer's agent: configuration and events in, BPF maps out.

pub mod api;
pub mod config;
pub mod core;
pub mod dataplane;
pub mod desired;
pub mod events;
pub mod health;
pub mod host;
pub mod netlink;
pub mod plan;
pub mod schedule;
pub mod standing;
pub mod state;
pub mod sweep;
pub mod vrrp;
