use super::super::definition::{CheckOptions, Definition};
use super::super::file;
use super::view;
use crate::Format;
use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::output::{View, json, show};
use clap::builder::PossibleValuesParser;
use hyper::Method;
use lb_common::api::{MAX_SERVICE, Mode, OnDown, Protocol, Scheduler, Service};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

pub(super) const EXAMPLES: &str = "\
Examples:
  lb-ctl service add web 192.0.2.100:80 --mode dr --scheduler wlc --check http \\
      --check-field path=/health --server webA=192.0.2.11:80 --server webB=192.0.2.12:80
  lb-ctl service add dns '[2001:db8::100]:53' --protocol udp --mode nat --check dns \\
      --check-field name=example.org
  lb-ctl service add --file web.yaml     # one service as in the configuration file's list";

/// What a file takes the place of.
const INSTEAD: [&str; 11] = [
    "name",
    "address",
    "mode",
    "scheduler",
    "protocol",
    "check",
    "persist",
    "on_down",
    "slow_start",
    "fallback",
    "servers",
];

/// A service to add.
#[derive(clap::Args)]
pub(crate) struct Add {
    /// Its name
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Its virtual address and port, like 192.0.2.100:80 or [2001:db8::100]:80
    #[arg(required_unless_present = "file")]
    address: Option<String>,
    /// A file with the service as in the configuration file; `-` for the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = INSTEAD)]
    file: Option<PathBuf>,
    /// How packets reach its servers
    #[arg(long, required_unless_present = "file", value_parser = words(Mode::ALL, Mode::word))]
    mode: Option<String>,
    /// How a server is chosen [default: wrr]
    #[arg(long, value_parser = words(Scheduler::ALL, Scheduler::word))]
    scheduler: Option<String>,
    /// The transport protocol [default: tcp]
    #[arg(long, value_parser = words(Protocol::ALL, Protocol::word))]
    protocol: Option<String>,
    #[command(flatten)]
    check: CheckOptions,
    /// So long a client's next connections go to the same server, like 300s
    #[arg(long, value_name = "TIME")]
    persist: Option<String>,
    /// What becomes of the connections of a server that goes down [default: reset]
    #[arg(long, value_parser = words(OnDown::ALL, OnDown::word))]
    on_down: Option<String>,
    /// So long a server that has come up gets less than its weight, like 30s
    #[arg(long, value_name = "TIME")]
    slow_start: Option<String>,
    /// Who serves when no server does, like 127.0.0.1:80
    #[arg(long, value_name = "ADDRESS")]
    fallback: Option<String>,
    /// A server of it; may be repeated
    #[arg(long = "server", value_name = "NAME=ADDRESS")]
    servers: Vec<NewServer>,
}

/// `service add`
pub(super) fn add(client: &Client, format: Format, add: &Add) -> Result<ExitCode, Failure> {
    let body = match &add.file {
        Some(path) => {
            let (name, text) = file::read(path, MAX_SERVICE)?;
            if text.len() > MAX_SERVICE {
                let size = MAX_SERVICE >> 20;
                let message = format!("{name}: larger than {size} MiB, which no service may be");
                return Err(Failure::Refused(message));
            }
            text
        }
        None => json(&definition(add))?,
    };
    let request = Request::new(Method::POST, &["services"]).body(body);
    show(client, format, &request, |service: Service| View::from(view(&service)))
}

fn definition(add: &Add) -> Value {
    let servers: Vec<Value> = add
        .servers
        .iter()
        .map(|NewServer { name, address }| {
            Definition::default()
                .with("name", Some(name.clone()))
                .with("address", Some(address.clone()))
                .into()
        })
        .collect();
    Definition::default()
        .with("name", add.name.clone())
        .with("address", add.address.clone())
        .with("protocol", add.protocol.clone())
        .with("mode", add.mode.clone())
        .with("scheduler", add.scheduler.clone())
        .with("check", add.check.value())
        .with("persist", add.persist.clone())
        .with("on_down", add.on_down.clone())
        .with("slow_start", add.slow_start.clone())
        .with("fallback", add.fallback.clone())
        .with("servers", Some(servers))
        .into()
}

fn words<T: Copy>(all: &'static [T], word: fn(T) -> &'static str) -> PossibleValuesParser {
    PossibleValuesParser::new(all.iter().map(|value| word(*value)))
}

/// A server's name and address, as `NAME=ADDRESS`.
#[derive(Clone, Debug)]
struct NewServer {
    name: String,
    address: String,
}

impl FromStr for NewServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, address)) if !name.is_empty() && !address.is_empty() => {
                Ok(Self { name: name.to_owned(), address: address.to_owned() })
            }
            _ => Err("expected NAME=ADDRESS, such as webA=192.0.2.11:80"),
        }
    }
}
