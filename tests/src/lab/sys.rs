//! The kernel interfaces for which no safe wrapper exists: packet sockets, tun devices, ethtool's
//! ioctl and the parent-death signal. Nothing here decides anything.
#![expect(unsafe_code, reason = "ioctl, setsockopt and bind on structures that no crate wraps")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::net::if_::if_nametoindex;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// A non-blocking AF_PACKET socket on the interface `name` of the calling thread's namespace. It
/// sees every frame in both directions, each with `tpacket_auxdata`.
pub(super) fn packet_socket(name: &str) -> io::Result<OwnedFd> {
    let index = if_nametoindex(name)?;
    let fd = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None, // no protocol: nothing is received before the bind below
    )?;
    set_int(&fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    // Bulk transfers outrun a reader on a busy machine; root may exceed net.core.rmem_max.
    set_int(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 32 << 20)?;
    // SAFETY: all zeroes is a valid sockaddr_ll (plain integers).
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    // SAFETY: the pointer and the length describe `address`, which outlives the call.
    let bound = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
}

/// What a tun device carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tun {
    /// IP packets.
    Packets,
    /// Ethernet frames.
    Frames,
}

/// Creates the device `name` in the calling thread's namespace; it lives as long as the file.
/// One non-blocking read or write is one packet.
pub(super) fn tun(name: &str, kind: Tun) -> io::Result<File> {
    const NODE: &str = "/dev/net/tun";
    if !std::fs::exists(NODE)? {
        std::fs::create_dir_all("/dev/net")?;
        let mode = Mode::from_bits_truncate(0o600);
        match mknod(NODE, SFlag::S_IFCHR, mode, makedev(10, 200)) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(NODE)?;
    let mut request = ifreq(name)?;
    let carries = if kind == Tun::Packets { libc::IFF_TUN } else { libc::IFF_TAP };
    request.ifr_ifru.ifru_flags = (carries | libc::IFF_NO_PI) as i16;
    // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is.
    let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if made < 0 { Err(io::Error::last_os_error()) } else { Ok(file) }
}

/// One ethtool command on the interface `name` of the calling thread's namespace. `message` begins
/// with the command's number and is as long as the command's structure says; the kernel answers
/// in it.
///
/// # Safety
/// `message` must be at least as long as what the kernel reads and writes for that command.
unsafe fn ethtool(name: &str, message: &mut [u32]) -> io::Result<()> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let any = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request = ifreq(name)?;
    request.ifr_ifru.ifru_data = message.as_mut_ptr().cast();
    // SAFETY: `request` is an ifreq whose data points to `message`, long enough by our contract.
    let done = unsafe { libc::ioctl(any.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Bytes of a feature's name, padded with zeroes (`ETH_GSTRING_LEN`).
const NAME_BYTES: usize = 32;

/// The names of the features an interface can have, by their bit.
pub(super) fn feature_names(interface: &str) -> io::Result<Vec<String>> {
    const ETHTOOL_GSTRINGS: u32 = 0x1b;
    const ETHTOOL_GSSET_INFO: u32 = 0x37;
    const ETH_SS_FEATURES: u32 = 4;
    // struct ethtool_sset_info: command, reserved, 64-bit mask, one count per bit set.
    let mut info = [ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0, 0];
    // SAFETY: one bit is set in the mask, so the kernel writes the mask and one count.
    unsafe { ethtool(interface, &mut info)? };
    let count = info[4] as usize;
    // struct ethtool_gstrings: command, set, number of strings, the strings.
    let mut strings = vec![0; 3 + count * NAME_BYTES / size_of::<u32>()];
    strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count as u32]);
    // SAFETY: there is room for as many strings as the kernel has just counted.
    unsafe { ethtool(interface, &mut strings)? };
    let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
    let name = |padded: &[u8]| String::from_utf8_lossy(padded).trim_end_matches('\0').to_owned();
    Ok(bytes.chunks(NAME_BYTES).map(name).collect())
}

/// A block of 32 features: `struct ethtool_get_features_block`.
#[derive(Clone, Copy)]
pub(super) struct FeatureBlock {
    /// Bits that may be changed.
    pub(super) changeable: u32,
    /// Bits that are on.
    pub(super) active: u32,
}

/// The state of an interface's `count` features.
pub(super) fn features(interface: &str, count: usize) -> io::Result<Vec<FeatureBlock>> {
    const ETHTOOL_GFEATURES: u32 = 0x3a;
    let blocks = count.div_ceil(32);
    let mut message = vec![0; 2 + 4 * blocks];
    message[..2].copy_from_slice(&[ETHTOOL_GFEATURES, blocks as u32]);
    // SAFETY: there is room for the number of blocks that the message asks for.
    unsafe { ethtool(interface, &mut message)? };
    let block = |words: &[u32]| FeatureBlock { changeable: words[0], active: words[2] };
    Ok(message[2..].chunks(4).map(block).collect())
}

/// Sets features: per block of 32 the bits to change and what to change them to.
pub(super) fn set_features(interface: &str, blocks: &[(u32, u32)]) -> io::Result<()> {
    const ETHTOOL_SFEATURES: u32 = 0x3b;
    let mut message = vec![ETHTOOL_SFEATURES, blocks.len() as u32];
    message.extend(blocks.iter().flat_map(|&(change, to)| [change, to]));
    // SAFETY: the message holds as many blocks as it says.
    unsafe { ethtool(interface, &mut message) }
}

/// Has the kernel kill the program with SIGKILL when the thread that spawns it ends.
pub(super) fn die_with_thread(command: &mut Command) {
    // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
    unsafe {
        command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
}

fn set_int(fd: &impl AsFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let set = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn ifreq(name: &str) -> io::Result<libc::ifreq> {
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::other(format!("{name}: an interface's name has at most 15 bytes")));
    }
    // SAFETY: all zeroes is a valid ifreq (integers, and a union of integers and pointers).
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}
