//! Links between hosts, and what is configured on them.

use std::fs::read_to_string;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, CacheInfo};
use rtnetlink::packet_route::link::{
    InfoBridge, InfoData, InfoVeth, LinkAttribute, LinkMessage, MacVlanMode, State,
};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::{
    Handle, LinkBridge, LinkMacVlan, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};

use super::ethtool;
use super::host::Host;
use super::wait::{SOON, wait_until};
use super::xdp::XdpAction;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The smallest size to which GRO may merge frames: none ever fits, so it never merges and
/// captures see what was on the wire.
const MERGE_NOTHING: LinkAttribute = LinkAttribute::GroMaxSize(1);

/// A bridge in a namespace of its own. Its ports carry tagged frames as they are.
pub struct Switch {
    host: Host,
    bridge: Link,
    ports: AtomicU32,
}

impl Switch {
    pub(super) fn new(host: Host) -> Result<Self> {
        // It only switches: it neither speaks IPv6 itself nor looks into packets.
        host.sysctl("net/ipv6/conf/default/disable_ipv6", "1")?;
        for filter in ["iptables", "ip6tables", "arptables"] {
            let path = format!("net/bridge/bridge-nf-call-{filter}");
            if host.read_sysctl(&path).is_ok() {
                host.sysctl(&path, "0")?;
            }
        }
        let bridge = LinkBridge::new("bridge")
            .forward_delay(0)
            .append_info_data(InfoBridge::MulticastSnooping(false))
            .build();
        host.netlink(|netlink| netlink.link().add(bridge).execute())?;
        let bridge = host.link("bridge")?;
        Ok(Self { host, bridge, ports: AtomicU32::new(0) })
    }

    /// Plugs a host in, through a new interface called `interface` there.
    pub fn join(&self, host: &Host, interface: &str) -> Result<Link> {
        let port = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let (port, link) = cable((&self.host, &port), (host, interface))?;
        let controller = self.bridge.index;
        port.change(|port| port.controller(controller))?;
        // Without a program here, what XDP sends at the other end would wait for other frames
        // (`veth_xdp_flush`).
        port.run_xdp(XdpAction::Pass)?;
        Ok(link)
    }

    /// The host that does the switching: its `port0` is where the first host was plugged in.
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// Connects two hosts directly, by an interface on each, and waits until the wire works.
pub fn cable(near: (&Host, &str), far: (&Host, &str)) -> Result<(Link, Link)> {
    let namespace = far.0.namespace()?;
    let peer = LinkUnspec::new_with_name(far.1)
        .setns_by_fd(namespace.as_raw_fd())
        .append_extra_attribute(MERGE_NOTHING)
        .build();
    let pair = LinkMessageBuilder::<LinkVeth>::new(near.1, far.1)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .append_extra_attribute(MERGE_NOTHING)
        .build();
    near.0
        .netlink(|netlink| netlink.link().add(pair).execute())
        .with_context(|| format!("cable {} to {} {}", near.1, far.0.name(), far.1))?;
    let (near, far) = (near.0.link(near.1)?, far.0.link(far.1)?);
    for end in [&near, &far] {
        let name = end.name();
        end.host
            .run(|| ethtool::make_wire_like(name))
            .with_context(|| format!("offloads of {end}"))?;
        end.up()?;
    }
    for end in [&near, &far] {
        wait_until(SOON, &format!("the carrier of {end}"), || end.works().unwrap_or(false))?;
    }
    Ok((near, far))
}

impl Host {
    /// The interface called `name`.
    pub fn link(&self, name: &str) -> Result<Link> {
        let index = self
            .run(|| if_nametoindex(name))
            .with_context(|| format!("host {}: interface {name}", self.name()))?;
        Ok(Link { host: self.clone(), name: name.to_owned(), index })
    }

    /// Adds a route to `prefix` ("198.51.100.0/24") by the router `via`.
    pub fn route(&self, prefix: &str, via: IpAddr) -> Result<&Self> {
        let route = route_to(prefix)?.gateway(via)?.build();
        self.netlink(|netlink| netlink.route().add(route).execute())
            .with_context(|| format!("route to {prefix} via {via}"))?;
        Ok(self)
    }

    /// Adds the default route of `via`'s family.
    pub fn default_route(&self, via: IpAddr) -> Result<&Self> {
        self.route(if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" }, via)
    }

    /// Removes the route to `prefix`.
    pub fn remove_route(&self, prefix: &str) -> Result<&Self> {
        let route = route_to(prefix)?.build();
        self.netlink(|netlink| netlink.route().del(route).execute())
            .with_context(|| format!("removing the route to {prefix}"))?;
        Ok(self)
    }
}

/// A host's interface.
#[derive(Clone)]
pub struct Link {
    host: Host,
    name: String,
    index: u32,
}

impl Link {
    /// The host it belongs to.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number inside the host.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Adds an address with the length of its network ("192.0.2.1/24"), usable at once.
    pub fn address(&self, address: &str) -> Result<&Self> {
        self.add_address(address, None)
    }

