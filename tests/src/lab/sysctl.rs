//! Kernel settings of a host.

use std::fs;
use std::net::IpAddr;

use anyhow::{Context, Result};

use super::host::Host;

/// Every host starts with these, so that tests don't depend on the machine, and don't wait.
const DEFAULTS: &[(&str, &str)] = &[
    // Replies may take another way than requests (dr, tunnel).
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    // A client's 4-tuple may meet another server within 60 s: no PAWS, no reuse of TIME_WAIT.
    ("net/ipv4/tcp_timestamps", "2"),
    ("net/ipv4/tcp_tw_reuse", "0"),
    ("net/ipv4/ip_local_port_range", "10000 65535"),
    // Each ICMP error counts.
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv6/icmp/ratelimit", "0"),
    // IPv6 addresses are usable at once, and come from nobody but the test.
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
];

impl Host {
    /// Sets a kernel setting of this host, by its path under /proc/sys: `net/ipv4/ip_forward`.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<&Self> {
        self.run(|| fs::write(format!("/proc/sys/{path}"), value))
            .with_context(|| format!("host {}: {path} = {value}", self.name()))?;
        Ok(self)
    }

    /// Reads a kernel setting of this host.
    pub fn read_sysctl(&self, path: &str) -> Result<String> {
        let text = self.run(|| fs::read_to_string(format!("/proc/sys/{path}")));
        Ok(text.with_context(|| format!("host {}: {path}", self.name()))?.trim().to_owned())
    }

    /// Makes it a router for IPv4 and IPv6.
    pub fn forward_packets(&self) -> Result<&Self> {
        self.sysctl("net/ipv4/ip_forward", "1")?.sysctl("net/ipv6/conf/all/forwarding", "1")
    }

    /// Makes it a real server for the virtual address `vip` (dr, tunnel): the address is on `lo`,
    /// and nobody on the segment learns that it is here.
    pub fn accept_vip(&self, vip: IpAddr) -> Result<&Self> {
        self.sysctl("net/ipv4/conf/all/arp_ignore", "1")?
            .sysctl("net/ipv4/conf/all/arp_announce", "2")?;
        let bits = if vip.is_ipv4() { 32 } else { 128 };
        self.link("lo")?.address(&format!("{vip}/{bits}"))?;
        Ok(self)
    }

    /// The state in which every host starts.
    pub(super) fn set_up(&self) -> Result<()> {
        let written: Result<()> = self.run(|| {
            for (path, value) in DEFAULTS {
                fs::write(format!("/proc/sys/{path}"), value)
                    .with_context(|| format!("{path} = {value}"))?;
            }
            Ok(())
        });
        written?;
        self.link("lo")?.up()?;
        Ok(())
    }
}
