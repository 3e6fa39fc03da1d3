#![expect(unsafe_code, reason = "an interface's features are set by an ioctl with a pointer")]

use super::{Error, refused};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

// Names of `netdev_features_strings` in the kernel.

/// The features by which received frames are merged before an XDP program in the generic hook of
/// an interface above sees them.
const MERGING: [&str; 3] = ["rx-gro", "rx-gro-hw", "rx-lro"];

/// The features by which a driver takes VLAN tags out of received frames.
const STRIPPING: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];

/// Has the driver leave VLAN tags in received frames: an XDP program doesn't see those that were
/// taken out. Returns the features that were turned off.
///
/// # Errors
/// [`Error::TagsStripped`] if the driver won't; the kernel's refusal otherwise (no such
/// interface). The data plane works all the same for frames without tags.
pub fn keep_vlan_tags(interface: &str) -> Result<Vec<&'static str>, Error> {
    turn_off(interface, &STRIPPING)
        .map_err(refused(|| format!("turn off VLAN offload of {interface}")))?
        .map_err(|features| Error::TagsStripped { interface: interface.to_owned(), features })
}

/// Has an interface hand on frames one by one, for the generic XDP hook of another interface on
/// top of it: merged frames are larger than the next link allows. (On the interface that has the
/// hook the kernel itself doesn't merge, `netif_elide_gro`.) Returns the features that were
/// turned off.
///
/// # Errors
/// [`Error::FramesMerged`] if the driver won't; the kernel's refusal otherwise (no such
/// interface).
pub fn keep_frames_apart(interface: &str) -> Result<Vec<&'static str>, Error> {
    turn_off(interface, &MERGING)
        .map_err(refused(|| format!("turn off merging of frames (GRO) on {interface}")))?
        .map_err(|features| Error::FramesMerged { interface: interface.to_owned(), features })
}

/// Turns features off, where they are on. Returns those that were, or in words those that still
/// are.
fn turn_off(
    interface: &str,
    unwanted: &[&'static str],
) -> io::Result<Result<Vec<&'static str>, String>> {
    let features = Features::open(interface)?;
    let names = features.names()?;
    let known: Vec<(usize, &str)> = unwanted
        .iter()
        .filter_map(|&name| Some((names.iter().position(|known| known == name)?, name)))
        .collect();
    let on = |active: &[u32]| -> Vec<(usize, &'static str)> {
        known.iter().copied().filter(|(bit, _)| active[bit / 32] >> (bit % 32) & 1 == 1).collect()
    };

    let before = on(&features.active(names.len())?);
    if before.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let bits: Vec<usize> = before.iter().map(|(bit, _)| *bit).collect();
    features.turn_off(&bits, names.len())?;
    let after = on(&features.active(names.len())?);
    let words = |on: Vec<(usize, &'static str)>| on.into_iter().map(|(_, name)| name);
    Ok(if after.is_empty() {
        Ok(words(before).collect())
    } else {
        Err(words(after).collect::<Vec<_>>().join(" and "))
    })
}

// Commands and numbers of linux/ethtool.h.
const GET_STRINGS: u32 = 0x1b;
const GET_STRING_COUNTS: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const SET_FEATURES: u32 = 0x3b;
const FEATURE_NAMES: u32 = 4;
const NAME_BYTES: usize = 32;

nix::ioctl_readwrite_bad!(siocethtool, libc::SIOCETHTOOL, libc::ifreq);

/// An interface's features: a bit each, in words of 32.
struct Features {
    socket: OwnedFd,
    interface: [libc::c_char; libc::IFNAMSIZ],
}

impl Features {
    fn open(interface: &str) -> io::Result<Self> {
        let mut name = [0; libc::IFNAMSIZ];
        if interface.len() >= name.len() {
            return Err(Errno::ENODEV.into());
        }
        for (to, from) in name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        Ok(Self { socket, interface: name })
    }

    /// The names of the features, in the order of their bits.
    fn names(&self) -> io::Result<Vec<String>> {
        // struct ethtool_sset_info: the mask of the wanted sets, then a count for each.
        let [low, high] = halves(1 << FEATURE_NAMES);
        let mut counts = [GET_STRING_COUNTS, 0, low, high, 0];
        self.call(&mut counts)?;
        let count = counts[4];

        // struct ethtool_gstrings
        let mut strings = vec![GET_STRINGS, FEATURE_NAMES, count];
        strings.resize(3 + count as usize * NAME_BYTES / size_of::<u32>(), 0);
        self.call(&mut strings)?;
        let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let names = bytes.chunks(NAME_BYTES).map(|name| {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).into_owned()
        });
        Ok(names.collect())
    }

    /// Which of `count` features are on.
    fn active(&self, count: usize) -> io::Result<Vec<u32>> {
        // struct ethtool_gfeatures: blocks of available, requested, active, never_changed
        let blocks = count.div_ceil(32);
        let mut answer = vec![GET_FEATURES, blocks as u32];
        answer.resize(2 + 4 * blocks, 0);
        self.call(&mut answer)?;
        Ok(answer[2..].chunks(4).map(|block| block[2]).collect())
    }

    /// Turns some of `count` features off, as far as the driver allows.
    fn turn_off(&self, bits: &[usize], count: usize) -> io::Result<()> {
        // struct ethtool_sfeatures: blocks of valid, requested
        let blocks = count.div_ceil(32);
        let mut request = vec![SET_FEATURES, blocks as u32];
        request.resize(2 + 2 * blocks, 0);
        for bit in bits {
            request[2 + 2 * (bit / 32)] |= 1 << (bit % 32);
        }
        self.call(&mut request)
    }

    /// Runs the command that `words` begin with; the answer replaces them. They must have the
    /// size that the command's structure says.
    fn call(&self, words: &mut [u32]) -> io::Result<()> {
        let mut request = libc::ifreq {
            ifr_name: self.interface,
            ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: words.as_mut_ptr().cast() },
        };
        // SAFETY: the kernel reads the name, and reads and writes `words` through the pointer, no
        // further than the count in the command's structure, which the callers size `words` by.
        unsafe { siocethtool(self.socket.as_raw_fd(), &raw mut request) }?;
        Ok(())
    }
}

/// A u64 as the two words that it lies in.
fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}
