//! What may become of a frame, worked out anew from the standards and from what the three modes
//! promise: what comes out is held against each frame that would be right.

use super::answer;
use super::expect::{Change, Expected, Sum};
use super::view::View;
use crate::dataplane::{Action, Output, World};
use lb_common::abi::{Address, NextHop, Server, Service, ServiceKey, mode, protocol, server_flags};
use lb_common::datapath::Route;
use lb_common::reason::{Outcome, Reason};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Judges frames. It knows no flows: any server of a service is right for any of its packets. But
/// it knows which virtual addresses a client has used at a NAT server, and takes no other back.
pub struct Oracle<'a> {
    world: &'a World,
    services: HashMap<ServiceKey, Service>,
    used: HashSet<Use>,
}

/// A client's port, a NAT server and a virtual address, with a protocol.
type Use = (Socket, Socket, Socket, u8);
type Socket = (IpAddr, u16);

/// What an oracle makes of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Sent on, for this reason.
    Forwarded(Reason),
    /// Left alone, dropped or answered.
    Other(Outcome),
}

impl<'a> Oracle<'a> {
    /// For a world whose maps stay as they are.
    pub fn new(world: &'a World) -> Self {
        Self { world, services: world.services.iter().copied().collect(), used: HashSet::new() }
    }

    /// What became of a frame.
    ///
    /// # Errors
    /// What is wrong about it, in words.
    pub fn judge(&mut self, input: &[u8], output: &Output) -> Result<Seen, String> {
        match output.action {
            Action::Aborted => Err("aborted".into()),
            Action::Drop => Ok(Seen::Other(Outcome::Dropped)),
            Action::Pass if output.frame == input => Ok(Seen::Other(Outcome::Passed)),
            Action::Pass => Err("passed, but not as it was".into()),
            Action::Tx | Action::Redirect => self.sent(input, output),
        }
    }

    fn sent(&mut self, input: &[u8], output: &Output) -> Result<Seen, String> {
        let view = View::of(input).ok_or("sent on, but it holds no packet")?;
        let mut problems = Vec::new();
        for right in self.right(input, &view) {
            match right.expected.compare(input, output) {
                Ok(()) => {
                    self.used.extend(right.used);
                    return Ok(Seen::Forwarded(right.reason));
                }
                Err(problem) => problems.push(format!("as {}: {problem}", right.reason.name())),
            }
        }
        if self.may_reset(input, &view) {
            match answer::reset(input, &view, output) {
                Ok(()) => return Ok(Seen::Other(Outcome::Answered)),
                Err(problem) => problems.push(format!("as a reset: {problem}")),
            }
        }
        match answer::icmp(input, &view, output) {
            Ok(()) => Ok(Seen::Other(Outcome::Answered)),
            Err(problem) => {
                problems.push(format!("as an error: {problem}"));
                Err(problems.join("; "))
            }
        }
    }

    /// Whether a packet may be of a connection that is to be reset.
    fn may_reset(&self, input: &[u8], view: &View) -> bool {
        let Some([_, port]) = view.ports(input).filter(|_| !view.fragment) else { return false };
        let mut servers = self.servers((view.destination, port), view.protocol);
        servers.any(|server| server.flags & server_flags::RESETS != 0)
    }

    /// All that would be right to send on.
    fn right(&self, input: &[u8], view: &View) -> Vec<Right<'a>> {
        let icmp = if view.source.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        match (view.protocol, view.ports(input)) {
            (protocol::TCP | protocol::UDP, _) if view.fragment => self.fragment(view),
            (protocol::TCP | protocol::UDP, Some(ports)) => self.whole(view, ports),
            (other, _) if other == icmp && !view.fragment => {
                self.error(input, view).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn fragment(&self, view: &View) -> Vec<Right<'a>> {
        let servers = self.servers((view.destination, 0), view.protocol);
        let servers = servers.filter(|server| server.mode != mode::NAT);
        servers.filter_map(|server| to_server(view, server, Reason::ToServer, Vec::new())).collect()
    }

    fn whole(&self, view: &View, [source, destination]: [u16; 2]) -> Vec<Right<'a>> {
        let sum = Sum::transport(view);
        let vip = (view.destination, destination);
        let requests = self.servers(vip, view.protocol).filter_map(|server| {
            let (address, port) = socket(server);
            let changes = vec![
                Change::Destination(view.l3, address),
                Change::Port(view.l4 + 2, port),
                Change::Sum(sum),
            ];
            let mut right = to_server(view, server, Reason::ToServer, changes)?;
            if server.mode == mode::NAT {
                let client = (view.source, source);
                right.used = Some((client, (address, port), vip, view.protocol));
            }
            Some(right)
        });
        let (server, client) = ((view.source, source), (view.destination, destination));
        let replies = self.users(client, server, view.protocol).filter_map(|(address, port)| {
            let changes = vec![
                Change::Source(view.l3, address),
                Change::Port(view.l4, port),
                Change::Sum(sum),
            ];
            self.to_client(view, Reason::ToClient, changes)
        });
        requests.chain(replies).collect()
    }

