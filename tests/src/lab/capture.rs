//! Frames as they pass an interface, and frames made by hand.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::SlicedPacket;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg};

use super::checksums::verify_checksums;
use super::cleanup::lock;
use super::host::Host;
use super::sys;
use super::wait::wait_for;
use super::wiring::Link;
use super::worker::Worker;

/// Bytes of the two Ethernet addresses, after which a tag goes.
pub(super) const MAC_BYTES: usize = 12;
/// Bytes of a VLAN tag.
pub(super) const TAG_BYTES: usize = 4;
/// How many of the last frames an error shows.
const SHOWN: usize = 20;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received by the interface.
    In,
    /// Sent by the interface.
    Out,
}

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which way it went.
    pub direction: Direction,
    /// From the destination's Ethernet address on, with all VLAN tags, without the check sequence.
    pub bytes: Vec<u8>,
    /// False when the kernel has left the checksum to a device, as on `lo`.
    pub checksummed: bool,
}

impl Frame {
    /// The frame taken apart by etherparse.
    pub fn parse(&self) -> Result<SlicedPacket<'_>> {
        SlicedPacket::from_ethernet(&self.bytes).map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Checks every checksum in the frame; see [`verify_checksums`].
    pub fn verify(&self) -> Result<(), String> {
        verify_checksums(&self.bytes)
    }
}

/// Records what passes an interface from its start until it is dropped.
///
/// What XDP drops, sends or redirects at the interface itself never gets here: capture at the
/// other end of the wire.
pub struct Capture {
    interface: String,
    frames: Arc<Mutex<VecDeque<Frame>>>,
    _worker: Worker,
}

impl Capture {
    /// Starts to record on an interface of the host.
    pub fn start(host: &Host, interface: &str) -> Result<Self> {
        let place = format!("{interface} of host {}", host.name());
        let start = || -> io::Result<Self> {
            let socket = host.run(|| sys::packet_socket(interface))?;
            let frames = Arc::new(Mutex::new(VecDeque::new()));
            let record = frames.clone();
            let mut buffer = vec![0; 1 << 18];
            let worker = Worker::start("capture", vec![socket], move |_, socket| {
                loop {
                    let frame = receive(socket, &mut buffer)?;
                    lock(&record).push_back(frame);
                }
            })?;
            Ok(Self { interface: place.clone(), frames, _worker: worker })
        };
        start().with_context(|| format!("capturing on {place}"))
    }

    /// What it has recorded so far.
    pub fn frames(&self) -> Vec<Frame> {
        lock(&self.frames).iter().cloned().collect()
    }

    /// Forgets what it has recorded so far.
    pub fn clear(&self) {
        lock(&self.frames).clear();
    }

    /// Waits for a frame, and gives the first that was recorded.
    ///
    /// # Errors
    /// When none comes within `limit`; the error says what was awaited and what came instead.
    pub fn wait_for(
        &self,
        limit: Duration,
        what: &str,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame> {
        let mut seen = 0;
        let found = wait_for(limit, &format!("{what}, on {}", self.interface), || {
            let frames = lock(&self.frames);
            let found = frames.iter().skip(seen).find(|frame| wanted(frame)).cloned();
            seen = frames.len();
            found
        });
        found.with_context(|| format!("the last frames there:\n{}", self.last_frames()))
    }

    fn last_frames(&self) -> String {
        let frames = lock(&self.frames);
        let last = frames.iter().skip(frames.len().saturating_sub(SHOWN));
        last.map(|Frame { direction, bytes, .. }| format!("{direction:?} {bytes:02x?}\n")).collect()
    }
}

impl Link {
    /// Starts to record what passes this interface.
    pub fn capture(&self) -> Result<Capture> {
        Capture::start(self.host(), self.name())
    }

    /// Sends a frame as it is, from the destination's Ethernet address on.
    pub fn inject(&self, frame: &[u8]) -> Result<()> {
        let send =
            || nix::unistd::write(sys::packet_socket(self.name())?, frame).map_err(io::Error::from);
        let sent = self.host().run(send).with_context(|| format!("sending a frame on {self}"))?;
        anyhow::ensure!(sent == frame.len(), "only {sent} bytes of the frame went out on {self}");
        Ok(())
    }
}

/// Reads one frame from a packet socket. A tag that the kernel has taken out is put back.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Frame> {
    let mut space = nix::cmsg_space!([u8; size_of::<libc::tpacket_auxdata>()]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())?;
    let length = message.bytes;
    let outgoing = message.address.is_some_and(|from| from.pkttype() == libc::PACKET_OUTGOING);
    let auxdata = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Unknown(unknown)
            if unknown.cmsg_header.cmsg_level == libc::SOL_PACKET
                && unknown.cmsg_header.cmsg_type == libc::PACKET_AUXDATA =>
        {
            Auxdata::parse(&unknown.data_bytes)
        }
        _ => None,
    });
    let mut bytes = buffer[..length].to_vec();
    if let Some(tag) = auxdata.as_ref().and_then(|auxdata| auxdata.tag) {
        bytes.splice(MAC_BYTES..MAC_BYTES, tag);
    }
    Ok(Frame {
        direction: if outgoing { Direction::Out } else { Direction::In },
        bytes,
        checksummed: auxdata.is_none_or(|auxdata| auxdata.checksummed),
    })
}

/// What the kernel says of a frame beside its bytes.
struct Auxdata {
    tag: Option<[u8; TAG_BYTES]>,
    checksummed: bool,
}

impl Auxdata {
    /// Reads a `struct tpacket_auxdata` (packet(7)), in the machine's byte order.
    fn parse(bytes: &[u8]) -> Option<Self> {
        use std::mem::offset_of;
        let at = |offset: usize| Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?));
        let status = u32::from_ne_bytes(*bytes.first_chunk()?);
        let tag = if status & libc::TP_STATUS_VLAN_VALID != 0 {
            let tpid = at(offset_of!(libc::tpacket_auxdata, tp_vlan_tpid))?.to_be_bytes();
            let tci = at(offset_of!(libc::tpacket_auxdata, tp_vlan_tci))?.to_be_bytes();
            Some([tpid[0], tpid[1], tci[0], tci[1]])
        } else {
            None
        };
        Some(Self { tag, checksummed: status & libc::TP_STATUS_CSUMNOTREADY == 0 })
    }
}
