//! Servers that send back what they get.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::copy;

use super::host::Host;
use super::tcp::TcpServer;
use super::worker::Worker;

/// A TCP server that sends back every byte; it stops on drop.
pub struct TcpEcho {
    tcp: TcpServer,
}

impl TcpEcho {
    /// Starts it at `address`, which may be [`super::wildcard`].
    pub fn start(host: &Host, address: SocketAddr) -> Result<Self> {
        let tcp = TcpServer::start(host, "tcp-echo", address, |mut stream, _| async move {
            let (mut from, mut to) = stream.split();
            copy(&mut from, &mut to).await.map(drop)
        })?;
        Ok(Self { tcp })
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> u64 {
        self.tcp.connections()
    }
}

/// A UDP server that answers `NAME:` and what it got, from the address that was asked; it stops on
/// drop.
pub struct UdpEcho {
    datagrams: Arc<AtomicU64>,
    _worker: Worker,
}

impl UdpEcho {
    /// Starts it at `address`, which may be [`super::wildcard`].
    pub fn start(host: &Host, name: &str, address: SocketAddr) -> Result<Self> {
        let socket = host
            .run(|| bind(address))
            .with_context(|| format!("host {}: UDP at {address}", host.name()))?;
        let datagrams = Arc::new(AtomicU64::new(0));
        let count = datagrams.clone();
        let prefix = format!("{name}:");
        let mut buffer = vec![0; 1 << 16];
        let worker = Worker::start(name, vec![socket], move |_, socket| {
            loop {
                answer(socket, prefix.as_bytes(), &mut buffer, &count)?;
            }
        })?;
        Ok(Self { datagrams, _worker: worker })
    }

    /// How many datagrams it has received.
    pub fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }
}

/// An IPv6 socket for both families: IPv4 addresses are mapped into it.
fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let mapped = match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(false)?;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    socket.bind(&SocketAddrV6::new(mapped, address.port(), 0, 0).into())?;
    Ok(socket.into())
}

fn answer(
    socket: BorrowedFd<'_>,
    prefix: &[u8],
    buffer: &mut [u8],
    count: &AtomicU64,
) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut space), MsgFlags::empty())?;
    count.fetch_add(1, Ordering::Relaxed);
    let (length, from) = (message.bytes, message.address);
    let asked = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
        _ => None,
    });
    let Some(mut asked) = asked else {
        return Ok(());
    };
    // The route decides the way back, not the interface that the request came in by; only a
    // link-local address means nothing without it.
    if !Ipv6Addr::from(asked.ipi6_addr.s6_addr).is_unicast_link_local() {
        asked.ipi6_ifindex = 0;
    }
    let reply = [IoSlice::new(prefix), IoSlice::new(&buffer[..length])];
    let source = [ControlMessage::Ipv6PacketInfo(&asked)];
    // An answer that can't be sent is lost, as any datagram may be.
    let _ = sendmsg(fd, &reply, &source, MsgFlags::empty(), from.as_ref());
    Ok(())
}
