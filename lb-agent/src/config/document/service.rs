use super::super::decode::{At, Field, Mapping, Read};
use super::super::distinct::Distinct;
use super::super::duration::{duration, seconds};
use super::super::model::{Config, FALLBACK, Limits, Persist, Server, ServerCheck, Service};
use super::super::rules::{self, Known, Totals, VirtualAddress};
use super::super::value::{endpoint, endpoint_or_loopback, number, prime, word, words};
use super::{Context, Members, check, server, unique_name};
use lb_common::abi::Timeouts;
use lb_common::api::{Mode, OnDown, Protocol, Scheduler};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// LVS's names for the modes.
const MODE_SYNONYMS: [(&str, Mode); 3] =
    [("masq", Mode::Nat), ("gate", Mode::Dr), ("ipip", Mode::Tunnel)];

/// ipvsadm's flags that make a hash scheduler look at the port.
pub(in super::super) const PORT_FLAGS: [(&str, Scheduler); 2] =
    [("sh-port", Scheduler::Sh), ("mh-port", Scheduler::Mh)];

/// The largest prime that the default for `limits.slots` has room for.
const MAX_TABLE_SIZE: u32 = 4_194_301;

/// Longest timeout: a week.
const MAX_TIMEOUT: u32 = 7 * 24 * 60 * 60;

/// Longest slow start.
const MAX_SLOW_START: Duration = Duration::from_secs(24 * 60 * 60);

/// The services that one more must differ from, and how much there is in all.
pub(in super::super) struct Beside {
    names: Distinct<String>,
    addresses: Distinct<VirtualAddress>,
    pub(in super::super) totals: Totals,
}

impl Beside {
    /// The beginning of a file; its limits, if they could be read.
    pub(in super::super) fn nothing(limits: Option<Limits>) -> Self {
        Self { names: Distinct::new(), addresses: Distinct::new(), totals: Totals::new(limits) }
    }

    /// What runs.
    pub(in super::super) fn running(config: &Config) -> Self {
        let services = || config.services.iter();
        let addresses = services().map(|service| (service.address, service.protocol));
        Self {
            names: Distinct::running(services().map(|service| service.name.clone())),
            addresses: Distinct::running(addresses),
            totals: Totals::running(config),
        }
    }
}

/// Reads a service with its servers.
pub(in super::super) fn service(
    field: &Field<'_>,
    beside: &mut Beside,
    context: &Context<'_>,
) -> Read<Service> {
    let room = beside.totals.add_service(field);
    let service = field.mapping("a service with a name, an address, a mode and servers", |map| {
        read(map, beside, context)
    });
    room.and(service)
}

fn read(map: &mut Mapping<'_>, beside: &mut Beside, context: &Context<'_>) -> Read<Service> {
    let Beside { names, addresses, totals } = beside;
    let name = map.required("name", "web", |f| unique_name(f, names, "service"));
    let protocol = map.or("protocol", Protocol::Tcp, word(words(Protocol::ALL, Protocol::word)));
    let address = map.required("address", "192.168.0.99:80", |f| {
        let address = endpoint(f)?;
        addresses.claim((address, protocol?), f, |first| {
            format!("the service {first} has this address and protocol already")
        })?;
        Ok(address)
    });
    let modes = words(Mode::ALL, Mode::word).chain(MODE_SYNONYMS);
    let mode = map.required("mode", "dr", word(modes));
    let known = Known {
        address: address.as_ref().ok().map(|at| at.value),
        mode: mode.as_ref().ok().map(|at| at.value),
    };
    let schedulers = word(words(Scheduler::ALL, Scheduler::word));
    let scheduler = map.or("scheduler", Scheduler::Wrr, schedulers);
    let hash_port = map.or("scheduler_flags", false, |f| scheduler_flags(f, scheduler.ok()));
    let table_size = map.optional("table_size", prime(MAX_TABLE_SIZE));
    let timeouts = map.or("timeouts", Timeouts::DEFAULT, timeouts);
    let persist = persist(map, known.address);
    let check = map.or("check", None, |f| check::check(f, context));
    let on_down = map.or("on_down", OnDown::default(), word(words(OnDown::ALL, OnDown::word)));
    let slow_start =
        map.or("slow_start", Duration::ZERO, duration(Duration::ZERO..=MAX_SLOW_START));
    let mut members = Members::nobody();
    let fallback = map.optional("fallback", |f| fallback(f, known, &mut members, totals));
    let servers = map.required("servers", "[]", |f| {
        f.list("a list of servers, or [] for none", |f| {
            server(f, known, &mut members, totals, context)
        })
    });
    if let Ok(Some(size)) = &table_size {
        let servers = servers.as_ref().ok().map(|at| at.value.len());
        rules::table(size, scheduler.ok(), servers)?;
        totals.add_table(size)?;
    }
    Ok(Service {
        name: name?.value,
        address: address?.value,
        protocol: protocol?,
        mode: mode?.value,
        scheduler: scheduler?,
        hash_port: hash_port?,
        timeouts: timeouts?,
        table_size: table_size?.map(|at| at.value),
        persist: persist?,
        check: check?,
        on_down: on_down?,
        slow_start: slow_start?,
        fallback: fallback?.map(|at| at.value),
        servers: servers?.value,
    })
}

