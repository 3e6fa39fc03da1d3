use super::{Action, INGRESS, Output, ReasonCounts, World};
use lb_common::abi::{Address, Flow, FlowKey, Server, Service, ServiceKey, Stats};
use lb_common::datapath::{
    Env, FlowTable, Frame, Route, RouteQuery, Scratch, Step, Verdict, process,
};
use lb_common::reason::{Outcome, Reason};
use lb_common::wire::Wire;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

/// The host build of the data plane, with maps of its own.
pub struct Host {
    /// Room in front of each frame, in bytes.
    pub headroom: usize,
    /// Packets counted for each reason.
    pub reasons: ReasonCounts,
    scratch: Scratch,
    surroundings: Surroundings,
}

impl Host {
    /// What XDP leaves in front of a frame for programs: 256 bytes less the kernel's own 40.
    const HEADROOM: usize = 216;

    /// Takes over a world.
    pub fn new(world: &World) -> Self {
        let flows = world.flows.iter().map(|(table, key, flow)| ((*table, *key), *flow));
        Self {
            headroom: Self::HEADROOM,
            reasons: ReasonCounts([0; Reason::COUNT]),
            scratch: Scratch::new(),
            surroundings: Surroundings {
                services: world.services.iter().copied().collect(),
                flows: RefCell::new(flows.collect()),
                cursors: RefCell::default(),
                service_stats: RefCell::default(),
                server_stats: RefCell::default(),
                loads: RefCell::new((0..).zip(world.loads.iter().copied()).collect()),
                now: RefCell::new(super::monotonic_seconds()),
                world: world.clone(),
            },
        }
    }

    /// Treats one frame.
    pub fn run(&mut self, frame: &[u8]) -> Output {
        let mut buffer = Buffer::new(frame, self.headroom);
        let verdict = process(&mut buffer, &self.surroundings, &mut self.scratch);
        self.reasons.0[verdict.reason as usize] += 1;
        Output { action: action_of(&verdict), frame: buffer.into_frame() }
    }

    /// Treats one frame and tells its reason.
    pub fn run_for_reason(&mut self, frame: &[u8]) -> (Output, Reason) {
        let before = self.reasons.clone();
        let output = self.run(frame);
        let reason = self.reasons.since(&before).only().expect("one reason for each packet");
        (output, reason)
    }

    /// Sets the clock, in seconds.
    pub fn set_now(&mut self, now: u32) {
        *self.surroundings.now.borrow_mut() = now;
    }

    /// All flows.
    pub fn flows(&self) -> HashMap<(FlowTable, FlowKey), Flow> {
        self.surroundings.flows.borrow().clone()
    }

    /// What has been counted for a service.
    pub fn service_stats(&self, service: u32) -> Stats {
        self.surroundings.service_stats.borrow().get(&service).copied().unwrap_or_default()
    }

    /// What has been counted for a server.
    pub fn server_stats(&self, server: u32) -> Stats {
        self.surroundings.server_stats.borrow().get(&server).copied().unwrap_or_default()
    }

    /// A server's live connections.
    pub fn load_of(&self, server: u32) -> i64 {
        self.surroundings.loads.borrow().get(&server).copied().unwrap_or_default()
    }

    /// Sets a server's live connections.
    pub fn set_load(&mut self, server: u32, load: i64) {
        self.surroundings.loads.borrow_mut().insert(server, load);
    }

    /// The servers, to be changed as the agent would.
    pub fn servers_mut(&mut self) -> &mut Vec<Server> {
        &mut self.surroundings.world.servers
    }

    /// The services, to be changed as the agent would.
    pub fn services_mut(&mut self) -> &mut HashMap<ServiceKey, Service> {
        &mut self.surroundings.services
    }

    /// The slots, to be changed as the agent would.
    pub fn slots_mut(&mut self) -> &mut Vec<u32> {
        &mut self.surroundings.world.slots
    }
}

fn action_of(verdict: &Verdict) -> Action {
    match verdict.reason.outcome() {
        Outcome::Passed => Action::Pass,
        Outcome::Dropped => Action::Drop,
        Outcome::Answered => Action::Tx,
        Outcome::Forwarded if verdict.ifindex() == INGRESS => Action::Tx,
        Outcome::Forwarded => Action::Redirect,
    }
}

