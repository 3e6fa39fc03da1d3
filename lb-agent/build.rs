//! Asks for the XDP program before the compiler misses it.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=LB_EBPF_OBJECT");
    let Ok(object) = env::var("LB_EBPF_OBJECT") else {
        println!("cargo::error=LB_EBPF_OBJECT is not set: build inside the workspace");
        return;
    };
    println!("cargo::rerun-if-changed={object}");
    if !Path::new(&object).is_file() {
        println!("cargo::error=the XDP program is not built: run `cargo xtask build-ebpf`");
    }
}