fn scheduler_flags(field: &Field<'_>, scheduler: Option<Scheduler>) -> Read<bool> {
    let flags = field.list("a list of flags, like [mh-port]", |field| {
        let of = word(PORT_FLAGS.into_iter())(field)?;
        rules::flag(field, of, scheduler)
    })?;
    Ok(!flags.is_empty())
}

fn timeouts(field: &Field<'_>) -> Read<Timeouts> {
    let default = Timeouts::DEFAULT;
    let timeout = || seconds(1..=MAX_TIMEOUT);
    field.mapping("a mapping of timeouts, like { established: 15m }", |map| {
        let syn = map.or("syn", default.syn, timeout());
        let established = map.or("established", default.established, timeout());
        let fin = map.or("fin", default.fin, timeout());
        let closed = map.or("closed", default.closed, timeout());
        let udp = map.or("udp", default.udp, timeout());
        Ok(Timeouts { syn: syn?, established: established?, fin: fin?, closed: closed?, udp: udp? })
    })
}

/// Two fields of the service make one value.
fn persist(map: &mut Mapping<'_>, service: Option<SocketAddr>) -> Read<Option<Persist>> {
    let timeout = map.optional("persist", seconds(1..=MAX_TIMEOUT));
    let prefix = map.optional("persist_netmask", |f| prefix(f, service));
    match (timeout?, prefix?) {
        (None, Some(At { field, .. })) => {
            Err(field.report("without persist there is nothing to mask; add persist: 300s"))
        }
        (None, None) => Ok(None),
        (Some(timeout), prefix) => Ok(Some(Persist {
            timeout: timeout.value,
            // Without an address there won't be a service.
            prefix: prefix
                .map(|at| at.value)
                .or(service.map(Persist::longest_prefix))
                .unwrap_or_default(),
        })),
    }
}

/// A prefix length, or for IPv4 a mask like 255.255.255.0.
fn prefix(field: &Field<'_>, service: Option<SocketAddr>) -> Read<u8> {
    let max = service.map_or(128, Persist::longest_prefix);
    let text = field.text("a netmask like 255.255.255.0, or a prefix length like 24")?;
    let Ok(mask) = text.parse::<Ipv4Addr>() else {
        let prefix = number(1..=max.into())(field)?;
        return Ok(u8::try_from(prefix).unwrap_or(max));
    };
    if service.is_some_and(|address| address.is_ipv6()) {
        return Err(field.report("an IPv6 service has a prefix length here, 1 to 128"));
    }
    let bits = mask.to_bits();
    if bits == 0 || bits.leading_ones() != bits.count_ones() {
        return Err(field.report(format!(
            "{mask} is no netmask: it begins with ones in binary, like 255.255.255.0"
        )));
    }
    Ok(u8::try_from(bits.leading_ones()).unwrap_or(max))
}

/// An address alone: the fallback is never checked, and its weight means nothing.
fn fallback(
    field: &Field<'_>,
    service: Known,
    members: &mut Members,
    totals: &mut Totals,
) -> Read<Server> {
    let address = endpoint_or_loopback(field)?;
    field.obey(rules::reach_fallback(address, service))?;
    totals.add_server(field)?;
    members.claim_address(address, field)?;
    Ok(Server { check: ServerCheck::Off, ..Server::new(FALLBACK, address, 1) })
}