    /// The same for one from which the host begins nothing as long as it has others: an IPv6
    /// address whose preferred lifetime is over (RFC 6724, section 5, rule 3).
    pub fn virtual_address(&self, address: &str) -> Result<&Self> {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_valid = u32::MAX;
        self.add_address(address, Some(AddressAttribute::CacheInfo(lifetimes)))
    }

    fn add_address(&self, address: &str, lifetimes: Option<AddressAttribute>) -> Result<&Self> {
        let network = prefix(address)?;
        self.netlink(|netlink, index| {
            let mut add = netlink.address().add(index, network.addr(), network.prefix_len());
            if network.addr().is_ipv6() {
                add.message_mut().header.flags |= AddressHeaderFlags::Nodad;
                add.message_mut().attributes.extend(lifetimes);
            }
            add.execute()
        })
        .with_context(|| format!("address {address} on {self}"))?;
        if let IpAddr::V6(v6) = network.addr() {
            wait_until(SOON, &format!("{v6} in use on {self}"), || self.receives(v6))?;
        }
        Ok(self)
    }

    /// Removes an address ("192.0.2.1").
    pub fn remove_address(&self, address: IpAddr) -> Result<&Self> {
        self.netlink(|netlink, index| async move {
            let mut found = netlink.address().get().set_link_index_filter(index);
            found = found.set_address_filter(address);
            let found: Vec<_> = found.execute().try_collect().await?;
            for message in found {
                netlink.address().del(message).execute().await?;
            }
            Ok(())
        })
        .with_context(|| format!("removing {address} from {self}"))
    }

    /// Adds a route to `prefix`, whose hosts are neighbours on this link.
    pub fn route(&self, prefix: &str) -> Result<&Self> {
        let route = route_to(prefix)?.output_interface(self.index).build();
        self.netlink(|netlink, _| netlink.route().add(route).execute())
            .with_context(|| format!("route to {prefix} on {self}"))
    }

    /// Lets the kernel merge frames that it receives here as far as it will (GRO), as on a
    /// machine's own interfaces.
    pub fn merge_frames(&self) -> Result<&Self> {
        const LARGEST: u32 = 1 << 16;
        let sizes = [LinkAttribute::GroMaxSize(LARGEST), LinkAttribute::GroIpv4MaxSize(LARGEST)];
        self.change(|link| sizes.into_iter().fold(link, LinkMessageBuilder::append_extra_attribute))
    }

    /// Removes it, and with it the other end of its wire.
    pub fn remove(&self) -> Result<()> {
        self.netlink(|netlink, index| netlink.link().del(index).execute())
            .with_context(|| format!("removing {self}"))?;
        Ok(())
    }

    /// Makes an interface of the same host on top, with an Ethernet address of its own (macvlan).
    pub fn on_top(&self, name: &str) -> Result<Self> {
        let top = LinkMacVlan::new(name, self.index, MacVlanMode::Bridge).up().build();
        self.netlink(|netlink, _| netlink.link().add(top).execute())
            .with_context(|| format!("{name} on top of {self}"))?;
        self.host.link(name)
    }

    /// Switches it on.
    pub fn up(&self) -> Result<&Self> {
        self.change(LinkMessageBuilder::up)
    }

    /// Switches it off; its routes and neighbours go.
    pub fn down(&self) -> Result<&Self> {
        self.change(LinkMessageBuilder::down)
    }

    /// Sets its MTU in bytes.
    pub fn mtu(&self, bytes: u32) -> Result<&Self> {
        self.change(|link| link.mtu(bytes))
    }

    /// Sets its Ethernet address.
    pub fn set_mac(&self, mac: Mac) -> Result<&Self> {
        self.change(|link| link.address(mac.to_vec()))
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> Result<Mac> {
        let mac = self.attributes()?.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => Mac::try_from(bytes).ok(),
            _ => None,
        });
        mac.with_context(|| format!("{self} has no Ethernet address"))
    }

