//! What the verifier says of the program.

use lb_tests::dataplane::{Kernel, World};

#[test]
fn instruction_counts() {
    let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
    let mut kernel = Kernel::load(&object, &World::empty()).unwrap();
    println!("{:?}", kernel.instructions().unwrap());
}
