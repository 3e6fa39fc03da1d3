//! Servers and clients.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use lb_tests::lab::{HttpServer, SOON, TcpEcho, UdpEcho, ip, wildcard};

use super::{Pair, seconds, server_addresses};

#[test]
fn http_works_in_both_families() -> Result<()> {
    let pair = Pair::new("http")?;
    let server = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let client = pair.client.client();
    for address in server_addresses() {
        assert_eq!(client.get((address, 80), "/name")?.text(), "web");
        assert_eq!(client.post((address, 80), "/echo", b"payload")?.body, b"payload");
        assert_eq!(client.get((address, 80), "/nothing")?.status, 404);
        client.download((address, 80), 10_000_000)?;

        let mut connection = client.connect((address, 80))?;
        let seen_as = connection.local_address()?.to_string();
        assert_eq!(connection.get("/client")?.text(), seen_as);
        assert_eq!(connection.post("/echo", &[7; 100_000])?.body, [7; 100_000]);
        assert_eq!(connection.get("/client")?.text(), seen_as);
    }
    assert_eq!(server.connections(), 2 * 5);
    assert_eq!(server.requests(), 2 * 7);
    Ok(())
}

#[test]
fn thousands_of_connections_take_seconds() -> Result<()> {
    let pair = Pair::new("many")?;
    let server = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let start = Instant::now();
    let tally = pair.client.client().tally((server_addresses()[0], 80), 5000)?;
    assert_eq!(tally, [("web".to_owned(), 5000)].into());
    assert_eq!(server.connections(), 5000);
    assert!(start.elapsed() < seconds(30), "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn servers_bind_to_one_address() -> Result<()> {
    let pair = Pair::new("bind")?;
    let [v4, v6] = server_addresses();
    let _v4 = HttpServer::start(&pair.server, "four", (v4, 80).into())?;
    let _v6 = HttpServer::start(&pair.server, "six", (v6, 80).into())?;
    let _udp_v4 = UdpEcho::start(&pair.server, "four", (v4, 53).into())?;
    let _udp_v6 = UdpEcho::start(&pair.server, "six", (v6, 53).into())?;
    for (address, name) in [(v4, "four"), (v6, "six")] {
        let client = pair.client.client();
        assert_eq!(client.tally((address, 80), 3)?, [(name.to_owned(), 3)].into());
        assert_eq!(client.udp_tally((address, 53), 3)?, [(name.to_owned(), 3)].into());
    }
    Ok(())
}

#[test]
fn a_client_chooses_its_source() -> Result<()> {
    let pair = Pair::new("source")?;
    pair.client_link.address("192.0.2.77/24")?;
    let _web = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let server = (server_addresses()[0], 80);
    let client = pair.client.client();
    let from = client.clone().from_address(ip("192.0.2.77"));
    assert!(from.get(server, "/client")?.text().starts_with("192.0.2.77:"));
    let socket: SocketAddr = "192.0.2.77:4321".parse()?;
    assert_eq!(client.from_socket(socket).get(server, "/client")?.text(), "192.0.2.77:4321");
    Ok(())
}

#[test]
fn udp_and_tcp_are_echoed_from_the_address_that_was_asked() -> Result<()> {
    let pair = Pair::new("echo")?;
    pair.server.accept_vip(ip("198.51.100.9"))?.accept_vip(ip("2001:db8:1::9"))?;
    pair.client.route("198.51.100.0/24", ip("192.0.2.2"))?;
    pair.client.route("2001:db8:1::/64", ip("2001:db8::2"))?;
    let udp = UdpEcho::start(&pair.server, "udp", wildcard(53))?;
    let tcp = TcpEcho::start(&pair.server, wildcard(7))?;
    let client = pair.client.client();
    for address in [ip("198.51.100.9"), ip("2001:db8:1::9")] {
        // A connected socket takes answers from nobody else.
        assert_eq!(client.udp_ask((address, 53), b"hello")?, b"udp:hello");
        assert_eq!(client.udp_tally((address, 53), 50)?, [("udp".to_owned(), 50)].into());
        let mut stream = client.tcp((address, 7))?;
        stream.write_all(b"and back")?;
        let mut back = [0; 8];
        stream.read_exact(&mut back)?;
        assert_eq!(&back, b"and back");
    }
    assert_eq!(udp.datagrams(), 2 * 51);
    assert_eq!(tcp.connections(), 2);
    Ok(())
}

#[test]
fn a_vip_on_lo_is_not_announced() -> Result<()> {
    let pair = Pair::new("arp")?;
    let vips = [ip("192.0.2.99"), ip("2001:db8::99")];
    let client = pair.client.client().timeout(Duration::from_millis(300));
    for vip in vips {
        pair.server.accept_vip(vip)?;
        assert!(client.ping(vip).is_err(), "{vip} answers");
        pair.client_link.neighbour(vip, pair.server_link.mac()?)?;
        client.clone().timeout(SOON).ping(vip)?;
    }
    Ok(())
}

#[test]
fn ping_works_in_both_families() -> Result<()> {
    let pair = Pair::new("ping")?;
    for address in server_addresses() {
        assert!(pair.client.client().ping(address)? < seconds(5));
    }
    let nobody = pair.client.client().timeout(Duration::from_millis(100));
    assert!(nobody.ping(ip("192.0.2.200")).is_err());
    Ok(())
}

#[test]
fn labs_run_side_by_side() -> Result<()> {
    let (one, two) = (Pair::new("twin")?, Pair::new("twin")?);
    let _one = HttpServer::start(&one.server, "one", wildcard(80))?;
    let _two = HttpServer::start(&two.server, "two", wildcard(80))?;
    for address in server_addresses() {
        assert_eq!(one.client.client().get((address, 80), "/name")?.text(), "one");
        assert_eq!(two.client.client().get((address, 80), "/name")?.text(), "two");
    }
    assert_ne!(one.lab.folder(), two.lab.folder());
    Ok(())
}
