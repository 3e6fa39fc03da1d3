//! The demo: a client, a director with the real agent, and three servers in network namespaces of
//! their own; real HTTP and UDP in every mode and family. Ends with an error if anything is not as
//! it should be.

use anyhow::{Context, Result, ensure};
use lb_common::api::{Mode, Protocol, Scheduler};
use lb_tests::lab::{self, Client, HttpServer, Lab, SOON, Tally, wait_until, wildcard};
use lb_tests::site::{self, Director, Family, HTTP, HTTP_ALT, ServiceText, Site, UDP};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const SERVERS: usize = 3;
const REQUESTS: usize = 300;
const LARGE: usize = 10_000_000;
/// Number of the virtual address behind which nobody is.
const NOBODY: u16 = 3;
/// Number of the virtual address whose servers are checked.
const CHECKED: u16 = 4;
/// Port of the HTTP that is stopped and started.
const CHECKED_PORT: u16 = 8888;

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-demo: not as expected: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let start = Instant::now();
    lab::remove_on_signal()?;
    let lab = Lab::new("demo")?;
    say("Network namespaces: a client, a director, three servers, on one switch");
    let site = Site::new(&lab, SERVERS)?;
    say("lb-agent on the director: the XDP program is loaded, pinned and attached");
    let mut director = site::director(&lab, &site.director, &configuration())?;
    let result = tour(&site, &mut director);
    if result.is_err() {
        eprintln!("{}", lab.logs());
    }
    result?;
    drop(director);
    drop(lab);
    say(&format!("All as expected, and everything removed, in {:.0?}", start.elapsed()));
    Ok(())
}

fn tour(site: &Site, director: &mut Director) -> Result<()> {
    wait_for_servers(director)?;
    show(director, &["status"])?;
    say("Real traffic: what each server got");
    traffic(site)?;
    say("A server is drained: its connection goes on, new ones go elsewhere");
    drain(site, director)?;
    say("A server's HTTP fails: its check takes it out, and in again when it is back");
    health(site, director)?;
    say("The agent is killed: traffic goes on; started again, it finds everything in place");
    kill(site, director)?;
    say("Where did my packet go? To a server that is not there");
    nowhere(site, director)
}

/// Every mode in both families, for HTTP and UDP.
fn configuration() -> String {
    let mut services = Vec::new();
    for (mode, family) in combinations() {
        for (protocol, port, server_port) in [
            (Protocol::Tcp, HTTP, if mode == Mode::Nat { HTTP_ALT } else { HTTP }),
            (Protocol::Udp, UDP, UDP),
        ] {
            let server =
                |index| (format!("web{}", index + 1), family.server(index), server_port, 1);
            services.push(ServiceText {
                name: service_name(mode, family, protocol),
                vip: (vip(mode, family), port),
                protocol,
                mode,
                scheduler: Scheduler::Rr,
                more: String::new(),
                servers: (0..SERVERS).map(server).collect(),
            });
        }
    }
    services.push(ServiceText {
        name: "nobody".into(),
        vip: (Family::V4.vip(NOBODY), HTTP),
        protocol: Protocol::Tcp,
        mode: Mode::Dr,
        scheduler: Scheduler::Rr,
        more: String::new(),
        servers: vec![("gone".into(), Family::V4.server(100), HTTP, 1)],
    });
    services.push(ServiceText {
        name: "checked".into(),
        vip: (Family::V4.vip(CHECKED), CHECKED_PORT),
        protocol: Protocol::Tcp,
        mode: Mode::Dr,
        scheduler: Scheduler::Rr,
        more: "    check: { type: http, path: /name, interval: 200ms, timeout: 150ms }\n".into(),
        servers: (0..SERVERS)
            .map(|index| (format!("web{}", index + 1), Family::V4.server(index), CHECKED_PORT, 1))
            .collect(),
    });
    site::config(&services)
}

fn wait_for_servers(director: &Director) -> Result<()> {
    use lb_common::api::ServerState;
    wait_until(SOON, "the agent has found the ways to all servers", || {
        director.services().is_ok_and(|services| {
            let mut there =
                services.iter().filter(|service| !["nobody", "checked"].contains(&&*service.name));
            there.all(|service| service.servers.iter().all(|one| one.state == ServerState::Up))
        })
    })
}

fn traffic(site: &Site) -> Result<()> {
    println!("  MODE    FAMILY  TRAFFIC           web1  web2  web3  10 MB DOWNLOAD");
    for (mode, family) in combinations() {
        let client = client(site, mode, family);
        let address = vip(mode, family);
        let context = || format!("{mode}, {}", family.name());
        let tally = client.tally((address, HTTP), REQUESTS).with_context(context)?;
        client.download((address, HTTP), LARGE).with_context(context)?;
        row(mode, family, "HTTP requests", &tally, "intact");
        ensure!(
            counts(&tally) == [REQUESTS / SERVERS; SERVERS],
            "{mode}, {}: round robin gave {tally:?}",
            family.name()
        );
        let tally = client.udp_tally((address, UDP), REQUESTS).with_context(context)?;
        row(mode, family, "UDP datagrams", &tally, "");
        ensure!(counts(&tally).iter().sum::<usize>() == REQUESTS, "UDP: {tally:?}");
        ensure!(counts(&tally).iter().all(|count| *count > 0), "UDP: {tally:?}");
    }
    Ok(())
}

