//! The XDP program: lb-common's data plane, bound to the kernel. It decides nothing itself.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics, asm_experimental_arch))]
#![cfg_attr(
    target_arch = "bpf",
    expect(internal_features, reason = "BPF has atomic addition only as an intrinsic")
)]

#[cfg(target_arch = "bpf")]
mod env;
#[cfg(target_arch = "bpf")]
mod fib;
#[cfg(target_arch = "bpf")]
mod frame;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod program;

/// The host has nothing to run here: this crate is for the kernel.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
