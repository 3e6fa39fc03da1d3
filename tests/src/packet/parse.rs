//! From text to layers.

use super::fields::{Fields, number};
use super::layer::number as numbers;
use super::layer::{Checksum, Extension, ICMP_KINDS, Icmp, Ip4, Ip6, Layer, TCP_FLAGS, Tcp};
use super::{Family, Hosts, Packet};
use anyhow::{Context, Result, bail, ensure};
use std::net::IpAddr;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

impl Packet {
    /// Reads a packet; `family` is what a layer `ip` stands for.
    pub fn parse(text: &str, family: Family, hosts: &Hosts) -> Result<Self> {
        let mut packet = Self { layers: Vec::new(), pad: None, cut: None };
        for part in text.split(" / ") {
            packet.add(part.trim(), family, hosts).with_context(|| format!("in {part:?}"))?;
        }
        Ok(packet)
    }

    fn add(&mut self, text: &str, family: Family, hosts: &Hosts) -> Result<()> {
        let mut fields = Fields::new(text);
        let layer = match fields.word("a layer")? {
            "eth" => ethernet(&mut fields, hosts)?,
            "vlan" => tag(&mut fields, numbers::VLAN)?,
            "svlan" => tag(&mut fields, numbers::SERVICE_VLAN)?,
            "ip4" => ip4(&mut fields, hosts)?,
            "ip6" => ip6(&mut fields, hosts)?,
            "ip" if family == Family::V4 => ip4(&mut fields, hosts)?,
            "ip" => ip6(&mut fields, hosts)?,
            "hopopts" => extension(&mut fields, numbers::HOPOPTS)?,
            "dstopts" => extension(&mut fields, numbers::DSTOPTS)?,
            "routing" => extension(&mut fields, numbers::ROUTING)?,
            "frag" => fragment(&mut fields)?,
            "tcp" => tcp(&mut fields)?,
            "udp" => udp(&mut fields)?,
            "icmp" => icmp(&mut fields, self.innermost_family().unwrap_or(family))?,
            "data" => Layer::Data((0..fields.number("a length")?).map(|n: u32| n as u8).collect()),
            "bytes" => Layer::Data(fields.hex()?),
            "pad" => {
                self.pad = Some(fields.number("a length")?);
                return fields.end();
            }
            "cut" => {
                self.cut = Some(fields.number("a length")?);
                return fields.end();
            }
            other => bail!("no layer {other:?}"),
        };
        self.layers.push(layer);
        fields.end()
    }

    /// The family of the IP header that came last.
    fn innermost_family(&self) -> Option<Family> {
        self.layers.iter().rev().find_map(Layer::ends).map(|(source, _)| Family::of(&source))
    }
}

