use super::{Error, loads::Loads, pins::Folder, raw::Raw, slots::Slots, sys};
use crate::plan::{Observed, Op};
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues, RingBuf};
use lb_common::{
    abi::{Flow, FlowKey, Link, Server, Service, ServiceKey, Sources, Stats, map},
    reason::Reason,
};
use std::{collections::BTreeMap, io, os::fd::AsFd, sync::Arc};
use zerocopy::FromZeros;

/// The pinned maps.
pub(super) struct Maps {
    services: HashMap<MapData, Raw<ServiceKey>, Raw<Service>>,
    servers: Array<MapData, Raw<Server>>,
    slots: Slots,
    loads: Arc<Loads>,
    cursors: Array<MapData, u64>,
    sources: Array<MapData, Raw<Sources>>,
    links: HashMap<MapData, u32, Raw<Link>>,
    reasons: PerCpuArray<MapData, u64>,
    service_stats: PerCpuArray<MapData, Raw<Stats>>,
    server_stats: PerCpuArray<MapData, Raw<Stats>>,
    /// For reading in batches.
    all: Handles,
    service_capacity: u32,
    link_capacity: u32,
}

struct Handles {
    services: MapData,
    servers: MapData,
    links: MapData,
    flows: [MapData; 2],
}

impl Maps {
    pub(super) fn open(folder: &Folder) -> Result<Self, Error> {
        let pinned = |name| {
            MapData::from_pin(folder.map(name)).map_err(|source| Error::Map { name, source })
        };
        let size = |name| -> Result<u32, Error> {
            let info = pinned(name)?.info().map_err(|source| Error::Map { name, source })?;
            Ok(info.max_entries())
        };
        let slots = Slots::new(pinned(map::SLOTS)?, size(map::SLOTS)?);
        let loads =
            Loads::open(&pinned(map::LOADS)?, size(map::LOADS)?).map_err(mapped(map::LOADS))?;
        let loads = Arc::new(loads);
        Ok(Self {
            services: typed(pinned(map::SERVICES)?, map::SERVICES, Map::HashMap)?,
            servers: typed(pinned(map::SERVERS)?, map::SERVERS, Map::Array)?,
            slots,
            loads,
            cursors: typed(pinned(map::CURSORS)?, map::CURSORS, Map::Array)?,
            sources: typed(pinned(map::SOURCES)?, map::SOURCES, Map::Array)?,
            links: typed(pinned(map::LINKS)?, map::LINKS, Map::HashMap)?,
            reasons: typed(pinned(map::REASONS)?, map::REASONS, Map::PerCpuArray)?,
            service_stats: typed(
                pinned(map::SERVICE_STATS)?,
                map::SERVICE_STATS,
                Map::PerCpuArray,
            )?,
            server_stats: typed(pinned(map::SERVER_STATS)?, map::SERVER_STATS, Map::PerCpuArray)?,
            all: Handles {
                services: pinned(map::SERVICES)?,
                servers: pinned(map::SERVERS)?,
                links: pinned(map::LINKS)?,
                flows: [pinned(map::FLOWS)?, pinned(map::HALF_OPEN)?],
            },
            // Each of these is made for as many services; an adopted one may be smaller.
            service_capacity: (size(map::SERVICES)? / 2)
                .min(size(map::CURSORS)?)
                .min(size(map::SERVICE_STATS)?),
            link_capacity: size(map::LINKS)?,
        })
    }

    /// The ring buffer of next hops that the data plane asks for.
    pub(super) fn unresolved(folder: &Folder) -> Result<RingBuf<MapData>, Error> {
        let name = map::UNRESOLVED;
        let data = MapData::from_pin(folder.map(name));
        typed(data.map_err(|source| Error::Map { name, source })?, name, Map::RingBuf)
    }

