//! Decapsulation in user space, for kernels without IPIP devices.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::host::Host;
use super::sys::{self, Tun};
use super::worker::Worker;

/// The device through which the host receives what was inside the tunnel.
const DEVICE: &str = "decap";
/// IP protocol numbers of the inner packet.
const IPV4: i32 = 4;
const IPV6: i32 = 41;

/// Makes a host the end of any IPIP tunnel: of IPv4 and IPv6 packets in IPv4 and IPv6, from
/// whomever, to any of its addresses. The host then receives the inner packet. Stops on drop.
pub struct Decapsulator {
    packets: Arc<AtomicU64>,
    _worker: Worker,
}

impl Decapsulator {
    /// Starts it.
    pub fn start(host: &Host) -> Result<Self> {
        Self::try_start(host).with_context(|| format!("decapsulating on host {}", host.name()))
    }

    /// How many packets it has taken out of tunnels.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    fn try_start(host: &Host) -> Result<Self> {
        let (tun, outer) = host.run(|| {
            let tun = sys::tun(DEVICE, Tun::Packets)?;
            let mut outer = Vec::new();
            for domain in [Domain::IPV4, Domain::IPV6] {
                for inner in [IPV4, IPV6] {
                    outer.push(raw_socket(domain, inner)?);
                }
            }
            io::Result::Ok((tun, outer))
        })?;
        host.link(DEVICE)?.mtu(65_535)?.up()?;
        let packets = Arc::new(AtomicU64::new(0));
        let count = packets.clone();
        let mut buffer = vec![0; 1 << 16];
        let worker = Worker::start(DEVICE, outer, move |number, outer| {
            let outer_is_v4 = number < 2;
            loop {
                decapsulate(outer, outer_is_v4, &tun, &mut buffer)?;
                count.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        Ok(Self { packets, _worker: worker })
    }
}

fn raw_socket(domain: Domain, protocol: i32) -> io::Result<OwnedFd> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(8 << 20)?;
    Ok(socket.into())
}

fn decapsulate(
    outer: BorrowedFd<'_>,
    outer_is_v4: bool,
    tun: &impl AsFd,
    buffer: &mut [u8],
) -> io::Result<()> {
    let length = nix::unistd::read(outer, buffer)?;
    // An IPv4 raw socket shows the IP header, an IPv6 one doesn't.
    let header = if outer_is_v4 { usize::from(buffer[0] & 0xf) * 4 } else { 0 };
    match nix::unistd::write(tun, buffer[..length].get(header..).unwrap_or_default()) {
        // What is inside may be anything; the kernel refuses what isn't IP.
        Ok(_) | Err(Errno::EINVAL | Errno::EAGAIN | Errno::ENOBUFS) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
