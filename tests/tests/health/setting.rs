//! What the stories share: a configuration, a running site, and how a server goes and comes back.

use anyhow::{Context, Result, ensure};
use lb_common::api::{
    Connections, Health, Mode, Protocol, Scheduler, Server, ServerState, Verdict,
};
use lb_tests::lab::{Client, Host, Lab, Nginx, SOON, wait_until};
use lb_tests::site::{Director, Family, HTTP, Site, director, endpoint};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

/// Requests that show who is served: with two servers each gets its part of them.
const REQUESTS: usize = 40;

/// Times and counts of a check that decides within a second or two on a busy machine.
pub(crate) const FAST: &str = "interval: 300ms, timeout: 250ms, rise: 2, fall: 2";

/// A service for the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) name: &'a str,
    /// Of its addresses.
    pub(crate) family: Family,
    /// Number and port of its virtual address.
    pub(crate) vip: (u16, u16),
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) scheduler: Scheduler,
    /// Port of its servers.
    pub(crate) port: u16,
    /// Further fields, one each.
    pub(crate) fields: &'a [&'a str],
    /// Further fields of each of its servers `web1`, `web2` …, like `backup: true`.
    pub(crate) servers: &'a [&'a str],
}

/// The servers' own HTTP by NAT, on two of them in turn.
pub(crate) const WEB: Text<'_> = Text {
    name: "web",
    family: Family::V4,
    vip: (0, HTTP),
    protocol: Protocol::Tcp,
    mode: Mode::Nat,
    scheduler: Scheduler::Rr,
    port: HTTP,
    fields: &[],
    servers: &["", ""],
};

/// The configuration file.
pub(crate) fn config(services: &[Text<'_>]) -> String {
    let mut text = "interfaces: [eth0]\nservices:\n".to_owned();
    for service in services {
        let Text { name, family, vip: (number, port), protocol, mode, scheduler, .. } = service;
        let address = endpoint(family.vip(*number), *port);
        let _ = write!(
            text,
            "  - name: {name}\n    address: {address}\n    protocol: {protocol}\n    mode: {mode}\n    \
             scheduler: {scheduler}\n"
        );
        for field in service.fields {
            let _ = writeln!(text, "    {field}");
        }
        text += "    servers:\n";
        for (index, fields) in service.servers.iter().enumerate() {
            let address = endpoint(family.server(index), service.port);
            let separator = if fields.is_empty() { "" } else { ", " };
            let _ = writeln!(
                text,
                "      - {{ name: web{}, address: {address}{separator}{fields} }}",
                index + 1
            );
        }
    }
    text
}

/// A running site; its first service is looked at.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) director: Director,
    pub(crate) client: Client,
    /// The first service's.
    pub(crate) vip: (IpAddr, u16),
    service: String,
}

