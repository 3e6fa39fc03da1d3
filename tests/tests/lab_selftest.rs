//! The lab keeps its promises.

use std::net::{IpAddr, SocketAddr};
use std::panic::catch_unwind;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use etherparse::{IpNumber, NetSlice, PacketBuilder, TransportSlice};
use lb_tests::lab::{
    Capture, Decapsulator, Direction, Frame, Host, HttpServer, Lab, Link, SOON, Switch, Tag,
    TcpEcho, UdpEcho, cable, ip, verify_checksums, wait_until, wildcard,
};

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
        client_link
            .address("192.0.2.1/24")?
            .address("2001:db8::1/64")?;
        let server_link = lan.join(&server, "eth0")?;
        server_link
            .address("192.0.2.2/24")?
            .address("2001:db8::2/64")?;
        Ok(Self {
            lab,
            lan,
            client,
            server,
            client_link,
            server_link,
        })
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
            Some([
                header.source_addr().into(),
                header.destination_addr().into(),
            ])
        }
        NetSlice::Ipv6(v6) => {
            let header = v6.header();
            Some([
                header.source_addr().into(),
                header.destination_addr().into(),
            ])
        }
        NetSlice::Arp(_) => None,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn http_works_in_both_families() -> Result<()> {
    let pair = Pair::new("http")?;
    let server = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let client = pair.client.client();
    for address in server_addresses() {
        assert_eq!(client.get((address, 80), "/name")?.text(), "web");
        assert_eq!(
            client.post((address, 80), "/echo", b"payload")?.body,
            b"payload"
        );
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
    let tally = pair
        .client
        .client()
        .tally((server_addresses()[0], 80), 5000)?;
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
        assert_eq!(
            client.tally((address, 80), 3)?,
            [(name.to_owned(), 3)].into()
        );
        assert_eq!(
            client.udp_tally((address, 53), 3)?,
            [(name.to_owned(), 3)].into()
        );
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
    assert!(
        from.get(server, "/client")?
            .text()
            .starts_with("192.0.2.77:")
    );
    let socket: SocketAddr = "192.0.2.77:4321".parse()?;
    assert_eq!(
        client.from_socket(socket).get(server, "/client")?.text(),
        "192.0.2.77:4321"
    );
    Ok(())
}

#[test]
fn udp_and_tcp_are_echoed_from_the_address_that_was_asked() -> Result<()> {
    let pair = Pair::new("echo")?;
    pair.server
        .accept_vip(ip("198.51.100.9"))?
        .accept_vip(ip("2001:db8:1::9"))?;
    pair.client.route("198.51.100.0/24", ip("192.0.2.2"))?;
    pair.client.route("2001:db8:1::/64", ip("2001:db8::2"))?;
    let udp = UdpEcho::start(&pair.server, "udp", wildcard(53))?;
    let tcp = TcpEcho::start(&pair.server, wildcard(7))?;
    let client = pair.client.client();
    for address in [ip("198.51.100.9"), ip("2001:db8:1::9")] {
        // A connected socket takes answers from nobody else.
        assert_eq!(client.udp_ask((address, 53), b"hello")?, b"udp:hello");
        assert_eq!(
            client.udp_tally((address, 53), 50)?,
            [("udp".to_owned(), 50)].into()
        );
        let mut stream = client.tcp((address, 7))?;
        std::io::Write::write_all(&mut stream, b"and back")?;
        let mut back = [0; 8];
        std::io::Read::read_exact(&mut stream, &mut back)?;
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
fn captured_frames_are_those_on_the_wire() -> Result<()> {
    let pair = Pair::new("capture")?;
    let _web = HttpServer::start(&pair.server, "web", wildcard(80))?;
    let _udp = UdpEcho::start(&pair.server, "udp", wildcard(53))?;
    let capture = pair.server_link.capture()?;
    let client = pair.client.client();
    for address in server_addresses() {
        client.download((address, 80), 1_000_000)?;
        client.udp_ask((address, 53), b"hello")?;
        client.ping(address)?;
    }
    let is_syn = |frame: &Frame| {
        frame.direction == Direction::In
            && frame.parse().is_ok_and(
                |packet| matches!(packet.transport, Some(TransportSlice::Tcp(tcp)) if tcp.syn()),
            )
    };
    let syn = capture.wait_for(SOON, "a SYN", is_syn)?;
    assert_eq!(
        syn.bytes[..12],
        [pair.server_link.mac()?, pair.client_link.mac()?].concat()
    );

    let frames = capture.frames();
    assert!(
        frames.len() > 2 * 1_000_000 / 1460,
        "{} frames",
        frames.len()
    );
    for frame in &frames {
        assert!(frame.checksummed && frame.bytes.len() <= 1514, "{frame:?}");
        assert_eq!(frame.verify(), Ok(()), "{frame:?}");
    }
    let sizes = frames
        .iter()
        .filter(|frame| frame.direction == Direction::Out);
    assert_eq!(sizes.map(|frame| frame.bytes.len()).max(), Some(1514));

    let error = capture
        .wait_for(Duration::ZERO, "a unicorn", |_| false)
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("a unicorn, on eth0 of host server"),
        "{error:#}"
    );
    Ok(())
}

#[test]
fn offloads_are_off() -> Result<()> {
    let pair = Pair::new("offloads")?;
    for link in [
        pair.client_link,
        pair.server_link,
        pair.lan.host().link("port0")?,
    ] {
        let features = link.features()?;
        let sends: Vec<_> = features
            .iter()
            // Fixed in the driver, and about how frames are handed over, not what is in them.
            .filter(|name| name.starts_with("tx-") && *name != "tx-lockless")
            .collect();
        assert!(sends.is_empty(), "{link}: {sends:?}");
        assert!(
            features.contains(&"rx-gro".to_owned()),
            "{link}: {features:?}"
        );
    }
    Ok(())
}

/// A ping from 203.0.113.5, in a tunnel from 192.0.2.1 to the server.
fn tunnelled_ping(pair: &Pair) -> Result<Vec<u8>> {
    let mut inner = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 5], [198, 51, 100, 9], 64)
        .icmpv4_echo_request(1, 2)
        .write(&mut inner, b"hello")?;
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(pair.client_link.mac()?, pair.server_link.mac()?)
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .write(&mut frame, IpNumber::IPV4, &inner)?;
    frame[..12].copy_from_slice(&[pair.server_link.mac()?, pair.client_link.mac()?].concat());
    Ok(frame)
}

