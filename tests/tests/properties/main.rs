//! What holds for all packets, addresses and sums.

mod checksums;
mod families;
mod hashing;
mod nat;
mod small;