    pub(super) fn observe(&self) -> Result<Observed, Error> {
        let mut services = std::collections::HashMap::new();
        read(&self.all.services, map::SERVICES, |key: &ServiceKey, value: &Service| {
            services.insert(*key, *value);
        })?;
        let mut servers = vec![Server::new_zeroed(); self.servers.len() as usize];
        read(&self.all.servers, map::SERVERS, |index: &u32, value: &Server| {
            if let Some(server) = servers.get_mut(*index as usize) {
                *server = *value;
            }
        })?;
        let mut links = BTreeMap::new();
        read(&self.all.links, map::LINKS, |ifindex: &u32, value: &Link| {
            links.insert(*ifindex, *value);
        })?;
        let runs = services
            .values()
            .map(|service: &Service| service.table..service.table.saturating_add(service.slots));
        let slots = self.slots.read(runs.collect()).map_err(mapped(map::SLOTS))?;
        let Raw(sources) = self.sources.get(&0, 0).map_err(failed(map::SOURCES))?;
        Ok(Observed {
            service_capacity: self.service_capacity,
            services,
            servers,
            slot_capacity: self.slots.len(),
            slots,
            link_capacity: self.link_capacity,
            links,
            sources: Box::new(sources),
        })
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::ResetService { id } => {
                self.cursors.set(*id, 0, 0).map_err(failed(map::CURSORS))?;
                reset(&mut self.service_stats, *id).map_err(failed(map::SERVICE_STATS))
            }
            Op::ResetServer { index } => {
                self.loads.reset(*index);
                reset(&mut self.server_stats, *index).map_err(failed(map::SERVER_STATS))
            }
            Op::WriteServer { index, value } => {
                self.servers.set(*index, Raw(*value), 0).map_err(failed(map::SERVERS))
            }
            Op::WriteTable { start, slots } => {
                self.slots.write(*start, slots).map_err(mapped(map::SLOTS))
            }
            Op::WriteService { key, value } => {
                self.services.insert(Raw(*key), Raw(*value), 0).map_err(failed(map::SERVICES))
            }
            Op::RemoveService { key } => {
                gone(self.services.remove(&Raw(*key))).map_err(failed(map::SERVICES))
            }
            Op::Settle => {
                sys::wait_for_programs();
                Ok(())
            }
            Op::WriteLink { ifindex, value } => {
                self.links.insert(ifindex, Raw(*value), 0).map_err(failed(map::LINKS))
            }
            Op::RemoveLink { ifindex } => {
                gone(self.links.remove(ifindex)).map_err(failed(map::LINKS))
            }
            Op::WriteSources(sources) => {
                self.sources.set(0, Raw(**sources), 0).map_err(failed(map::SOURCES))
            }
        }
    }

    pub(super) fn service_stats(&self, id: u32) -> Result<Stats, Error> {
        sum(&self.service_stats, id).map_err(failed(map::SERVICE_STATS))
    }

    pub(super) fn server_stats(&self, index: u32) -> Result<Stats, Error> {
        sum(&self.server_stats, index).map_err(failed(map::SERVER_STATS))
    }

    pub(super) fn loads(&self) -> &Arc<Loads> {
        &self.loads
    }

    pub(super) fn reason(&self, reason: Reason) -> Result<u64, Error> {
        let counts = self.reasons.get(&(reason as u32), 0).map_err(failed(map::REASONS))?;
        Ok(counts.iter().sum())
    }

    pub(super) fn visit_flows(&self, mut each: impl FnMut(&FlowKey, &Flow)) -> Result<(), Error> {
        for (map, name) in self.all.flows.iter().zip([map::FLOWS, map::HALF_OPEN]) {
            read(map, name, &mut each)?;
        }
        Ok(())
    }
}

fn typed<T>(data: MapData, name: &'static str, kind: fn(MapData) -> Map) -> Result<T, Error>
where
    T: TryFrom<Map, Error = MapError>,
{
    T::try_from(kind(data)).map_err(|source| Error::Map { name, source })
}

fn failed(name: &'static str) -> impl FnOnce(MapError) -> Error {
    move |source| Error::Map { name, source }
}

fn mapped(name: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Mapped { name, source }
}

/// An entry that isn't there has been removed before.
fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            Ok(())
        }
        other => other,
    }
}

fn read<K, V>(map: &MapData, name: &'static str, each: impl FnMut(&K, &V)) -> Result<(), Error>
where
    K: zerocopy::FromBytes + zerocopy::IntoBytes + Clone,
    V: zerocopy::FromBytes + zerocopy::IntoBytes + Clone,
{
    sys::visit(map.fd().as_fd(), each)
        .map_err(|error| Error::Map { name, source: MapError::IoError(error) })
}

fn reset(stats: &mut PerCpuArray<MapData, Raw<Stats>>, index: u32) -> Result<(), MapError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    let zero = PerCpuValues::try_from(vec![Raw(Stats::default()); cpus])?;
    stats.set(index, zero, 0)
}

fn sum(stats: &PerCpuArray<MapData, Raw<Stats>>, index: u32) -> Result<Stats, MapError> {
    let mut total = Stats::default();
    for Raw(stats) in stats.get(&index, 0)?.iter() {
        total += *stats;
    }
    Ok(total)
}
