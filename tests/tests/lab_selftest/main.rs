//! The lab keeps its promises.

mod ending;
mod real;
mod signal;
mod traffic;
mod tunnels;
mod wires;
mod xdp;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use etherparse::NetSlice;
use lb_tests::lab::{Frame, Host, Lab, Link, Switch, ip};

/// A client and a server on a switch, in both families.
struct Pair {
    lab: Lab,
    lan: Switch,
    client: Host,
    server: Host,
    client_link: Link,
    server_link: Link,
}

impl Pair {
    fn new(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let lan = lab.switch("lan")?;
        let (client, server) = (lab.host("client")?, lab.host("server")?);
        let client_link = lan.join(&client, "eth0")?;
        client_link.address("192.0.2.1/24")?.address("2001:db8::1/64")?;
        let server_link = lan.join(&server, "eth0")?;
        server_link.address("192.0.2.2/24")?.address("2001:db8::2/64")?;
        Ok(Self { lab, lan, client, server, client_link, server_link })
    }
}

/// Where the server is, in both families.
fn server_addresses() -> [IpAddr; 2] {
    [ip("192.0.2.2"), ip("2001:db8::2")]
}

/// The source and the destination of a frame's packet.
fn between(frame: &Frame) -> Option<[IpAddr; 2]> {
    match frame.parse().ok()?.net? {
        NetSlice::Ipv4(v4) => {
            let header = v4.header();
            Some([header.source_addr().into(), header.destination_addr().into()])
        }
        NetSlice::Ipv6(v6) => {
            let header = v6.header();
            Some([header.source_addr().into(), header.destination_addr().into()])
        }
        NetSlice::Arp(_) => None,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
