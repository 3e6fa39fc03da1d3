//! Packets by the million: what clients, servers and routers send, and what nobody should. A seed
//! determines all of them.

mod answer;
mod craft;
mod expect;
mod generator;
mod mutate;
mod oracle;
mod random;
mod scene;
mod sum;
mod view;

pub use craft::{Craft, Payload};
pub use generator::Generator;
pub use mutate::mutate;
pub use oracle::{Oracle, Seen};
pub use random::Random;
pub use scene::{Scene, Target};
pub use sum::{checksum, octets, with_pseudo_header};
pub use view::{View, word};

/// A setting from the environment, for repeating a run or making it longer.
///
/// # Panics
/// When it is there but is no number.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// Bytes for an error message, to be pasted into a test.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
