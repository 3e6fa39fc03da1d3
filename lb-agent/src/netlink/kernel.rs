//! The netlink sockets, and the questions that go over them.

use super::message::{event, no_route, route};
use super::request::{self, Message};
use super::resolve::Route;
use super::topology::{Hop, Topology};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::{NLM_F_DUMP_INTR, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use rtnetlink::{Handle, MulticastGroup};
use std::io;
use std::net::IpAddr;
use tokio::task::JoinSet;

/// What the kernel tells without being asked.
const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];
/// Receive buffer for that, in bytes: room for some ten thousand messages.
const BUFFER: usize = 16 << 20;
/// How often a dump that met a change is begun again.
const DUMP_TRIES: usize = 5;

/// Two sockets: one that the kernel tells changes on, and one for questions, so that a flood of
/// changes can't drop answers.
pub(super) struct Kernel {
    /// For questions.
    pub(super) handle: Handle,
    /// What the kernel tells. Ends when the socket fails.
    pub(super) events: BoxStream<'static, (Message, SocketAddr)>,
    /// The tasks that read and write the sockets; they end with this.
    _connections: JoinSet<()>,
}

impl Kernel {
    /// Opens the sockets, in the network namespace of this thread.
    pub(super) fn connect() -> io::Result<Self> {
        let mut connections = JoinSet::new();
        let (mut connection, _, events) = rtnetlink::new_multicast_connection(&GROUPS)?;
        let socket = connection.socket_mut().socket_mut();
        // Without CAP_NET_ADMIN the system's limit holds.
        if setsockopt(socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(socket, sockopt::RcvBuf, &BUFFER)?;
        }
        connections.spawn(connection);
        let (mut connection, handle, _) = rtnetlink::new_connection()?;
        // So that the end of a dump can be told from the end of the connection.
        connection.set_forward_done(true);
        connection.set_forward_ack(true);
        connections.spawn(connection);
        Ok(Self { handle, events: events.boxed(), _connections: connections })
    }
}

/// How the kernel would send to an address.
///
/// # Errors
/// The connection failed; that there is no route is an answer.
pub(super) async fn ask_route(mut handle: Handle, address: IpAddr) -> io::Result<Route> {
    let mut answers = request(&mut handle, request::route(address))?;
    match answers.next().await.map(|answer| answer.payload) {
        Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(answer))) => {
            Ok(route(&answer))
        }
        Some(NetlinkPayload::Error(error)) => Ok(no_route(&error.to_io())),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Has the kernel resolve a neighbour, or check a stale one.
pub(super) async fn use_neighbour(mut handle: Handle, hop: Hop) -> io::Result<()> {
    let mut answers = request(&mut handle, request::use_neighbour(hop))?;
    match answers.next().await.map(|answer| answer.payload) {
        Some(NetlinkPayload::Error(error)) if error.code.is_none() => Ok(()),
        Some(NetlinkPayload::Error(error)) => Err(error.to_io()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads links, addresses and neighbours.
pub(super) async fn dump(mut handle: Handle) -> io::Result<Topology> {
    let mut topology = Topology::default();
    for _ in 0..DUMP_TRIES {
        let mut whole = true;
        topology = Topology::default();
        for question in request::dumps() {
            whole &= dump_into(&mut topology, &mut handle, question).await?;
        }
        if whole {
            break;
        }
    }
    Ok(topology)
}

/// Reads one dump; false if something changed meanwhile, so that it may lack some.
async fn dump_into(
    topology: &mut Topology,
    handle: &mut Handle,
    question: Message,
) -> io::Result<bool> {
    let mut answers = request(handle, question)?;
    let mut whole = true;
    while let Some(NetlinkMessage { header, payload, .. }) = answers.next().await {
        whole &= header.flags & NLM_F_DUMP_INTR == 0;
        match payload {
            NetlinkPayload::InnerMessage(message) => {
                if let Some(event) = event(message) {
                    topology.apply(event);
                }
            }
            NetlinkPayload::Done(_) => return Ok(whole),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            _ => {}
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn request(
    handle: &mut Handle,
    message: Message,
) -> io::Result<impl Stream<Item = Message> + use<>> {
    handle.request(message).map_err(io::Error::other)
}
