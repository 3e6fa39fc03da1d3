//! Frames that a native XDP program sends arrive, although nothing runs XDP at the other end.
#![expect(
    unsafe_code,
    reason = "bpf(2): the program under test is three instructions by hand"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use lb_tests::lab::{Direction, Lab, Link, SOON, cable};

/// A broadcast of an EtherType for experiments (IEEE 802, 9.2.4).
const FRAME: &[u8] =
    b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x88\xb5 sixty bytes, of which a frame \
    has at least so many ......";

#[test]
fn frames_sent_by_xdp_cross_a_cable() -> Result<()> {
    let lab = Lab::new("xdp")?;
    let (left, right) = (lab.host("left")?, lab.host("right")?);
    let (left, right) = cable((&left, "eth0"), (&right, "eth0"))?;
    returns_what_it_sends(&left, &right)
}

#[test]
fn frames_sent_by_xdp_cross_a_switch() -> Result<()> {
    let lab = Lab::new("xdp")?;
    let lan = lab.switch("lan")?;
    let (left, right) = (lab.host("left")?, lab.host("right")?);
    let (left, right) = (lan.join(&left, "eth0")?, lan.join(&right, "eth0")?);
    returns_what_it_sends(&left, &right)
}

fn returns_what_it_sends(sender: &Link, reflector: &Link) -> Result<()> {
    let _program = reflect(reflector).context("attaching the program")?;
    let capture = sender.capture()?;
    sender.inject(FRAME)?;
    let back = capture.wait_for(SOON, "the frame on its way back", |frame| {
        frame.direction == Direction::In && frame.bytes[12..14] == FRAME[12..14]
    })?;
    assert_eq!(back.bytes, FRAME);
    Ok(())
}

/// Sends everything back that arrives at `link`, natively, until the result is dropped.
fn reflect(link: &Link) -> io::Result<OwnedFd> {
    const BPF_PROG_LOAD: i64 = 5;
    const BPF_LINK_CREATE: i64 = 28;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    const BPF_XDP: u32 = 37;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    const XDP_TX: u64 = 3;
    const MOV_R0: u64 = 0xb7;
    const EXIT: u64 = 0x95;
    let program = [MOV_R0 | XDP_TX << 32, EXIT];
    let [program_low, program_high] = halves(program.as_ptr() as u64);
    let [license_low, license_high] = halves(c"GPL".as_ptr() as u64);
    // union bpf_attr: type, number of instructions, the instructions, the licence.
    let load = [
        BPF_PROG_TYPE_XDP,
        program.len() as u32,
        program_low,
        program_high,
        license_low,
        license_high,
    ];
    // SAFETY: `load` points to the instructions and to the licence, which outlive the call.
    let program = unsafe { bpf(BPF_PROG_LOAD, &load)? };
    // union bpf_attr: program, interface, where to attach, flags.
    let attach = [
        program.as_raw_fd() as u32,
        link.index(),
        BPF_XDP,
        XDP_FLAGS_DRV_MODE,
    ];
    // SAFETY: `attach` contains no pointers.
    link.host().run(|| unsafe { bpf(BPF_LINK_CREATE, &attach) })
}

fn halves(word: u64) -> [u32; 2] {
    let bytes = word.to_ne_bytes();
    let half =
        |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [half(0), half(4)]
}

/// A command of bpf(2) that gives a descriptor.
///
/// # Safety
/// Pointers in `attributes` must be valid for what the command does with them.
unsafe fn bpf(command: i64, attributes: &[u32]) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads as many bytes as it is told; the rest is the caller's promise.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
