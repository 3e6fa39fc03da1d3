//! The kernel's routing table, as the director's own packets would use it.
#![expect(unsafe_code, reason = "bpf_fib_lookup takes a raw structure of unions")]

use crate::maps;
use aya_ebpf::bindings::{
    BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
    bpf_fib_lookup as bpf_fib_lookup_params, xdp_md,
};
use aya_ebpf::helpers::bpf_fib_lookup;
use lb_common::abi::{Address, Macs, Neighbor, NextHop, Tags};
use lb_common::datapath::{Route, RouteQuery};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Looking up as if received on the loopback interface is how the kernel looks up its own output,
/// so forwarding need not be on anywhere else.
const LOOPBACK_IFINDEX: u32 = 1;

#[repr(C, align(8))]
struct Aligned(bpf_fib_lookup_params);

/// Looks up the way of a packet.
#[inline(always)]
pub(crate) fn route(ctx: *mut xdp_md, query: &RouteQuery<'_>) -> Route {
    let is_v4 = query.destination.is_v4();
    // SAFETY: all zeroes is a valid value of every field.
    let mut aligned: Aligned = unsafe { core::mem::zeroed() };
    let params = &mut aligned.0;
    params.l4_protocol = query.protocol;
    params.ifindex = LOOPBACK_IFINDEX;
    params.__bindgen_anon_1.tot_len = query.length;
    if is_v4 {
        params.family = AF_INET;
        params.__bindgen_anon_3.ipv4_src = u32::from_ne_bytes(query.source.v4_octets());
        params.__bindgen_anon_4.ipv4_dst = u32::from_ne_bytes(query.destination.v4_octets());
    } else {
        params.family = AF_INET6;
        params.__bindgen_anon_3.ipv6_src = query.source.words32();
        params.__bindgen_anon_4.ipv6_dst = query.destination.words32();
    }
    match look_up(ctx, params) {
        BPF_FIB_LKUP_RET_SUCCESS => via(&aligned),
        BPF_FIB_LKUP_RET_FRAG_NEEDED => {
            // SAFETY: both members of the union are u16.
            Route::TooBig(unsafe { params.__bindgen_anon_1.mtu_result } as u32)
        }
        BPF_FIB_LKUP_RET_NO_NEIGH => {
            report(params, is_v4);
            Route::Unresolved
        }
        _ => Route::None,
    }
}

#[inline(always)]
fn look_up(ctx: *mut xdp_md, params: &mut bpf_fib_lookup_params) -> u32 {
    const NO_FLAGS: u32 = 0;
    // SAFETY: the context is the program's own; the kernel writes only within the structure, whose
    // size is given.
    let result = unsafe {
        bpf_fib_lookup(ctx.cast(), params, size_of::<bpf_fib_lookup_params>() as i32, NO_FLAGS)
    };
    result as u32
}

/// The way that a look-up found. A VLAN interface is its lower link and a tag.
#[inline(always)]
fn via(aligned: &Aligned) -> Route {
    let params = &aligned.0;
    let (ifindex, tags) = match maps::LINKS.get_ptr(params.ifindex) {
        // SAFETY: an entry that user space replaces stays until this program has returned.
        Some(link) => unsafe { ((*link).ifindex, (*link).tags) },
        None => (params.ifindex, Tags::NONE),
    };
    Route::Via(NextHop {
        tags,
        ifindex,
        // The look-up itself has compared the packet's length.
        mtu: u32::MAX,
        macs: macs(aligned),
    })
}

/// The link-layer addresses that a look-up found, source and destination, in the other order and
/// at no multiple of 4 bytes: shifted into place, as the stack is read in aligned words alone.
#[inline(always)]
fn macs(aligned: &Aligned) -> Macs {
    const { assert!(core::mem::offset_of!(bpf_fib_lookup_params, smac) == 52) };
    const { assert!(core::mem::offset_of!(bpf_fib_lookup_params, dmac) == 58) };
    // SAFETY: 64 bytes of integers, aligned to 8.
    let words = unsafe { &*core::ptr::from_ref(aligned).cast::<[u64; 8]>() };
    let (source_head, rest) = (words[6] >> 32, words[7]);
    Macs {
        head: rest >> 16 | source_head << 48,
        tail: (source_head >> 16 | rest << 16) as u32,
        pad: 0,
    }
}

/// Tells the agent of a neighbour that the kernel should resolve. If the buffer is full, a later
/// packet will tell it.
#[inline(always)]
fn report(params: &bpf_fib_lookup_params, is_v4: bool) {
    // SAFETY: the look-up has left the next hop where the destination was.
    let address = unsafe {
        if is_v4 {
            Address::from_v4(params.__bindgen_anon_4.ipv4_dst.to_ne_bytes())
        } else {
            Address::from_words32(params.__bindgen_anon_4.ipv6_dst)
        }
    };
    if let Some(mut entry) = maps::UNRESOLVED.reserve(0) {
        entry.write(Neighbor { address, ifindex: params.ifindex, pad: 0 });
        entry.submit(0);
    }
}
