//! VLAN interfaces in user space, the same on every machine: kernels may come without the driver.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::uio::writev;

use super::capture::{Direction, MAC_BYTES, TAG_BYTES, receive};
use super::sys::{self, Tun};
use super::wiring::Link;
use super::worker::Worker;

/// The kind of a VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// IEEE 802.1Q, the customer's or only tag.
    Customer,
    /// IEEE 802.1ad, the provider's tag: the outer one of QinQ.
    Provider,
}

impl Tag {
    /// The EtherType that announces the tag.
    pub fn ether_type(self) -> u16 {
        match self {
            Tag::Customer => 0x8100,
            Tag::Provider => 0x88a8,
        }
    }
}

impl Link {
    /// A VLAN on this link, as an interface called like "eth0.100". Stack them for QinQ. It has
    /// its parent's Ethernet address, and an MTU 4 smaller, so that the tag always fits.
    ///
    /// Frames pass through user space on the host. So XDP on the parent sees them with their
    /// tags, but frames that XDP consumes there never reach the VLAN; and to netlink it is a tap
    /// device.
    pub fn vlan(&self, id: u16, tag: Tag) -> Result<Link> {
        ensure!((1..4095).contains(&id), "{id} is no VLAN (1 to 4094)");
        let name = format!("{}.{id}", self.name());
        self.add_vlan(&name, id, tag).with_context(|| format!("VLAN {name} on {self}"))
    }

    fn add_vlan(&self, name: &str, id: u16, tag: Tag) -> Result<Link> {
        let (trunk, tap) = self.host().run(|| {
            io::Result::Ok((sys::packet_socket(self.name())?, sys::tun(name, Tun::Frames)?))
        })?;
        let link = self.host().link(name)?;
        link.set_mac(self.mac()?)?.mtu(self.read_mtu()? - TAG_BYTES as u32)?.up()?;

        let tap = OwnedFd::from(tap);
        let (to_trunk, to_tap) = (trunk.try_clone()?, tap.try_clone()?);
        let [tpid, vid] = [tag.ether_type(), id].map(u16::to_be_bytes);
        let header = [tpid, vid].concat();
        let mut buffer = vec![0; 1 << 16];
        let relay = move |input: usize, fd: BorrowedFd<'_>| match input {
            0 => untag(fd, &to_tap, &header, &mut buffer),
            _ => add_tag(fd, &to_trunk, &header, &mut buffer),
        };
        self.host().keep(Worker::start(name, vec![trunk, tap], relay)?);
        Ok(link)
    }
}

/// Hands on the frames that carry the tag, whatever their priority.
fn untag(trunk: BorrowedFd<'_>, tap: &OwnedFd, header: &[u8], buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let frame = receive(trunk, buffer)?;
        let Some((macs, rest)) = frame.bytes.split_at_checked(MAC_BYTES) else {
            continue;
        };
        let Some((tag, rest)) = rest.split_at_checked(TAG_BYTES) else {
            continue;
        };
        let ours = tag[..2] == header[..2] && tag[2] & 0x0f == header[2] && tag[3] == header[3];
        if ours && frame.direction == Direction::In {
            send_on(tap, &[macs, rest])?;
        }
    }
}

fn add_tag(
    tap: BorrowedFd<'_>,
    trunk: &OwnedFd,
    header: &[u8],
    buffer: &mut [u8],
) -> io::Result<()> {
    loop {
        let length = nix::unistd::read(tap, buffer)?;
        let (macs, rest) = buffer[..length].split_at(MAC_BYTES.min(length));
        send_on(trunk, &[macs, header, rest])?;
    }
}

/// Sends one frame; one that doesn't fit into the queue or the MTU is lost, as on a wire.
fn send_on(fd: &OwnedFd, parts: &[&[u8]]) -> io::Result<()> {
    let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    match writev(fd, &parts) {
        Ok(_) | Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EMSGSIZE) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