fn ethernet(fields: &mut Fields<'_>, hosts: &Hosts) -> Result<Layer> {
    let (source, destination) = fields.pair()?;
    let (source, destination) = (hosts.mac(source)?, hosts.mac(destination)?);
    let mut ethertype = None;
    while let Some(field) = fields.next() {
        match field {
            "type" => ethertype = Some(fields.number("an EtherType")?),
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Ethernet { source, destination, ethertype })
}

fn tag(fields: &mut Fields<'_>, tpid: u16) -> Result<Layer> {
    let mut tci: u16 = fields.number("the VLAN's id")?;
    let mut ethertype = None;
    while let Some(field) = fields.next() {
        match field {
            "prio" => tci |= fields.number::<u16>("a priority")? << 13,
            "type" => ethertype = Some(fields.number("an EtherType")?),
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Tag { tpid, tci, ethertype })
}

fn ip4(fields: &mut Fields<'_>, hosts: &Hosts) -> Result<Layer> {
    let (source, destination) = fields.pair()?;
    let (IpAddr::V4(source), IpAddr::V4(destination)) =
        (hosts.ip(source, Family::V4)?, hosts.ip(destination, Family::V4)?)
    else {
        bail!("not IPv4");
    };
    let mut ip = Ip4 {
        source,
        destination,
        ttl: 64,
        tos: 0,
        id: 0,
        fragment: DONT_FRAGMENT,
        protocol: None,
        length: None,
        ihl: None,
        version: 4,
        options: Vec::new(),
        sum: Checksum::Right,
    };
    while let Some(field) = fields.next() {
        match field {
            "ttl" => ip.ttl = fields.number(field)?,
            "tos" => ip.tos = fields.number(field)?,
            "id" => ip.id = fields.number(field)?,
            "nodf" => ip.fragment &= !DONT_FRAGMENT,
            "mf" => ip.fragment = ip.fragment & !DONT_FRAGMENT | MORE_FRAGMENTS,
            "off" => ip.fragment = ip.fragment & !DONT_FRAGMENT | fields.number::<u16>(field)?,
            "proto" => ip.protocol = Some(fields.number(field)?),
            "len" => ip.length = Some(fields.number(field)?),
            "ihl" => ip.ihl = Some(fields.number(field)?),
            "version" => ip.version = fields.number(field)?,
            "opts" => ip.options = options(fields)?,
            "sum" => ip.sum = checksum(fields)?,
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Ip4(ip))
}

fn ip6(fields: &mut Fields<'_>, hosts: &Hosts) -> Result<Layer> {
    let (source, destination) = fields.pair()?;
    let (IpAddr::V6(source), IpAddr::V6(destination)) =
        (hosts.ip(source, Family::V6)?, hosts.ip(destination, Family::V6)?)
    else {
        bail!("not IPv6");
    };
    let mut ip = Ip6 {
        source,
        destination,
        hop_limit: 64,
        class: 0,
        label: 0,
        next: None,
        length: None,
        version: 6,
    };
    while let Some(field) = fields.next() {
        match field {
            "ttl" => ip.hop_limit = fields.number(field)?,
            "tos" => ip.class = fields.number(field)?,
            "label" => ip.label = fields.number(field)?,
            "next" => ip.next = Some(fields.number(field)?),
            "len" => ip.length = Some(fields.number(field)?),
            "version" => ip.version = fields.number(field)?,
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Ip6(ip))
}

fn extension(fields: &mut Fields<'_>, kind: u8) -> Result<Layer> {
    // A PadN option that fills the first 8 bytes (RFC 8200, section 4.2).
    const PAD_6: [u8; 6] = [1, 4, 0, 0, 0, 0];
    let mut extension = Extension {
        kind,
        next: None,
        length: 0,
        content: if kind == numbers::ROUTING { vec![0; 6] } else { PAD_6.to_vec() },
    };
    while let Some(field) = fields.next() {
        match field {
            "words" => {
                extension.length = fields.number(field)?;
                extension.content.resize(6 + 8 * usize::from(extension.length), 0);
            }
            // Behind the routing type.
            "left" if kind == numbers::ROUTING => extension.content[1] = fields.number(field)?,
            "next" => extension.next = Some(fields.number(field)?),
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Extension(extension))
}

fn fragment(fields: &mut Fields<'_>) -> Result<Layer> {
    let (mut offset, mut id, mut next): (u16, u32, _) = (fields.number("the offset")?, 0, None);
    offset <<= 3;
    while let Some(field) = fields.next() {
        match field {
            "more" => offset |= 1,
            "id" => id = fields.number(field)?,
            "next" => next = Some(fields.number(field)?),
            other => bail!("no field {other:?}"),
        }
    }
    let content = [&offset.to_be_bytes()[..], &id.to_be_bytes()].concat();
    Ok(Layer::Extension(Extension { kind: numbers::FRAGMENT, next, length: 0, content }))
}

fn tcp(fields: &mut Fields<'_>) -> Result<Layer> {
    let (source, destination) = fields.pair()?;
    let flags = fields.word("flags, or -")?;
    let mut tcp = Tcp {
        source: number(source)?,
        destination: number(destination)?,
        flags: 0,
        sequence: 1000,
        acknowledgement: 0,
        window: 64000,
        offset: None,
        options: Vec::new(),
        sum: Checksum::Right,
    };
    for letter in flags.chars().filter(|letter| *letter != '-') {
        let bit = TCP_FLAGS.find(letter).with_context(|| format!("no flag {letter}"))?;
        tcp.flags |= 1 << bit;
    }
    if flags.contains('A') {
        tcp.acknowledgement = 2000;
    }
    while let Some(field) = fields.next() {
        match field {
            "seq" => tcp.sequence = fields.number(field)?,
            "ack" => tcp.acknowledgement = fields.number(field)?,
            "win" => tcp.window = fields.number(field)?,
            "opts" => tcp.options = options(fields)?,
            "doff" => tcp.offset = Some(fields.number(field)?),
            "sum" => tcp.sum = checksum(fields)?,
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Tcp(tcp))
}

fn udp(fields: &mut Fields<'_>) -> Result<Layer> {
    let (source, destination) = fields.pair()?;
    let (source, destination) = (number(source)?, number(destination)?);
    let (mut length, mut sum) = (None, Checksum::Right);
    while let Some(field) = fields.next() {
        match field {
            "len" => length = Some(fields.number(field)?),
            "sum" => sum = checksum(fields)?,
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Udp { source, destination, length, sum })
}

fn icmp(fields: &mut Fields<'_>, family: Family) -> Result<Layer> {
    let text = fields.word("a kind")?;
    let is_v6 = family == Family::V6;
    let (kind, code) = match ICMP_KINDS.iter().find(|kind| kind.name == text) {
        Some(kind) if is_v6 => kind.v6,
        Some(kind) => kind.v4,
        None => {
            let (kind, code) = text.split_once('/').with_context(|| format!("no kind {text:?}"))?;
            (number(kind)?, number(code)?)
        }
    };
    let mut icmp = Icmp { is_v6, kind, code, rest: 0, quoting: None, sum: Checksum::Right };
    while let Some(field) = fields.next() {
        match field {
            "mtu" => icmp.rest = fields.number(field)?,
            "quoting" => icmp.quoting = Some(fields.number(field)?),
            "sum" => icmp.sum = checksum(fields)?,
            other => bail!("no field {other:?}"),
        }
    }
    Ok(Layer::Icmp(icmp))
}

fn options(fields: &mut Fields<'_>) -> Result<Vec<u8>> {
    let options = fields.hex()?;
    ensure!(options.len() % 4 == 0 && options.len() <= 40, "options: up to 10 words of 4 bytes");
    Ok(options)
}

fn checksum(fields: &mut Fields<'_>) -> Result<Checksum> {
    match fields.word("a checksum")? {
        "off" => Ok(Checksum::Off(fields.number("by how much")?)),
        value => Ok(Checksum::Value(number(value)?)),
    }
}