#[test]
fn the_decapsulator_ends_tunnels() -> Result<()> {
    let pair = Pair::new("decap")?;
    let vip = ip("198.51.100.9");
    pair.server
        .accept_vip(vip)?
        .route("203.0.113.0/24", ip("192.0.2.1"))?;
    let decapsulator = Decapsulator::start(&pair.server)?;
    let capture = pair.client_link.capture()?;
    let frame = tunnelled_ping(&pair)?;
    verify_checksums(&frame).map_err(anyhow::Error::msg)?;
    pair.client_link.inject(&frame)?;

    let reply = capture.wait_for(SOON, "the reply to the ping in the tunnel", |frame| {
        frame.direction == Direction::In && between(frame) == Some([vip, ip("203.0.113.5")])
    })?;
    assert_eq!(reply.verify(), Ok(()));
    assert_eq!(decapsulator.packets(), 1);
    Ok(())
}

#[test]
fn the_decapsulator_takes_every_pair_of_families() -> Result<()> {
    let pair = Pair::new("families")?;
    let decapsulator = Decapsulator::start(&pair.server)?;
    let inside = Capture::start(&pair.server, "decap")?;
    let macs = [pair.server_link.mac()?, pair.client_link.mac()?].concat();
    let mut inner_v4 = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 5], [192, 0, 2, 2], 64)
        .udp(1, 2)
        .write(&mut inner_v4, b"four")?;
    let mut inner_v6 = Vec::new();
    PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64)
        .udp(1, 2)
        .write(&mut inner_v6, b"six!")?;
    let mut sent = 0;
    for (number, inner) in [(IpNumber::IPV4, &inner_v4), (IpNumber::IPV6, &inner_v6)] {
        let mut over_v4 = Vec::new();
        PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .write(&mut over_v4, number, inner)?;
        let mut over_v6 = Vec::new();
        PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv6(
                "2001:db8::1".parse::<std::net::Ipv6Addr>()?.octets(),
                "2001:db8::2".parse::<std::net::Ipv6Addr>()?.octets(),
                64,
            )
            .write(&mut over_v6, number, inner)?;
        for mut frame in [over_v4, over_v6] {
            frame[..12].copy_from_slice(&macs);
            inside.clear();
            pair.client_link.inject(&frame)?;
            sent += 1;
            inside.wait_for(SOON, "the inner packet", |frame| frame.bytes == *inner)?;
            wait_until(SOON, "the count", || decapsulator.packets() == sent)?;
        }
    }
    Ok(())
}

