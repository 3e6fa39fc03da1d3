//! What holds for all packets, addresses and sums.

mod checksums;
mod families;
mod hashing;
mod least;
mod nat;
mod small;
