//! Small XDP programs for the lab, a few instructions by hand.
#![expect(unsafe_code, reason = "bpf(2) takes pointers to instructions and licence")]

use super::wiring::Link;
use anyhow::{Context, Result};
use rtnetlink::packet_route::link::{LinkAttribute, LinkXdp};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// What a [`Link::run_xdp`] program does with every frame: the kernel's `enum xdp_action`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum XdpAction {
    /// Leaves it to the kernel.
    Pass = 2,
    /// Sends it back.
    Tx = 3,
}

impl Link {
    /// Attaches a program in the driver that does the same with every frame, for as long as the
    /// interface lives.
    pub fn run_xdp(&self, action: XdpAction) -> Result<&Self> {
        const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
        let program = load(action).context("load an XDP program")?;
        let xdp = vec![LinkXdp::Fd(program.as_raw_fd()), LinkXdp::Flags(XDP_FLAGS_DRV_MODE)];
        self.change(|link| link.append_extra_attribute(LinkAttribute::Xdp(xdp)))
    }

    /// Id of the XDP program on it, if there is one.
    pub fn xdp(&self) -> Result<Option<u32>> {
        let attributes = self.attributes()?.into_iter().filter_map(|attribute| match attribute {
            LinkAttribute::Xdp(attributes) => Some(attributes),
            _ => None,
        });
        Ok(attributes.flatten().find_map(|attribute| match attribute {
            LinkXdp::ProgId(id) => Some(id),
            _ => None,
        }))
    }
}

fn load(action: XdpAction) -> io::Result<OwnedFd> {
    const BPF_PROG_LOAD: i64 = 5;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    const MOV_R0: u64 = 0xb7;
    const EXIT: u64 = 0x95;
    let program = [MOV_R0 | (action as u64) << 32, EXIT];
    let [program_low, program_high] = halves(program.as_ptr() as u64);
    let [license_low, license_high] = halves(c"GPL".as_ptr() as u64);
    // union bpf_attr: type, number of instructions, the instructions, the licence.
    let attributes = [
        BPF_PROG_TYPE_XDP,
        program.len() as u32,
        program_low,
        program_high,
        license_low,
        license_high,
    ];
    // SAFETY: the attributes point to the instructions and to the licence, which outlive the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, attributes.as_ptr(), size_of_val(&attributes))
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A pointer as the two words of `bpf_attr` that it takes, lower first.
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}
