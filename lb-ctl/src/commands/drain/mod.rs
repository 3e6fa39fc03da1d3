//! Drains, and how they are waited for.

mod progress;

use super::{ServerName, host, server};
use crate::Format;
use crate::client::{Client, Next, PATIENCE, Request};
use crate::failure::Failure;
use crate::output::{ask, json, print_more};
use crate::terminal::{ERASE_LINE, printable};
use crate::time;
use hyper::Method;
use lb_common::api::{AdminState, Server, ServerChange};
use progress::{Progress, Report};
use std::io::{IsTerminal, stdout};
use std::net::IpAddr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
Examples:
  lb-ctl server drain web/webA                         # its connections end when they end
  lb-ctl server drain web/webA --deadline 5m --wait    # what is left after 5 minutes is reset
  lb-ctl server drain web/webA --wait=10m              # exit code 1 if it takes longer";

pub(super) const HOST_EXAMPLES: &str = "\
Examples:
  lb-ctl host drain 192.0.2.11 --deadline 5m --wait && ssh 192.0.2.11 reboot";

/// Between one look at the connections and the next.
const POLL: Duration = Duration::from_millis(500);

/// How a drain ends.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Drain {
    /// Reset the connections that are left after so long, like 90s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = time::seconds)]
    deadline: Option<u32>,
    /// Show the remaining connections until none is left; with a time, for so long at most
    #[arg(long, value_name = "TIME", require_equals = true, value_parser = time::seconds)]
    wait: Option<Option<u32>>,
}

impl Drain {
    pub(super) fn waits(&self) -> bool {
        self.wait.is_some()
    }

    pub(super) fn change(&self) -> ServerChange {
        ServerChange {
            admin: Some(AdminState::Drained),
            deadline: self.deadline,
            ..ServerChange::default()
        }
    }
}

/// `server drain --wait`
pub(super) fn drain_server(
    client: &Client,
    format: Format,
    name: &ServerName,
    drain: &Drain,
) -> Result<ExitCode, Failure> {
    let request = server::request(Method::PATCH, name).body(json(&drain.change())?);
    let drained: Server = ask(client, &request)?;
    let what = format!("{}/{}", name.service, name.server);
    wait(client, format, &what, vec![drained], drain)
}

/// `host drain --wait`
pub(super) fn drain_host(
    client: &Client,
    format: Format,
    address: IpAddr,
    drain: &Drain,
) -> Result<ExitCode, Failure> {
    let request = host::request(address).body(json(&drain.change())?);
    let drained: Vec<Server> = ask(client, &request)?;
    wait(client, format, &address.to_string(), drained, drain)
}

fn wait(
    client: &Client,
    format: Format,
    what: &str,
    mut servers: Vec<Server>,
    drain: &Drain,
) -> Result<ExitCode, Failure> {
    let begin = Instant::now();
    let limit = drain.wait.flatten().map(|limit| Duration::from_secs(limit.into()));
    let mut progress = Progress::new(what, drain.deadline);
    let mut screen = Screen::new(format, what);
    loop {
        let elapsed = begin.elapsed();
        let report = progress.look(&servers, elapsed).and_then(|report| {
            let late = limit.is_some_and(|limit| elapsed >= limit) && !report.drained;
            if late { Err(progress.late(&report)) } else { Ok(report) }
        });
        let report = report.inspect_err(|_| screen.end())?;
        if screen.show(&report)? == Next::Enough || report.drained {
            screen.end();
            return Ok(ExitCode::SUCCESS);
        }
        sleep(POLL);
        servers = look_again(client, &servers).inspect_err(|_| screen.end())?;
    }
}

/// Reads the servers again. An agent that is being restarted is waited for.
fn look_again(client: &Client, servers: &[Server]) -> Result<Vec<Server>, Failure> {
    let begin = Instant::now();
    let request = |server: &Server| -> Request {
        let (service, server) = (server.service.clone(), server.name.clone());
        server::request(Method::GET, &ServerName { service, server })
    };
    loop {
        let seen = servers.iter().map(|server| ask(client, &request(server))).collect();
        match seen {
            Err(Failure::NoAgent(_)) if begin.elapsed() < PATIENCE => sleep(POLL),
            seen => return seen,
        }
    }
}

/// Where reports go to: JSON lines, a line each change, or one line on a terminal.
struct Screen<'a> {
    format: Format,
    what: &'a str,
    terminal: bool,
    shown: Option<Report>,
}

impl<'a> Screen<'a> {
    fn new(format: Format, what: &'a str) -> Self {
        let terminal = format == Format::Table && stdout().is_terminal();
        Self { format, what, terminal, shown: None }
    }

    fn show(&mut self, report: &Report) -> Result<Next, Failure> {
        let text = match self.format {
            Format::Json => String::from_utf8_lossy(&json(report)?).into_owned(),
            Format::Table => printable(&report.words(self.what)),
        };
        let news = self.shown.as_ref().is_none_or(|shown| shown.differs(report));
        self.shown = Some(report.clone());
        match (self.terminal, news) {
            (true, _) => print_more(&format!("\r{text}{ERASE_LINE}")),
            (false, true) => print_more(&format!("{text}\n")),
            (false, false) => Ok(Next::More),
        }
    }

    /// Leaves the line that is written over and over.
    fn end(&self) {
        if self.terminal && self.shown.is_some() {
            // Whether anybody reads it no longer matters.
            let _ = print_more("\n");
        }
    }
}
