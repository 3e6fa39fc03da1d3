//! A director between two networks: clients on one interface, servers on the other.

use super::shares;
use anyhow::{Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::{HttpServer, Lab, ip, wildcard};
use lb_tests::site::{self, HTTP, HTTP_ALT, ServiceText};

#[test]
fn nat_between_two_networks() {
    Lab::story("two-arms", |lab| -> Result<()> {
        let (outside, inside) = (lab.switch("outside")?, lab.switch("inside")?);
        let (client, director) = (lab.host("client")?, lab.host("director")?);
        let link = outside.join(&client, "eth0")?;
        link.address("198.51.100.10/24")?.address("2001:db8:1::10/64")?;
        let front = outside.join(&director, "eth0")?;
        front.address("198.51.100.1/24")?.address("2001:db8:1::1/64")?;
        front.address("198.51.100.100/32")?.address("2001:db8:1::100/128")?;
        let back = inside.join(&director, "eth1")?;
        back.address("10.0.0.1/24")?.address("2001:db8:a::1/64")?;

        let mut servers = Vec::new();
        for number in 1..=3 {
            let name = format!("web{number}");
            let host = lab.host(&name)?;
            let link = inside.join(&host, "eth0")?;
            link.address(&format!("10.0.0.1{number}/24"))?;
            link.address(&format!("2001:db8:a::1{number}/64"))?;
            host.default_route(ip("10.0.0.1"))?.default_route(ip("2001:db8:a::1"))?;
            servers.push(HttpServer::start(&host, &name, wildcard(HTTP_ALT))?);
        }
        let service = |name: &str, vip: &str, network: &str| ServiceText {
            name: name.into(),
            vip: (ip(vip), HTTP),
            protocol: Protocol::Tcp,
            mode: Mode::Nat,
            scheduler: Scheduler::Rr,
            more: String::new(),
            servers: (1..=3)
                .map(|number| {
                    (format!("web{number}"), ip(&format!("{network}1{number}")), HTTP_ALT, 1)
                })
                .collect(),
        };
        let vips = ["198.51.100.100", "2001:db8:1::100"];
        let services =
            [service("web4", vips[0], "10.0.0."), service("web6", vips[1], "2001:db8:a::")];
        let config = site::config(&services).replace("[eth0]", "[eth0, eth1]");
        let agent = site::director(lab, &director, &config)?;
        agent.wait_until_resolved()?;

        for vip in vips.map(ip) {
            let tally = client.client().tally((vip, HTTP), 900)?;
            ensure!(shares(&tally) == [300; 3], "{vip}: {tally:?}");
            client.client().download((vip, HTTP), 10_000_000)?;
            let body = vec![b'x'; 5_000_000];
            ensure!(client.client().post((vip, HTTP), "/echo", &body)?.body == body);
        }
        let served: u64 = servers.iter().map(HttpServer::requests).sum();
        ensure!(served == 2 * (900 + 2), "{served} requests");
        Ok(())
    });
}