#[test]
fn vlans_carry_traffic_in_their_tags() -> Result<()> {
    let lab = Lab::new("vlan")?;
    let lan = lab.switch("lan")?;
    let (client, server) = (lab.host("client")?, lab.host("server")?);
    let trunks = [lan.join(&client, "eth0")?, lan.join(&server, "eth0")?];
    for (number, trunk) in trunks.iter().enumerate() {
        let host = number + 1;
        let single = trunk.vlan(100, Tag::Customer)?;
        single.address(&format!("192.0.2.{host}/24"))?;
        let double = trunk.vlan(200, Tag::Provider)?.vlan(5, Tag::Customer)?;
        double.address(&format!("198.51.100.{host}/24"))?;
        double.address(&format!("2001:db8::{host}/64"))?;
    }
    let _web = HttpServer::start(&server, "web", wildcard(80))?;
    let capture = trunks[1].capture()?;
    for (address, tags) in [
        ("192.0.2.2", [0x81, 0, 0, 100].as_slice()),
        ("198.51.100.2", &[0x88, 0xa8, 0, 200, 0x81, 0, 0, 5]),
        ("2001:db8::2", &[0x88, 0xa8, 0, 200, 0x81, 0, 0, 5]),
    ] {
        client.client().ping(ip(address))?;
        client.client().download((ip(address), 80), 100_000)?;
        let ours = |frame: &Frame| between(frame).is_some_and(|ends| ends.contains(&ip(address)));
        capture.wait_for(SOON, "a frame to the server", |frame| {
            ours(frame) && frame.direction == Direction::In
        })?;
        capture.wait_for(SOON, "a frame to the client", |frame| {
            ours(frame) && frame.direction == Direction::Out
        })?;
        for frame in capture.frames().iter().filter(|frame| ours(frame)) {
            assert!(frame.bytes[12..].starts_with(tags), "{frame:02x?}");
            assert_eq!(frame.verify(), Ok(()));
        }
    }
    Ok(())
}

#[test]
fn routers_route_and_neighbours_are_known() -> Result<()> {
    let lab = Lab::new("router")?;
    let (client, router, server) = (
        lab.host("client")?,
        lab.host("router")?,
        lab.host("server")?,
    );
    let (to_router, from_client) = cable((&client, "eth0"), (&router, "eth0"))?;
    let (to_server, from_router) = cable((&router, "eth1"), (&server, "eth0"))?;
    to_router
        .address("192.0.2.1/24")?
        .address("2001:db8::1/64")?;
    from_client
        .address("192.0.2.254/24")?
        .address("2001:db8::fe/64")?;
    to_server
        .address("198.51.100.254/24")?
        .address("2001:db8:1::fe/64")?;
    from_router
        .address("198.51.100.1/24")?
        .address("2001:db8:1::1/64")?;
    client
        .default_route(ip("192.0.2.254"))?
        .default_route(ip("2001:db8::fe"))?;
    server
        .default_route(ip("198.51.100.254"))?
        .default_route(ip("2001:db8:1::fe"))?;
    let ask = client.client().timeout(seconds(1));
    assert!(ask.ping(ip("198.51.100.1")).is_err(), "no router yet");
    router.forward_packets()?;
    for (address, gateway) in [
        (ip("198.51.100.1"), ip("192.0.2.254")),
        (ip("2001:db8:1::1"), ip("2001:db8::fe")),
    ] {
        ask.ping(address)?;
        let known = (gateway, Some(from_client.mac()?));
        assert!(
            to_router.neighbours()?.contains(&known),
            "{:?}",
            to_router.neighbours()?
        );
    }
    to_router.flush_neighbours()?;
    assert_eq!(to_router.neighbours()?, []);
    to_router.neighbour(ip("192.0.2.7"), [2, 0, 0, 0, 0, 7])?;
    assert_eq!(
        to_router.neighbours()?,
        [(ip("192.0.2.7"), Some([2, 0, 0, 0, 0, 7]))]
    );
    to_server.mtu(1280)?;
    assert_eq!(to_server.read_mtu()?, 1280);
    Ok(())
}

