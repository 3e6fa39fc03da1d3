//! What the verifier says of the program. Growth is to be seen in review, so it raises these.

use lb_tests::dataplane::{Kernel, World};

/// Instructions of the program: it should stay in the CPU's caches.
const INSTRUCTIONS: u32 = 12_500;
/// Instructions that the verifier walks through, all ways taken together. The kernel gives up at a
/// million, and each kernel walks a little differently.
const VERIFIED: u32 = 200_000;

#[test]
fn instruction_counts_are_under_their_ceilings() {
    let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
    let mut kernel = Kernel::load(&object, &World::empty()).unwrap();
    let (instructions, verified) = kernel.instructions().unwrap();
    println!("{instructions} instructions (ceiling {INSTRUCTIONS})");
    println!("{verified} verified (ceiling {VERIFIED})");
    assert!(instructions > 0 && instructions <= INSTRUCTIONS, "{instructions} instructions");
    assert!(verified > 0 && verified <= VERIFIED, "{verified} verified");
}
