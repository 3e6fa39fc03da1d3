//! The maps. Their sizes here are small ones: the agent sets what the configuration says, before
//! it loads the program.

use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use lb_common::abi::{Flow, FlowKey, Link, Neighbor, Server, Service, ServiceKey, Sources, Stats};
use lb_common::datapath::Scratch;
use lb_common::reason::Reason;

const BPF_F_NO_PREALLOC: usize = 1 << 0;
const BPF_F_MMAPABLE: usize = 1 << 10;

#[btf_map]
pub(crate) static SERVICES: HashMap<ServiceKey, Service, 1024, BPF_F_NO_PREALLOC> = HashMap::new();

#[btf_map]
pub(crate) static SERVERS: Array<Server, 1024> = Array::new();

#[btf_map]
pub(crate) static SLOTS: Array<u32, 65536, BPF_F_MMAPABLE> = Array::new();

#[btf_map]
pub(crate) static CURSORS: Array<u64, 1024> = Array::new();

#[btf_map]
pub(crate) static FLOWS: LruHashMap<FlowKey, Flow, 65536> = LruHashMap::new();

#[btf_map]
pub(crate) static HALF_OPEN: LruHashMap<FlowKey, Flow, 16384> = LruHashMap::new();

#[btf_map]
pub(crate) static LOADS: Array<i64, 1024, BPF_F_MMAPABLE> = Array::new();

#[btf_map]
pub(crate) static SOURCES: Array<Sources, 1> = Array::new();

#[btf_map]
pub(crate) static LINKS: HashMap<u32, Link, 4096, BPF_F_NO_PREALLOC> = HashMap::new();

#[btf_map]
pub(crate) static REASONS: PerCpuArray<u64, { Reason::COUNT }> = PerCpuArray::new();

#[btf_map]
pub(crate) static SERVICE_STATS: PerCpuArray<Stats, 1024> = PerCpuArray::new();

#[btf_map]
pub(crate) static SERVER_STATS: PerCpuArray<Stats, 1024> = PerCpuArray::new();

/// Working memory; always has its one entry.
#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// In bytes: a power of two of pages.
#[btf_map]
pub(crate) static UNRESOLVED: RingBuf<Neighbor, 65536> = RingBuf::new();