#[test]
fn programs_run_inside_and_leave_a_log() -> Result<()> {
    let pair = Pair::new("program")?;
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "cat /proc/net/dev; echo problem >&2; trap 'echo bye; exit 3' TERM; \
         echo ready; while :; do sleep 0.01; done",
    ]);
    let program = pair.server.spawn(command)?;
    program.wait_for_log(SOON, "ready")?;
    assert!(program.log().contains("eth0:") && program.log().contains("problem"));
    assert!(
        pair.lab.logs().contains("sh-on-server"),
        "{}",
        pair.lab.logs()
    );
    assert_eq!(program.status(), None);
    program.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(program.wait(SOON)?.code(), Some(3));
    assert!(program.log().ends_with("bye\n"), "{}", program.log());

    let mut failing = Command::new("false");
    let failing = pair
        .server
        .spawn(std::mem::replace(&mut failing, Command::new("")))?;
    let error = failing.wait_for_log(SOON, "ready").unwrap_err();
    assert!(format!("{error:#}").contains("exit status: 1"), "{error:#}");
    assert!(pair.server.spawn(Command::new("/no/such/program")).is_err());
    Ok(())
}

#[test]
fn a_program_that_ignores_sigterm_goes_as_well() -> Result<()> {
    let pair = Pair::new("stubborn")?;
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    let program = pair.server.spawn(command)?;
    program.wait_for_log(SOON, "ready")?;
    let pid = program.pid();
    drop(program);
    assert!(!std::fs::exists(format!("/proc/{pid}"))?);
    Ok(())
}

/// A wire from a lab to a witness outside it, which loses its end when the lab's namespace goes.
fn witnessed(lab: &Lab, witness: &Host) -> Result<Host> {
    let host = lab.host("watched")?;
    let (link, _) = cable((&host, "eth0"), (witness, "watch"))?;
    link.address("192.0.2.1/24")?.vlan(7, Tag::Customer)?;
    Ok(host)
}

#[test]
fn everything_is_gone_after_drop() -> Result<()> {
    let outside = Lab::new("outside")?;
    let witness = outside.host("witness")?;
    let lab = Lab::new("dropped")?;
    let folder = lab.folder().to_owned();
    let pid = {
        let host = witnessed(&lab, &witness)?;
        let server = HttpServer::start(&host, "web", wildcard(80))?;
        let _udp = UdpEcho::start(&host, "udp", wildcard(53))?;
        let _open = host.client().connect((ip("192.0.2.1"), 80))?;
        let _capture = Capture::start(&host, "eth0")?;
        let _decapsulator = Decapsulator::start(&host)?;
        let program = host.spawn({
            let mut command = Command::new("sleep");
            command.arg("1000");
            command
        })?;
        wait_until(SOON, "the connection", || server.connections() == 1)?;
        program.pid()
    };
    drop(lab);
    wait_until(SOON, "the end of the namespace", || {
        witness.link("watch").is_err()
    })?;
    assert!(!folder.exists());
    assert!(!std::fs::exists(format!("/proc/{pid}"))?);
    Ok(())
}

#[test]
fn everything_is_gone_after_a_panic() -> Result<()> {
    let outside = Lab::new("outside")?;
    let witness = outside.host("witness")?;
    let panicked = catch_unwind(|| {
        Lab::story("panics", |lab| {
            let host = witnessed(lab, &witness)?;
            let _server = HttpServer::start(&host, "web", wildcard(80))?;
            std::fs::write(
                witness_file(&outside),
                lab.folder().to_str().unwrap_or_default(),
            )?;
            host.run(|| panic!("on purpose"))
        });
    });
    assert!(panicked.is_err());
    wait_until(SOON, "the end of the namespace", || {
        witness.link("watch").is_err()
    })?;
    assert!(!std::fs::exists(std::fs::read_to_string(witness_file(
        &outside
    ))?)?);
    Ok(())
}

fn witness_file(lab: &Lab) -> std::path::PathBuf {
    lab.folder().join("folder-of-the-other")
}

#[test]
fn labs_run_side_by_side() -> Result<()> {
    let (one, two) = (Pair::new("twin")?, Pair::new("twin")?);
    let _one = HttpServer::start(&one.server, "one", wildcard(80))?;
    let _two = HttpServer::start(&two.server, "two", wildcard(80))?;
    for address in server_addresses() {
        assert_eq!(
            one.client.client().get((address, 80), "/name")?.text(),
            "one"
        );
        assert_eq!(
            two.client.client().get((address, 80), "/name")?.text(),
            "two"
        );
    }
    assert_ne!(one.lab.folder(), two.lab.folder());
    Ok(())
}
