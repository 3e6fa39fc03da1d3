//! A site: a client, a director with the real `lb-agent`, and servers, on one wire.
//!
//! ```text
//!   client 198.51.100.10 ──┐            ┌── web1 192.0.2.11  (and web2, web3 …)
//!          203.0.113.10    ├── switch ──┤
//!   director 192.0.2.1 ────┘            └── VIPs on `lo` of every server, for dr and tunnel
//!            203.0.113.1
//! ```
//!
//! Servers answer the network 198.51.100.0/24 directly, as with direct routing and tunnels, and
//! 203.0.113.0/24 through the director, as NAT needs it; the same in IPv6 with 2001:db8:1::/64,
//! 2001:db8:2::/64 and, for the servers, 2001:db8:a::/64. The VIPs are 192.0.2.100 and up.

mod director;

use crate::lab::{
    Decapsulator, Host, HttpServer, Lab, Link, Switch, TcpEcho, UdpEcho, ip, wildcard,
};
use anyhow::Result;
pub use director::{Director, ServiceText, config, director, program};
use std::net::{IpAddr, SocketAddr};

/// Port of the servers' HTTP.
pub const HTTP: u16 = 80;
/// Another port of the servers' HTTP, for NAT that rewrites ports.
pub const HTTP_ALT: u16 = 8080;
/// Port of the servers' UDP echo.
pub const UDP: u16 = 5353;
/// Port of the servers' TCP echo.
pub const ECHO: u16 = 7;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// The virtual address of a number.
    pub fn vip(self, number: u16) -> IpAddr {
        ip(&match self {
            Self::V4 => format!("192.0.2.{}", 100 + number),
            Self::V6 => format!("2001:db8:a::{}", 100 + number),
        })
    }

    /// Address of the server of an index.
    pub fn server(self, index: usize) -> IpAddr {
        ip(&match self {
            Self::V4 => format!("192.0.2.{}", 11 + index),
            Self::V6 => format!("2001:db8:a::{}", 11 + index),
        })
    }

    /// The client's address that servers answer directly.
    pub fn direct_client(self) -> IpAddr {
        ip(match self {
            Self::V4 => "198.51.100.10",
            Self::V6 => "2001:db8:1::10",
        })
    }

    /// The client's address that servers answer through the director.
    pub fn routed_client(self) -> IpAddr {
        ip(match self {
            Self::V4 => "203.0.113.10",
            Self::V6 => "2001:db8:2::10",
        })
    }
}

/// All hosts but the director's agent.
pub struct Site {
    /// The wire.
    pub lan: Switch,
    /// Where requests come from.
    pub client: Host,
    /// The client's interface.
    pub client_link: Link,
    /// Where the agent will run.
    pub director: Host,
    /// The director's interface.
    pub director_link: Link,
    /// The servers, in order.
    pub servers: Vec<Server>,
}

/// A server with all that listens on it.
pub struct Server {
    /// `web1`, `web2` …
    pub name: String,
    /// Its host.
    pub host: Host,
    /// Its interface.
    pub link: Link,
    /// HTTP on [`HTTP`].
    pub http: HttpServer,
    /// HTTP on [`HTTP_ALT`].
    pub http_alt: HttpServer,
    /// TCP echo on [`ECHO`].
    pub echo: TcpEcho,
    /// UDP echo on [`UDP`].
    pub udp: UdpEcho,
    /// Takes packets out of tunnels.
    pub decapsulator: Decapsulator,
}

/// How many VIPs of each family there are.
pub const VIPS: u16 = 8;

impl Site {
    /// Makes the hosts and starts the servers.
    pub fn new(lab: &Lab, servers: usize) -> Result<Self> {
        Self::with_director(lab, servers, |lan, director| lan.join(director, "eth0"))
    }

    /// Like [`Site::new`], with a director that is plugged in by `plug`, which gives its `eth0`.
    pub fn with_director(
        lab: &Lab,
        servers: usize,
        plug: impl FnOnce(&Switch, &Host) -> Result<Link>,
    ) -> Result<Self> {
        let lan = lab.switch("lan")?;
        let client = lab.host("client")?;
        let client_link = lan.join(&client, "eth0")?;
        for address in
            ["198.51.100.10/24", "2001:db8:1::10/64", "203.0.113.10/24", "2001:db8:2::10/64"]
        {
            client_link.address(address)?;
        }
        client_link.route("192.0.2.0/24")?.route("2001:db8:a::/64")?;

        let director = lab.host("director")?;
        let director_link = plug(&lan, &director)?;
        for address in ["192.0.2.1/24", "2001:db8:a::1/64", "203.0.113.1/24", "2001:db8:2::1/64"] {
            director_link.address(address)?;
        }
        director_link.route("198.51.100.0/24")?.route("2001:db8:1::/64")?;
        for family in Family::BOTH {
            for number in 0..VIPS {
                director_link.virtual_address(&host_prefix(family.vip(number)))?;
            }
        }
        let servers =
            (0..servers).map(|index| Server::new(lab, &lan, index)).collect::<Result<_>>()?;
        Ok(Self { lan, client, client_link, director, director_link, servers })
    }
}

impl Server {
    fn new(lab: &Lab, lan: &Switch, index: usize) -> Result<Self> {
        let name = format!("web{}", index + 1);
        let host = lab.host(&name)?;
        let link = lan.join(&host, "eth0")?;
        link.address(&format!("{}/24", Family::V4.server(index)))?;
        link.address(&format!("{}/64", Family::V6.server(index)))?;
        link.route("198.51.100.0/24")?.route("2001:db8:1::/64")?;
        host.route("203.0.113.0/24", ip("192.0.2.1"))?;
        host.route("2001:db8:2::/64", ip("2001:db8:a::1"))?;
        for family in Family::BOTH {
            for number in 0..VIPS {
                host.accept_vip(family.vip(number))?;
            }
        }
        Ok(Self {
            http: HttpServer::start(&host, &name, wildcard(HTTP))?,
            http_alt: HttpServer::start(&host, &name, wildcard(HTTP_ALT))?,
            echo: TcpEcho::start(&host, wildcard(ECHO))?,
            udp: UdpEcho::start(&host, &name, wildcard(UDP))?,
            decapsulator: Decapsulator::start(&host)?,
            name,
            host,
            link,
        })
    }
}

/// An address and port as the configuration file writes them.
pub fn endpoint(address: IpAddr, port: u16) -> String {
    format!("\"{}\"", SocketAddr::new(address, port))
}

fn host_prefix(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}