fn drain(site: &Site, director: &Director) -> Result<()> {
    let family = Family::V4;
    let name = format!("{}/web2", service_name(Mode::Nat, family, Protocol::Tcp));
    let address = (vip(Mode::Nat, family), HTTP);
    let client = client(site, Mode::Nat, family);
    let mut connection = client.connect(address)?;
    while connection.get("/name")?.text() != "web2" {
        connection = client.connect(address)?;
    }
    show(director, &["server", "drain", &name])?;
    let tally = client.tally(address, REQUESTS)?;
    row(Mode::Nat, family, "HTTP requests", &tally, "");
    ensure!(counts(&tally)[1] == 0, "the drained server got {tally:?}");
    ensure!(connection.get("/name")?.text() == "web2", "the old connection left its server");
    println!("  the old connection is still served by web2");
    show(director, &["server", "enable", &name])?;
    let tally = client.tally(address, REQUESTS)?;
    row(Mode::Nat, family, "HTTP requests", &tally, "");
    ensure!(counts(&tally) == [REQUESTS / SERVERS; SERVERS], "after the drain: {tally:?}");
    Ok(())
}

fn health(site: &Site, director: &Director) -> Result<()> {
    use lb_common::api::ServerState;
    let address = (Family::V4.vip(CHECKED), CHECKED_PORT);
    let client = client(site, Mode::Dr, Family::V4);
    let become_ = |name: &str, state: ServerState| {
        wait_until(SOON, &format!("{name} is {state}"), || {
            director.server("checked", name).is_ok_and(|one| one.server.state == state)
        })
    };
    let start = |server: &site::Server| {
        HttpServer::start(&server.host, &server.name, wildcard(CHECKED_PORT))
    };
    let _others = [start(&site.servers[0])?, start(&site.servers[1])?];
    let web3 = start(&site.servers[2])?;
    for server in &site.servers {
        become_(&server.name, ServerState::Up)?;
    }
    drop(web3);
    become_("web3", ServerState::Down)?;
    let tally = client.tally(address, REQUESTS)?;
    row(Mode::Dr, Family::V4, "HTTP requests", &tally, "");
    ensure!(counts(&tally) == [REQUESTS / 2, REQUESTS / 2, 0], "web3 is down: {tally:?}");
    let _web3 = start(&site.servers[2])?;
    become_("web3", ServerState::Up)?;
    show(director, &["server", "show", "checked/web3"])?;
    let tally = client.tally(address, REQUESTS)?;
    row(Mode::Dr, Family::V4, "HTTP requests", &tally, "");
    ensure!(counts(&tally) == [REQUESTS / SERVERS; SERVERS], "web3 is back: {tally:?}");
    show(director, &["events"])
}

fn kill(site: &Site, director: &mut Director) -> Result<()> {
    let address = (vip(Mode::Dr, Family::V6), HTTP);
    let client = client(site, Mode::Dr, Family::V6);
    let mut connection = client.connect(address)?;
    let server = connection.get("/name")?.text();
    director.kill()?;
    let tally = client.tally(address, REQUESTS)?;
    row(Mode::Dr, Family::V6, "HTTP requests", &tally, "");
    director.start()?;
    ensure!(connection.get("/name")?.text() == server, "a connection changed its server");
    println!("  a connection from before is still served by {server}");
    Ok(())
}

fn nowhere(site: &Site, director: &Director) -> Result<()> {
    const IN_VAIN: Duration = Duration::from_millis(300);
    let client = client(site, Mode::Dr, Family::V4).timeout(IN_VAIN);
    let address = Family::V4.vip(NOBODY);
    ensure!(client.get((address, HTTP), "/").is_err(), "somebody answered for nobody");
    show(director, &["drops"])?;
    ensure!(director.reason("next-hop-unresolved")? > 0, "the drop was not counted");
    Ok(())
}

fn combinations() -> impl Iterator<Item = (Mode, Family)> {
    Mode::ALL.iter().flat_map(|mode| Family::BOTH.map(|family| (*mode, family)))
}

fn vip(mode: Mode, family: Family) -> IpAddr {
    family.vip(mode as u16)
}

fn service_name(mode: Mode, family: Family, protocol: Protocol) -> String {
    format!("{mode}-{}-{protocol}", family.name().to_lowercase())
}

/// With NAT, answers come through the director: the client is where servers use it as a router.
fn client(site: &Site, mode: Mode, family: Family) -> Client {
    site.client.client().from_address(match mode {
        Mode::Nat => family.routed_client(),
        Mode::Dr | Mode::Tunnel => family.direct_client(),
    })
}

fn counts(tally: &Tally) -> [usize; SERVERS] {
    ["web1", "web2", "web3"].map(|name| tally.get(name).copied().unwrap_or(0))
}

fn row(mode: Mode, family: Family, traffic: &str, tally: &Tally, large: &str) {
    let total: usize = tally.values().sum();
    let [one, two, three] = counts(tally);
    let family = family.name();
    println!(
        "  {mode:<6}  {family:<6}  {total} {traffic}  {one:>4}  {two:>4}  {three:>4}  {large}"
    );
}

/// Runs lb-ctl and shows command and answer.
fn show(director: &Director, arguments: &[&str]) -> Result<()> {
    println!("  $ lb-ctl {}", arguments.join(" "));
    for line in director.ctl(arguments)?.lines() {
        println!("  {line}");
    }
    Ok(())
}

fn say(text: &str) {
    println!("\n{text}");
}