    /// Its MTU in bytes.
    pub fn read_mtu(&self) -> Result<u32> {
        let mtu = self.attributes()?.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::Mtu(bytes) => Some(bytes),
            _ => None,
        });
        mtu.with_context(|| format!("{self} has no MTU"))
    }

    /// The names of the offloads and other features that are on, as ethtool calls them.
    pub fn features(&self) -> Result<Vec<String>> {
        let active = self.host.run(|| ethtool::active(&self.name));
        active.with_context(|| format!("features of {self}"))
    }

    /// Enters a neighbour for good.
    pub fn neighbour(&self, address: IpAddr, mac: Mac) -> Result<&Self> {
        self.netlink(|netlink, index| {
            let add = netlink.neighbours().add(index, address);
            add.link_layer_address(&mac).replace().execute()
        })
        .with_context(|| format!("neighbour {address} on {self}"))
    }

    /// The neighbours that the kernel has on this link, with those whose Ethernet address it is
    /// still asking for or has given up on.
    pub fn neighbours(&self) -> Result<Vec<(IpAddr, Option<Mac>)>> {
        let found = self.neighbour_messages()?;
        Ok(found
            .iter()
            .filter_map(|message| Some((address_of(message)?, mac_of(message))))
            .collect())
    }

    /// Forgets all neighbours on this link, for good or learnt.
    pub fn flush_neighbours(&self) -> Result<&Self> {
        let found = self.neighbour_messages()?;
        self.netlink(|netlink, _| async move {
            for message in found {
                netlink.neighbours().del(message).execute().await?;
            }
            Ok(())
        })
        .with_context(|| format!("flushing the neighbours of {self}"))
    }

    /// Whether the host takes packets to the address. The kernel routes them to itself, and joins
    /// the group in which neighbours ask for it, a little after it has taken the address.
    fn receives(&self, address: Ipv6Addr) -> bool {
        const LOCAL: u32 = 1 << 31; // RTF_LOCAL; the prefix may have another route as well
        let destination = format!("{:032x} 80 ", address.to_bits());
        let is_local = |route: &str| {
            let flags = route.split_ascii_whitespace().nth(8);
            let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok());
            route.starts_with(&destination) && flags.is_some_and(|flags| flags & LOCAL != 0)
        };
        let routes = self.host.run(|| read_to_string("/proc/thread-self/net/ipv6_route"));
        routes.is_ok_and(|routes| routes.lines().any(is_local))
    }

    /// Whether frames can pass: both ends are up and connected.
    fn works(&self) -> Result<bool> {
        Ok(self.attributes()?.contains(&LinkAttribute::OperState(State::Up)))
    }

    pub(super) fn change(
        &self,
        what: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec> + Send,
    ) -> Result<&Self> {
        let message = what(LinkUnspec::new_with_index(self.index)).build();
        self.netlink(|netlink, _| netlink.link().change(message).execute())
            .with_context(|| format!("changing {self}"))
    }

    pub(super) fn attributes(&self) -> Result<Vec<LinkAttribute>> {
        let index = self.index;
        let found: Vec<LinkMessage> = self
            .host
            .netlink(|netlink| netlink.link().get().match_index(index).execute().try_collect())?;
        ensure!(found.len() == 1, "{self} is gone");
        Ok(found.into_iter().flat_map(|message| message.attributes).collect())
    }

    /// Without those that the kernel needs no answer for (multicast, its own addresses).
    fn neighbour_messages(&self) -> Result<Vec<NeighbourMessage>> {
        use rtnetlink::packet_route::neighbour::NeighbourState::Noarp;
        let found: Vec<NeighbourMessage> = self
            .host
            .netlink(|netlink| netlink.neighbours().get().execute().try_collect())
            .with_context(|| format!("neighbours of {self}"))?;
        let ours = |message: &NeighbourMessage| {
            message.header.ifindex == self.index && message.header.state != Noarp
        };
        Ok(found.into_iter().filter(ours).collect())
    }

    fn netlink<F: Future<Output = Result<(), rtnetlink::Error>>>(
        &self,
        requests: impl FnOnce(Handle, u32) -> F + Send,
    ) -> Result<&Self> {
        let index = self.index;
        self.host.netlink(|netlink| requests(netlink, index))?;
        Ok(self)
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of host {}", self.name, self.host.name())
    }
}

fn prefix(text: &str) -> Result<IpNet> {
    text.parse().with_context(|| format!("{text:?} is no address with a length (192.0.2.1/24)"))
}

fn route_to(text: &str) -> Result<RouteMessageBuilder<IpAddr>> {
    let network = prefix(text)?.trunc();
    Ok(RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(network.addr(), network.prefix_len())?)
}

fn address_of(message: &NeighbourMessage) -> Option<IpAddr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some((*v4).into()),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some((*v6).into()),
        _ => None,
    })
}

fn mac_of(message: &NeighbourMessage) -> Option<Mac> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Mac::try_from(bytes.as_slice()).ok(),
        _ => None,
    })
}
