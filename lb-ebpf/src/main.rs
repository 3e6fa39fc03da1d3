//! The XDP program.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod program {
    #![expect(
        unsafe_code,
        reason = "the program's entry and licence are symbols that the loader reads"
    )]

    use aya_ebpf::{
        bindings::xdp_action,
        btf_maps::Array,
        macros::{btf_map, xdp},
        programs::XdpContext,
    };

    /// Packets seen.
    #[btf_map]
    static SEEN: Array<u64, 1> = Array::new();

    /// Passes every packet.
    #[xdp]
    fn lb(_: XdpContext) -> u32 {
        if let Some(seen) = SEEN.get_ptr_mut(0) {
            // SAFETY: the map's value lives as long as the program.
            unsafe { *seen += 1 };
        }
        xdp_action::XDP_PASS
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }

    // SAFETY: no other symbol has this name.
    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
