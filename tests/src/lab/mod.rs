//! A lab of network namespaces with real sockets, in which a test reads as a story:
//!
//! ```no_run
//! # use lb_tests::lab::{HttpServer, Lab, ip, wildcard};
//! # fn main() -> anyhow::Result<()> {
//! let lab = Lab::new("hello")?;
//! let lan = lab.switch("lan")?;
//! let client = lab.host("client")?;
//! let web = lab.host("web")?;
//! lan.join(&client, "eth0")?.address("192.0.2.1/24")?;
//! lan.join(&web, "eth0")?.address("192.0.2.2/24")?;
//!
//! let _server = HttpServer::start(&web, "web", wildcard(80))?;
//! let reply = client.client().get((ip("192.0.2.2"), 80), "/name")?;
//! assert_eq!(reply.text(), "web");
//! # Ok(())
//! # }
//! ```
//!
//! Namespaces are anonymous: they live as long as somebody holds them, so they vanish with the
//! process, however it ends. No traffic leaves them, so every lab may use the same names and
//! addresses, and labs run side by side. Needs root.

mod capture;
mod checksums;
mod cleanup;
mod client;
mod decap;
mod echo;
mod ethtool;
mod host;
mod hostile;
mod http;
mod load;
mod payload;
mod ping;
mod program;
mod real;
mod sys;
mod sysctl;
mod tcp;
mod vlan;
mod wait;
mod wiring;
mod worker;
mod xdp;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};

pub use capture::{Capture, Direction, Frame};
pub use checksums::verify_checksums;
pub use cleanup::remove_on_signal;
pub use client::{Client, Connection, Reply, Tally};
pub use decap::Decapsulator;
pub use echo::{TcpEcho, UdpEcho};
pub use host::Host;
pub use hostile::{HostileServer, Hostility};
pub use http::HttpServer;
pub use load::Load;
pub use program::Program;
pub use real::{Authority, Dnsmasq, Nginx, Smtp};
pub use vlan::Tag;
pub use wait::{SOON, wait_for, wait_until};
pub use wiring::{Link, Mac, Switch, cable};
pub use xdp::XdpAction;

use cleanup::Remains;

/// A set of hosts and wires. What it holds outside the namespaces (programs, folders) disappears
/// when it is dropped; the namespaces go with the last handle to their [`Host`].
pub struct Lab {
    remains: Arc<Remains>,
}

impl Lab {
    /// Makes an empty lab. `name` appears in the names of its folders.
    pub fn new(name: &str) -> Result<Self> {
        let remains = Remains::new(name).with_context(|| format!("lab {name}"))?;
        Ok(Self { remains })
    }

    /// Runs `story` in a lab of its own and panics with its error: the whole body of a test. Unlike
    /// a test that returns its error, it prints the programs' logs when it fails.
    pub fn story(name: &str, story: impl FnOnce(&Lab) -> Result<()>) {
        let outcome = Lab::new(name).map(|lab| {
            if let Err(error) = story(&lab) {
                panic!("lab {name}: {error:?}");
            }
        });
        if let Err(error) = outcome {
            panic!("{error:?}");
        }
    }

    /// A new host, which has nothing but `lo`.
    pub fn host(&self, name: &str) -> Result<Host> {
        Host::new(name, &self.remains).with_context(|| format!("host {name}"))
    }

    /// A new switch, to which any number of hosts can be joined.
    pub fn switch(&self, name: &str) -> Result<Switch> {
        Switch::new(self.host(name)?).with_context(|| format!("switch {name}"))
    }

    /// A folder of this lab's own, for sockets, configurations and logs.
    pub fn folder(&self) -> &Path {
        self.remains.folder()
    }

    /// A folder of this lab's own in the BPF file system, for pins.
    pub fn bpf_folder(&self) -> Result<PathBuf> {
        self.remains.bpf_folder()
    }

    /// What all programs have written, one after the other under a heading each.
    pub fn logs(&self) -> String {
        self.remains.logs()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking() {
            eprint!("{}", self.logs());
        }
        self.remains.remove();
    }
}

/// An address written down in a test.
///
/// # Panics
/// When `text` isn't one.
pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no IP address"))
}

/// Every address of the host, IPv4 and IPv6, at `port`.
pub fn wildcard(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}