impl Scene {
    /// Starts the agent on a site that is there already, with real servers perhaps.
    pub(crate) fn start(lab: &Lab, site: Site, services: &[Text<'_>]) -> Result<Self> {
        let first = services.first().context("a service")?;
        let director = director(lab, &site.director, &config(services))?;
        let client = site.client.client().from_address(match first.mode {
            Mode::Nat => first.family.routed_client(),
            Mode::Dr | Mode::Tunnel => first.family.direct_client(),
        });
        let vip = (first.family.vip(first.vip.0), first.vip.1);
        Ok(Self { site, director, client, vip, service: first.name.to_owned() })
    }

    /// A site with as many servers as the first service has, and the agent on it.
    pub(crate) fn new(lab: &Lab, services: &[Text<'_>]) -> Result<Self> {
        let servers = services.first().map_or(0, |service| service.servers.len());
        Self::start(lab, Site::new(lab, servers)?, services)
    }

    /// A server of the first service.
    pub(crate) fn server(&self, name: &str) -> Result<Server> {
        Ok(self.director.server(&self.service, name)?.server)
    }

    /// What the check of a server found.
    pub(crate) fn health(&self, name: &str) -> Result<Health> {
        self.director.server(&self.service, name)?.history.context("it isn't checked")
    }

    /// Waits until a check says so of a server of the first service.
    pub(crate) fn wait_for_verdict(&self, name: &str, verdict: Verdict) -> Result<()> {
        let is = || self.server(name).is_ok_and(|server| server.health == Some(verdict));
        wait_until(SOON, &format!("{name} is {verdict}"), is)
            .with_context(|| format!("{name}: {:?}", self.health(name)))
    }

    /// Waits for the state of a server of the first service.
    pub(crate) fn wait_for_state(&self, name: &str, state: ServerState) -> Result<()> {
        let is = || self.server(name).is_ok_and(|server| server.state == state);
        wait_until(SOON, &format!("{name} is {state}"), is)
            .with_context(|| format!("{:?}", self.server(name)))
    }

    /// Waits until these servers and no others answer, and sees that it stays so.
    pub(crate) fn only(&self, names: &[&str]) -> Result<()> {
        let expected: BTreeSet<String> = names.iter().map(|&name| name.to_owned()).collect();
        let answer = || -> Result<BTreeSet<String>> {
            Ok(self.client.tally(self.vip, REQUESTS)?.into_keys().collect())
        };
        wait_until(SOON, &format!("only {names:?} answer"), || {
            answer().is_ok_and(|answering| answering == expected)
        })
        .with_context(|| format!("{:?} answer", answer()))?;
        let now = answer()?;
        ensure!(now == expected, "{now:?} answer, not {names:?}");
        Ok(())
    }

    /// `web1` is up as `web2` is; `down` makes its check fail for a reason that has `cause` in its
    /// words, and `up` brings it back; connections follow.
    pub(crate) fn follows(
        &self,
        down: impl FnOnce() -> Result<()>,
        cause: &str,
        up: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        for name in ["web1", "web2"] {
            self.wait_for_verdict(name, Verdict::Up)?;
        }
        self.only(&["web1", "web2"])?;

        down().context("going down")?;
        self.wait_for_verdict("web1", Verdict::Down)?;
        self.only(&["web2"])?;
        let health = self.health("web1")?;
        let words = |text: &str| text.to_lowercase().contains(&cause.to_lowercase());
        ensure!(words(&health.cause), "no {cause:?} in {health:?}");
        let last = health.last.first().context("no results")?;
        ensure!(!last.passed && words(&last.cause), "{health:?}");
        ensure!(self.server("web1")?.state != ServerState::Up);

        up().context("coming back")?;
        self.wait_for_verdict("web1", Verdict::Up)?;
        self.only(&["web1", "web2"])?;
        let last = self.health("web1")?.last;
        ensure!(last.first().is_some_and(|result| result.passed && result.latency > 0), "{last:?}");
        Ok(())
    }

    /// The server of a service that has the connection of a client's socket.
    pub(crate) fn server_of(&self, service: &str, client: SocketAddr) -> Result<String> {
        let listed = self.director.connections(&["--service", service])?;
        let listed: Connections = serde_json::from_value(listed)?;
        let found = listed.connections.into_iter().find(|one| one.client == client);
        Ok(found.with_context(|| format!("no connection of {client}"))?.server)
    }
}

/// nginx on another port than the servers' own HTTP, with `/name` as the lab's clients ask for it,
/// and `/check.txt`.
pub(crate) fn nginx(host: &Host, port: u16) -> Result<Nginx> {
    let files = [("name", host.name()), ("check.txt", "still alive")];
    // The default closes a connection after a thousand requests.
    let block =
        format!("server {{ listen {port}; listen [::]:{port}; keepalive_requests 1000000; }}");
    Nginx::start(host, &files, &block)
}

/// Does `work` in the background while `meanwhile` goes on.
pub(crate) fn beside<T: Send>(
    work: impl FnOnce() -> Result<T> + Send,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<T> {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        let outcome = meanwhile();
        let done = work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and(done)
    })
}

/// Seconds.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
