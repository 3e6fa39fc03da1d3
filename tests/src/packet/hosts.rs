use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A link-layer address.
pub type Mac = [u8; 6];

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What a name stands for.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Link-layer address.
    pub mac: Option<Mac>,
    /// At most one address of each family.
    pub addresses: Vec<IpAddr>,
}

impl Host {
    /// Its address in a family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(address) == family)
    }
}

/// Names for addresses, in both directions.
#[derive(Clone, Debug, Default)]
pub struct Hosts(pub BTreeMap<String, Host>);

impl Hosts {
    /// The host of a name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.0.get(name).with_context(|| format!("no host {name:?}"))
    }

    /// A name's link-layer address, or the one that is written there.
    pub fn mac(&self, text: &str) -> Result<Mac> {
        if let Some(mac) = parse_mac(text) {
            return Ok(mac);
        }
        self.host(text)?.mac.with_context(|| format!("{text} has no link-layer address"))
    }

    /// A name's address in a family, or the one that is written there.
    pub fn ip(&self, text: &str, family: Family) -> Result<IpAddr> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let address = self.host(text)?.address(family);
        address.with_context(|| format!("{text} has no address of {family:?}"))
    }

    /// An address's name, or the address.
    pub fn ip_name(&self, address: IpAddr) -> String {
        let found = self.0.iter().find(|(_, host)| host.addresses.contains(&address));
        found.map_or_else(|| address.to_string(), |(name, _)| name.clone())
    }

    /// A link-layer address's name, or the address.
    pub fn mac_name(&self, mac: Mac) -> String {
        let found = self.0.iter().find(|(_, host)| host.mac == Some(mac));
        found.map_or_else(
            || mac.map(|byte| format!("{byte:02x}")).join(":"),
            |(name, _)| name.clone(),
        )
    }
}

/// Reads `02:00:00:00:00:01`.
pub(crate) fn parse_mac(text: &str) -> Option<Mac> {
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}
