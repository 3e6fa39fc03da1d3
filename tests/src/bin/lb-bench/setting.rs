//! What is measured: so many services, on a director whose servers are behind a gateway.

use anyhow::Result;
use lb_tests::lab::{Host, Lab, cable, ip};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Servers of each service.
pub(crate) const SERVERS: u32 = 10;

/// The director's address, and the gateway's.
const DIRECTOR: &str = "192.0.2.1/24";
const GATEWAY: &str = "192.0.2.2";

/// Where the servers' machines are, with room for a million.
const MACHINES: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const MACHINES_ROUTE: &str = "10.0.0.0/8";

/// Where the virtual addresses are: so many services each.
const VIPS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const SERVICES_OF_A_VIP: u32 = 100;
const FIRST_PORT: u32 = 1000;

/// How much is configured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) services: u32,
    /// Addresses that the servers share.
    pub(crate) machines: u32,
}

pub(crate) const SIZES: [Size; 3] = [
    Size { services: 10, machines: 100 },
    Size { services: 10_000, machines: 1_000 },
    Size { services: 10_000, machines: 100_000 },
];

impl Size {
    pub(crate) fn servers(&self) -> u32 {
        self.services * SERVERS
    }

    pub(crate) fn words(&self) -> String {
        let Self { services, machines } = self;
        format!("{services} services, {} servers at {machines} addresses", self.servers())
    }

    /// The configuration file; the last server of the last service has this weight.
    pub(crate) fn config(&self, weight: u32) -> String {
        let mut text = String::from("interfaces: [eth0]\n");
        // The small one has the limits that a file gets which says nothing.
        if self.services > 1_000 {
            text += "limits: { services: 16384, servers: 131072 }\n";
        }
        text += "services:\n";
        for service in 0..self.services {
            let vip = Ipv4Addr::from(u32::from(VIPS) + service / SERVICES_OF_A_VIP);
            let port = FIRST_PORT + service % SERVICES_OF_A_VIP;
            let _ = write!(
                text,
                "  - name: {}\n    address: {vip}:{port}\n    mode: nat\n    servers:\n",
                service_name(service)
            );
            for server in 0..SERVERS {
                let last = (self.services - 1, SERVERS - 1);
                let weight = if (service, server) == last { weight } else { 1 };
                let _ = writeln!(
                    text,
                    "      - {{ name: {}, address: {}, weight: {weight} }}",
                    server_name(server),
                    self.address(service * SERVERS + server)
                );
            }
        }
        text
    }

    /// Address and port of a server, by its number among all; past the last one too.
    pub(crate) fn address(&self, server: u32) -> String {
        let machine = Ipv4Addr::from(u32::from(MACHINES) + 1 + server % self.machines);
        format!("{machine}:{}", FIRST_PORT + server / self.machines)
    }
}

pub(crate) fn service_name(service: u32) -> String {
    format!("service-{service}")
}

pub(crate) fn server_name(server: u32) -> String {
    format!("server-{server}")
}

/// The hosts of a measurement, which nobody sends anything to.
pub(crate) struct Hosts {
    pub(crate) director: Host,
    /// Held, for a host lives as long as its handle.
    _gateway: Host,
}

impl Hosts {
    pub(crate) fn new(lab: &Lab) -> Result<Self> {
        let (director, gateway) = (lab.host("director")?, lab.host("gateway")?);
        let (near, far) = cable((&director, "eth0"), (&gateway, "eth0"))?;
        near.address(DIRECTOR)?;
        far.address(&format!("{GATEWAY}/24"))?;
        director.route(MACHINES_ROUTE, ip(GATEWAY))?;
        Ok(Self { director, _gateway: gateway })
    }
}
