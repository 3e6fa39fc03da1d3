use super::{Action, Output, ReasonCounts, World};
use anyhow::{Context, Result, anyhow};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_common::abi::{Flow, FlowKey, Link, Server, Service, ServiceKey, Sources, Stats, map};
use lb_common::datapath::FlowTable;
use lb_common::reason::Reason;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The program as the kernel runs it, loaded for tests alone and attached to nothing.
pub struct Kernel {
    ebpf: Ebpf,
    buffer: Vec<u8>,
}

impl Kernel {
    /// Longest frame that comes out.
    const BUFFER: usize = 4096;

    /// Loads the program and fills its maps.
    pub fn load(object: &[u8], world: &World) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        loader.override_global("ANSWERS_PER_SECOND", &world.answers_per_second, true);
        let mut ebpf = loader.load(object).context("load the object")?;
        program(&mut ebpf)?.load().context("the verifier's word on the program")?;
        let mut kernel = Self { ebpf, buffer: vec![0; Self::BUFFER] };
        kernel.fill(world)?;
        Ok(kernel)
    }

    /// Replaces the content of the maps by a world's. Flows, servers and loads stay where the world
    /// has none of that key or index.
    pub fn fill(&mut self, world: &World) -> Result<()> {
        let mut services = self.hash::<SERVICE_KEY, SERVICE>(map::SERVICES)?;
        for (key, service) in &world.services {
            services.insert(bytes(key), bytes::<_, SERVICE>(service), 0)?;
        }
        let mut servers: Array<_, [u8; SERVER]> = self.map(map::SERVERS)?.try_into()?;
        for (index, server) in world.servers.iter().enumerate() {
            servers.set(index as u32, bytes(server), 0)?;
        }
        let mut slots: Array<_, u32> = self.map(map::SLOTS)?.try_into()?;
        for (index, slot) in world.slots.iter().enumerate() {
            slots.set(index as u32, slot, 0)?;
        }
        let mut loads: Array<_, i64> = self.map(map::LOADS)?.try_into()?;
        for (index, load) in world.loads.iter().enumerate() {
            loads.set(index as u32, load, 0)?;
        }
        let mut sources: Array<_, [u8; SOURCES]> = self.map(map::SOURCES)?.try_into()?;
        sources.set(0, bytes(&world.sources), 0)?;
        let mut links: HashMap<_, u32, [u8; LINK]> = self.map(map::LINKS)?.try_into()?;
        for (ifindex, link) in &world.links {
            links.insert(ifindex, bytes(link), 0)?;
        }
        for (table, key, flow) in &world.flows {
            self.flow_map(*table)?.insert(bytes(key), bytes::<_, FLOW>(flow), 0)?;
        }
        Ok(())
    }

    /// Treats one frame, as if it had come in by [`super::INGRESS`].
    pub fn run(&mut self, frame: &[u8]) -> Result<Output> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut self.buffer);
        let result = program(&mut self.ebpf)?.test_run(options)?;
        Ok(Output {
            action: Action::from_number(result.return_value),
            frame: self.buffer[..result.data_size_out as usize].to_vec(),
        })
    }

    /// Treats one frame and tells its reason.
    pub fn run_for_reason(&mut self, frame: &[u8]) -> Result<(Output, Reason)> {
        let before = self.reasons()?;
        let output = self.run(frame)?;
        let counted = self.reasons()?.since(&before);
        let reason = counted.only().ok_or_else(|| anyhow!("not one reason but {counted:?}"))?;
        Ok((output, reason))
    }

    /// Packets counted for each reason.
    pub fn reasons(&self) -> Result<ReasonCounts> {
        let map: PerCpuArray<_, u64> = self.map_ref(map::REASONS)?.try_into()?;
        let mut counts = [0; Reason::COUNT];
        for (index, count) in counts.iter_mut().enumerate() {
            *count = map.get(&(index as u32), 0)?.iter().sum();
        }
        Ok(ReasonCounts(counts))
    }

    /// What has been counted in [`map::SERVICE_STATS`] or [`map::SERVER_STATS`].
    pub fn stats(&self, name: &str, index: u32) -> Result<Stats> {
        let map: PerCpuArray<_, [u8; STATS]> = self.map_ref(name)?.try_into()?;
        let mut sum = Stats::default();
        for value in map.get(&index, 0)?.iter() {
            sum += zerocopy::transmute!(*value);
        }
        Ok(sum)
    }

    /// All flows of a table.
    pub fn flows(&mut self, table: FlowTable) -> Result<Vec<(FlowKey, Flow)>> {
        let map = self.flow_map(table)?;
        let flows = map.iter().map(|entry| {
            let (key, flow) = entry?;
            Ok((zerocopy::transmute!(key), zerocopy::transmute!(flow)))
        });
        flows.collect()
    }

    /// Forgets all flows.
    pub fn clear_flows(&mut self) -> Result<()> {
        for table in [FlowTable::Established, FlowTable::HalfOpen] {
            let mut map = self.flow_map(table)?;
            let keys: Vec<_> = map.keys().collect::<Result<_, _>>()?;
            for key in keys {
                map.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Sets the cursors of all services back to their start.
    pub fn rewind_cursors(&mut self) -> Result<()> {
        let mut cursors: Array<_, u64> = self.map(map::CURSORS)?.try_into()?;
        for index in 0..cursors.len() {
            cursors.set(index, 0, 0)?;
        }
        Ok(())
    }

    /// A server's live connections.
    pub fn load_of(&self, server: u32) -> Result<i64> {
        let loads: Array<_, i64> = self.map_ref(map::LOADS)?.try_into()?;
        Ok(loads.get(&server, 0)?)
    }

    /// Sets a server's live connections.
    pub fn set_load(&mut self, server: u32, load: i64) -> Result<()> {
        let mut loads: Array<_, i64> = self.map(map::LOADS)?.try_into()?;
        Ok(loads.set(server, load, 0)?)
    }

    /// Instructions of the program, and instructions that the verifier walked through.
    pub fn instructions(&mut self) -> Result<(u32, u32)> {
        let info = program(&mut self.ebpf)?.info()?;
        let translated = info.size_translated().context("the kernel tells no size")? / 8;
        let verified = info.verified_instruction_count().context("the kernel tells no count")?;
        Ok((translated, verified))
    }

    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))
    }

    fn map_ref(&self, name: &str) -> Result<&Map> {
        self.ebpf.map(name).with_context(|| format!("no map {name}"))
    }

    fn hash<const K: usize, const V: usize>(
        &mut self,
        name: &str,
    ) -> Result<HashMap<&mut MapData, [u8; K], [u8; V]>> {
        Ok(self.map(name)?.try_into()?)
    }

    fn flow_map(
        &mut self,
        table: FlowTable,
    ) -> Result<HashMap<&mut MapData, [u8; FLOW_KEY], [u8; FLOW]>> {
        self.hash(match table {
            FlowTable::Established => map::FLOWS,
            FlowTable::HalfOpen => map::HALF_OPEN,
        })
    }
}

const SERVICE_KEY: usize = size_of::<ServiceKey>();
const SERVICE: usize = size_of::<Service>();
const SERVER: usize = size_of::<Server>();
const SOURCES: usize = size_of::<Sources>();
const LINK: usize = size_of::<Link>();
const FLOW_KEY: usize = size_of::<FlowKey>();
const FLOW: usize = size_of::<Flow>();
const STATS: usize = size_of::<Stats>();

/// Seconds of the clock that the program reads.
pub fn monotonic_seconds() -> u32 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC_COARSE;
    clock.now().map(|time| time.tv_sec() as u32).expect("Linux has this clock")
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    Ok(ebpf.program_mut("lb").context("no program named lb")?.try_into()?)
}

/// A map value as bytes, which aya takes without further proof.
fn bytes<T: IntoBytes + Immutable, const N: usize>(value: &T) -> [u8; N] {
    <[u8; N]>::read_from_bytes(value.as_bytes()).expect("N is the size of T")
}
