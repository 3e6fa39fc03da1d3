//! A datagram, and what comes back.

use super::{Outcome, words};
use crate::health::check::Udp;
use nix::sys::socket::{self, MsgFlags, setsockopt, sockopt};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    time::Duration,
};
use tokio::{io::Interest, net::UdpSocket, time::timeout};

/// Sends a datagram and judges the first answer; where any answer will do, silence for `patience`
/// passes too.
pub(super) async fn run(udp: &Udp, target: SocketAddr, patience: Duration) -> Outcome {
    let exchange = async {
        let socket = connect(target).await?;
        socket.send(&udp.send).await?;
        receive(&socket).await
    };
    let answer = match &udp.expect {
        Some(_) => exchange.await,
        None => match timeout(patience, exchange).await {
            Ok(answer) => answer,
            Err(_) => return Ok("no answer, and no error".to_owned()),
        },
    };
    let answer = answer.map_err(|error| cause(&error))?;
    match &udp.expect {
        Some(expect) if !expect.is_match(&answer) => {
            Err(format!("the answer doesn't match {}", words::pattern(expect)))
        }
        _ => Ok("answered".to_owned()),
    }
}

/// A socket that hears the target alone, and each ICMP error that concerns it: without
/// `IP_RECVERR` the kernel keeps to itself that a host or network is unreachable
/// (`__udp4_lib_err`).
pub(super) async fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match target {
        SocketAddr::V4(_) => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
            socket
        }
        SocketAddr::V6(_) => {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?;
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            socket
        }
    };
    socket.connect(target).await?;
    Ok(socket)
}

/// The next datagram, or the next ICMP error. Nothing is set aside for it while it doesn't come.
pub(super) async fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    /// The largest payload there is (RFC 768).
    const MAX_DATAGRAM: usize = 1 << 16;
    let receive = || {
        let mut datagram = vec![0; MAX_DATAGRAM];
        let length = socket::recv(socket.as_raw_fd(), &mut datagram, MsgFlags::empty())?;
        datagram.truncate(length);
        datagram.shrink_to_fit();
        Ok(datagram)
    };
    socket.async_io(Interest::READABLE | Interest::ERROR, receive).await
}

/// In words; a refused datagram is ICMP's port unreachable.
pub(super) fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "port unreachable".to_owned(),
        _ => words::io(error),
    }
}