    fn error(&self, input: &[u8], view: &View) -> Option<Vec<Right<'a>>> {
        let kind = *input.get(view.l4)?;
        let is_error = match view.source {
            IpAddr::V4(_) => matches!(kind, 3 | 11 | 12),
            IpAddr::V6(_) => kind < 128,
        };
        let quoted = view.quoted(input)?;
        let [source, destination] = quoted.ports(input)?;
        if !is_error
            || quoted.source != view.destination
            || !matches!(quoted.protocol, protocol::TCP | protocol::UDP)
        {
            return None;
        }
        let mut sums = vec![Change::Sum(Sum::icmp(view))];
        sums.extend(Sum::header(&quoted).map(Change::Sum));
        let vip = (quoted.source, source);
        let errors_in = self.servers(vip, quoted.protocol).filter_map(|server| {
            let (address, port) = socket(server);
            let mut changes = sums.clone();
            changes.extend([
                Change::Destination(view.l3, address),
                Change::Source(quoted.l3, address),
                Change::Port(quoted.l4, port),
            ]);
            to_server(view, server, Reason::ErrorToServer, changes)
        });
        let (client, server) = (vip, (quoted.destination, destination));
        let errors_out =
            self.users(client, server, quoted.protocol).filter_map(|(address, port)| {
                let mut changes = sums.clone();
                changes.extend([
                    Change::Source(view.l3, address),
                    Change::Destination(quoted.l3, address),
                    Change::Port(quoted.l4 + 2, port),
                ]);
                self.to_client(view, Reason::ErrorToClient, changes)
            });
        Some(errors_in.chain(errors_out).collect())
    }

    /// The servers of the service at an address.
    fn servers(&self, (address, port): Socket, protocol: u8) -> impl Iterator<Item = &'a Server> {
        let key = ServiceKey::new(Address::from(address), port.to_be(), protocol);
        let slots = self.services.get(&key).map_or(0..0, |service| {
            service.table as usize..(service.table + service.slots) as usize
        });
        self.world.slots[slots].iter().map(|index| &self.world.servers[*index as usize])
    }

    /// The virtual addresses that a client has used at a NAT server.
    fn users(&self, client: Socket, server: Socket, protocol: u8) -> impl Iterator<Item = Socket> {
        let nat = self.services.keys().filter(move |key| key.protocol == protocol && key.port != 0);
        let all = nat.map(|key| (IpAddr::from(key.address), u16::from_be(key.port)));
        all.filter(move |vip| self.used.contains(&(client, server, *vip, protocol)))
    }

    fn to_client(&self, view: &View, reason: Reason, changes: Vec<Change>) -> Option<Right<'a>> {
        match self.world.routes.get(&view.destination)? {
            Route::Via(hop) => Right::new(view, reason, hop, None, changes),
            _ => None,
        }
    }
}

/// An output that would be right.
struct Right<'a> {
    reason: Reason,
    expected: Expected<'a>,
    used: Option<Use>,
}

impl<'a> Right<'a> {
    /// Nothing is right for a packet that a router would not send on.
    fn new(
        view: &View,
        reason: Reason,
        hop: &'a NextHop,
        tunnel: Option<&'a Server>,
        changes: Vec<Change>,
    ) -> Option<Self> {
        let outer = tunnel.map_or(0, |server| if server.address.is_v4() { 20 } else { 40 });
        let fits = view.ttl > 1 && view.end - view.l3 + outer <= hop.mtu as usize;
        let expected = Expected { view: *view, hop, tunnel, changes };
        fits.then_some(Self { reason, expected, used: None })
    }
}

/// To one server; `changes` are NAT's.
fn to_server<'a>(
    view: &View,
    server: &'a Server,
    reason: Reason,
    changes: Vec<Change>,
) -> Option<Right<'a>> {
    let flags = server.flags & !(server_flags::LEAVING | server_flags::RESETS);
    if flags != server_flags::PRESENT | server_flags::RESOLVED {
        return None;
    }
    let hop = &server.next_hop;
    match server.mode {
        mode::NAT => Right::new(view, reason, hop, None, changes),
        mode::TUNNEL => Right::new(view, reason, hop, Some(server), Vec::new()),
        _ => Right::new(view, reason, hop, None, Vec::new()),
    }
}

fn socket(server: &Server) -> Socket {
    (server.address.into(), u16::from_be(server.port))
}
