//! A network namespace for the loaded program's look-ups in the routing table.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use lb_common::abi::{Macs, NextHop, Tags};
use lb_common::datapath::Route;
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::net::IpAddr;

/// The namespace of the thread that [`in_namespace`] runs. The loopback interface is up and
/// forwards, as the agent sets it.
pub struct Namespace {
    runtime: tokio::runtime::Runtime,
    netlink: Handle,
}

/// Runs `test` on a thread of its own in a network namespace of its own, which vanishes with it.
/// Programs that this thread runs ([`super::Kernel::run`]) see that namespace's routes.
///
/// # Panics
/// When `test` does, or when the namespace can't be made.
pub fn in_namespace<T: Send>(test: impl FnOnce(Namespace) -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| test(Namespace::enter().expect("a namespace (are you root?)")));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Namespace {
    fn enter() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let netlink = {
            let _guard = runtime.enter();
            let (connection, handle, _) = rtnetlink::new_connection()?;
            runtime.spawn(connection);
            handle
        };
        let namespace = Self { runtime, netlink };
        namespace.up(super::INGRESS)?;
        for family in ["ipv4", "ipv6"] {
            let path = format!("/proc/sys/net/{family}/conf/lo/forwarding");
            std::fs::write(&path, "1").context(path)?;
        }
        Ok(namespace)
    }

    /// Adds a link that is up, with a peer that takes all frames and answers nothing.
    pub fn link(&self, name: &str) -> Result<Link<'_>> {
        let peer = format!("{name}-peer");
        let pair = LinkVeth::new(name, &peer).build();
        self.run(self.netlink.link().add(pair).execute())?;
        self.up(self.index_and_mac(&peer)?.0)?;
        let (index, mac) = self.index_and_mac(name)?;
        self.up(index)?;
        Ok(Link { namespace: self, index, mac })
    }

    fn up(&self, index: u32) -> Result<()> {
        let up = LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build();
        self.run(self.netlink.link().set(up).execute())
    }

    fn index_and_mac(&self, name: &str) -> Result<(u32, [u8; 6])> {
        let mut found = self.netlink.link().get().match_name(name.to_owned()).execute();
        let link = self.run(found.try_next())?.context("no such link")?;
        let mac = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            _ => None,
        });
        Ok((link.header.index, mac.context("the link has no address")?))
    }

    fn run<T>(&self, request: impl Future<Output = Result<T, rtnetlink::Error>>) -> Result<T> {
        Ok(self.runtime.block_on(request)?)
    }
}

/// An Ethernet link of a [`Namespace`].
#[derive(Clone, Copy)]
pub struct Link<'a> {
    namespace: &'a Namespace,
    /// Its interface index.
    pub index: u32,
    /// Its link-layer address.
    pub mac: [u8; 6],
}

impl Link<'_> {
    /// Adds an address, and with it the route to its prefix.
    pub fn address(&self, address: IpAddr, prefix: u8) -> Result<()> {
        let mut add = self.namespace.netlink.address().add(self.index, address, prefix);
        if address.is_ipv6() {
            add.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        self.namespace.run(add.execute())
    }

    /// Adds a route through a router on this link.
    pub fn route(&self, network: IpAddr, prefix: u8, router: IpAddr) -> Result<()> {
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(network, prefix)?
            .gateway(router)?
            .build();
        self.namespace.run(self.namespace.netlink.route().add(route).execute())
    }

    /// Adds a neighbour that needs no resolving.
    pub fn neighbour(&self, address: IpAddr, mac: [u8; 6]) -> Result<()> {
        let neighbours = self.namespace.netlink.neighbours();
        self.namespace
            .run(neighbours.add(self.index, address).link_layer_address(&mac).replace().execute())
    }

    /// Sets the largest IP packet that it takes, in bytes.
    pub fn mtu(&self, bytes: u32) -> Result<()> {
        let change = LinkMessageBuilder::<LinkUnspec>::new().index(self.index).mtu(bytes).build();
        self.namespace.run(self.namespace.netlink.link().set(change).execute())
    }

    /// What the routing table answers for addresses behind the neighbour of a link-layer address,
    /// for [`super::World::routes`].
    pub fn via(&self, mac: [u8; 6], mtu: u32) -> Route {
        Route::Via(NextHop {
            tags: Tags::NONE,
            ifindex: self.index,
            mtu,
            macs: Macs::new(mac, self.mac),
        })
    }
}