/// A frame with room in front.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    fn new(frame: &[u8], headroom: usize) -> Self {
        let mut bytes = vec![0; headroom];
        bytes.extend_from_slice(frame);
        Self { bytes, start: headroom }
    }

    fn into_frame(mut self) -> Vec<u8> {
        self.bytes.split_off(self.start)
    }
}

impl Frame for Buffer {
    fn length(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn at<T: Wire>(&mut self, offset: usize) -> Result<&mut T, Reason> {
        let from = self.start + offset;
        let bytes = self.bytes.get_mut(from..from + size_of::<T>()).ok_or(Reason::Truncated)?;
        T::mut_from_bytes(bytes).map_err(|_| Reason::Truncated)
    }

    fn grow_head(&mut self, by: isize) -> Result<(), Reason> {
        self.start = self.start.checked_add_signed(-by).ok_or(Reason::NoHeadroom)?;
        Ok(())
    }

    fn truncate(&mut self, len: usize) -> Result<(), Reason> {
        assert!(len <= self.length(), "a frame is cut, never stretched");
        self.bytes.truncate(self.start + len);
        Ok(())
    }
}

struct Surroundings {
    world: World,
    services: HashMap<ServiceKey, Service>,
    flows: RefCell<HashMap<(FlowTable, FlowKey), Flow>>,
    cursors: RefCell<HashMap<u32, u64>>,
    service_stats: RefCell<HashMap<u32, Stats>>,
    server_stats: RefCell<HashMap<u32, Stats>>,
    loads: RefCell<HashMap<u32, i64>>,
    now: RefCell<u32>,
}

impl Env for Surroundings {
    fn now(&self) -> u32 {
        *self.now.borrow()
    }

    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.get(key)
    }

    fn slot(&self, slot: u32) -> Option<u32> {
        self.world.slots.get(slot as usize).copied()
    }

    fn server(&self, index: u32) -> Option<&Server> {
        self.world.servers.get(index as usize)
    }

    fn advance(&self, service: u32) -> u64 {
        let mut cursors = self.cursors.borrow_mut();
        let cursor = cursors.entry(service).or_default();
        *cursor += 1;
        *cursor - 1
    }

    fn is_nat_source(&self, address: &Address, port: u16, protocol: u8) -> bool {
        self.world.sources.contains(address, port, protocol)
    }

    fn flow<R>(
        &self,
        table: FlowTable,
        key: &FlowKey,
        visit: impl FnOnce(&mut Flow) -> R,
    ) -> Option<R> {
        self.flows.borrow_mut().get_mut(&(table, *key)).map(visit)
    }

    fn insert(&self, table: FlowTable, key: &FlowKey, flow: &Flow) {
        self.flows.borrow_mut().insert((table, *key), *flow);
    }

    fn remove(&self, table: FlowTable, key: &FlowKey) {
        self.flows.borrow_mut().remove(&(table, *key));
    }

    fn load(&self, server: u32) -> u32 {
        let load = self.loads.borrow().get(&server).copied().unwrap_or_default();
        load.clamp(0, u32::MAX.into()) as u32
    }

    fn add_load(&self, server: u32, by: i64) {
        *self.loads.borrow_mut().entry(server).or_default() += by;
    }

    fn repeat<S: Step>(&self, times: u32, step: &mut S) {
        for _ in 0..times {
            if step.step(self).is_break() {
                break;
            }
        }
    }

    fn route(&self, query: &RouteQuery<'_>) -> Route {
        match self.world.routes.get(&IpAddr::from(*query.destination)) {
            Some(Route::Via(hop)) if u32::from(query.length) > hop.mtu => Route::TooBig(hop.mtu),
            Some(route) => *route,
            None => Route::None,
        }
    }

    fn answers_per_second(&self) -> u32 {
        self.world.answers_per_second
    }

    fn count_in(&self, service: u32, server: u32, bytes: u64, new: bool) {
        self.service_stats.borrow_mut().entry(service).or_default().add_in(bytes, new);
        self.server_stats.borrow_mut().entry(server).or_default().add_in(bytes, new);
    }

    fn count_out(&self, service: u32, server: u32, bytes: u64) {
        self.service_stats.borrow_mut().entry(service).or_default().add_out(bytes);
        self.server_stats.borrow_mut().entry(server).or_default().add_out(bytes);
    }
}
