use super::PinError;
use crate::config::Limits;
use aya::maps::{MapInfo, MapType};
use lb_common::{
    abi::{Flow, FlowKey, Link, Server, Service, ServiceKey, Sources, Stats, map},
    reason::Reason,
};

/// What a map of the data plane must look like.
pub(super) struct Spec {
    pub(super) name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
    size: Size,
}

/// How many entries a map has.
#[derive(Clone, Copy)]
enum Size {
    /// What the program says.
    Fixed,
    /// A field of the limits, and how many entries it stands for each.
    Limit(&'static str, fn(&Limits) -> u32, u32),
}

/// The maps, in an order in which they can be made.
pub(super) const SPECS: [Spec; 13] = {
    use Size::{Fixed, Limit};
    const SERVICES: fn(&Limits) -> u32 = |limits| limits.services;
    const SERVERS: fn(&Limits) -> u32 = |limits| limits.servers;
    const fn spec<K, V>(name: &'static str, kind: MapType, size: Size) -> Spec {
        Spec { name, kind, key: size_of::<K>(), value: size_of::<V>(), size }
    }
    [
        // Beside each service there may be the entry for its fragments.
        spec::<ServiceKey, Service>(map::SERVICES, MapType::Hash, Limit("services", SERVICES, 2)),
        spec::<u32, Server>(map::SERVERS, MapType::Array, Limit("servers", SERVERS, 1)),
        spec::<u32, u32>(map::SLOTS, MapType::Array, Limit("slots", |limits| limits.slots, 1)),
        spec::<u32, u64>(map::CURSORS, MapType::Array, Limit("services", SERVICES, 1)),
        spec::<FlowKey, Flow>(
            map::FLOWS,
            MapType::LruHash,
            Limit("flows", |limits| limits.flows, 1),
        ),
        spec::<FlowKey, Flow>(
            map::HALF_OPEN,
            MapType::LruHash,
            Limit("half_open", |limits| limits.half_open, 1),
        ),
        spec::<u32, i64>(map::LOADS, MapType::Array, Limit("servers", SERVERS, 1)),
        spec::<u32, Sources>(map::SOURCES, MapType::Array, Fixed),
        spec::<u32, Link>(map::LINKS, MapType::Hash, Fixed),
        spec::<u32, [u64; 1]>(map::REASONS, MapType::PerCpuArray, Fixed),
        spec::<u32, Stats>(
            map::SERVICE_STATS,
            MapType::PerCpuArray,
            Limit("services", SERVICES, 1),
        ),
        spec::<u32, Stats>(map::SERVER_STATS, MapType::PerCpuArray, Limit("servers", SERVERS, 1)),
        spec::<(), ()>(map::UNRESOLVED, MapType::RingBuf, Fixed),
    ]
};

impl Spec {
    /// How many entries the map has by these limits; none if the program says how many.
    pub(super) fn entries(&self, limits: &Limits) -> Option<u32> {
        match self.size {
            Size::Fixed => None,
            Size::Limit(_, value, times) => Some(value(limits).saturating_mul(times)),
        }
    }

    /// Checks that a map is what the program takes it for: the kernel would not.
    pub(super) fn check(&self, info: &MapInfo) -> Result<(), PinError> {
        let found = (info.map_type().ok(), info.key_size(), info.value_size());
        let expected = (Some(self.kind), self.key as u32, self.value as u32);
        let enough = self.name != map::REASONS || info.max_entries() as usize == Reason::COUNT;
        if found == expected && enough {
            return Ok(());
        }
        Err(PinError::Layout { name: self.name })
    }

    /// In words: that the map has another size than these limits say.
    pub(super) fn difference(&self, limits: &Limits, info: &MapInfo) -> Option<String> {
        let Size::Limit(field, value, times) = self.size else {
            return None;
        };
        let (have, want) = (info.max_entries() / times, value(limits));
        (have != want).then(|| {
            format!(
                "limits.{field} is {want}, but the data plane was loaded with {have} and keeps \
                 that until it is detached and loaded again"
            )
        })
    }
}
