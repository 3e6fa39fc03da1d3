use crate::vrrp::{
    Effect, Group, Input, Options, State,
    machine::{Announcing, Peer, Version},
    packet::{self, Advert, Expectation, Format, Received},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    time::{Duration, Instant},
};

const MS: Duration = Duration::from_millis(1);
/// Between advertisements, in milliseconds.
pub(super) const INTERVAL: u32 = 100;
/// The longest that one is on its way, in milliseconds.
pub(super) const LATENCY: u32 = 3;

/// Groups of virtual routers: router id, and priority on each node.
pub(super) type Layout<'a> = &'a [&'a [(u8, &'a [u8])]];

/// The directors, and the wire between them.
pub(super) struct World {
    random: Random,
    start: Instant,
    /// Milliseconds.
    now: u32,
    nodes: Vec<Node>,
    /// By time of arrival.
    wire: BTreeMap<u32, Vec<Packet>>,
    /// From, to.
    cut: HashSet<(usize, usize)>,
    /// Percent.
    loss: u64,
    /// Packets that were.
    pub(super) lost: u32,
    /// Since when two nodes, which hear each other, are both master of a virtual router.
    rivals: HashMap<(u8, usize, usize), u32>,
}

struct Node {
    alive: bool,
    failed: bool,
    groups: Vec<Group>,
    /// Group, member and priority by router id.
    routers: HashMap<u8, (usize, usize, u8)>,
    addresses: HashSet<u8>,
    effects: Vec<Effect>,
}

struct Packet {
    from: usize,
    to: usize,
    message: Vec<u8>,
}

/// Pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn address(node: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, node as u8 + 1])
}

fn group_address() -> IpAddr {
    IpAddr::from([224, 0, 0, 18])
}

fn virtual_address(router_id: u8) -> Vec<IpAddr> {
    vec![IpAddr::from([10, 0, 1, router_id])]
}

fn options(node: usize) -> Options {
    Options {
        version: Version::V3,
        interval: INTERVAL * MS,
        source: Some(address(node)),
        preempt: true,
        preempt_delay: Duration::ZERO,
        starts_as_master: false,
        announce: Announcing::default(),
    }
}

impl World {
    /// So many nodes, none of them started.
    pub(super) fn new(seed: u64, nodes: usize, layout: Layout<'_>) -> Self {
        let node = |node: usize| {
            let mut routers = HashMap::new();
            let mut groups = vec![];
            for (group, members) in layout.iter().enumerate() {
                let mut of_group = vec![];
                for (member, (id, priorities)) in members.iter().enumerate() {
                    routers.insert(*id, (group, member, priorities[node]));
                    of_group.push((id.to_string().into(), options(node), priorities[node]));
                }
                groups.push(Group::new(of_group));
            }
            let (addresses, effects) = Default::default();
            Node { alive: false, failed: false, groups, routers, addresses, effects }
        };
        Self {
            random: Random(seed),
            start: Instant::now(),
            now: 0,
            nodes: (0..nodes).map(node).collect(),
            wire: BTreeMap::new(),
            cut: HashSet::new(),
            loss: 0,
            lost: 0,
            rivals: HashMap::new(),
        }
    }

    pub(super) fn start_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.start(node);
        }
    }

    /// A node boots: nothing is left of what it was.
    pub(super) fn start(&mut self, node: usize) {
        let mut members: Vec<Vec<_>> = self.nodes[node].groups.iter().map(|_| vec![]).collect();
        let mut routers: Vec<_> = self.nodes[node].routers.iter().collect();
        routers.sort_unstable_by_key(|(_, place)| (place.0, place.1));
        for (id, (group, _, priority)) in routers {
            members[*group].push((id.to_string().into(), options(node), *priority));
        }
        let one = &mut self.nodes[node];
        one.groups = members.into_iter().map(Group::new).collect();
        (one.alive, one.failed) = (true, false);
        for group in 0..one.groups.len() {
            self.input_group(node, group, 0, Input::Startup);
        }
    }

    /// It is without power.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].alive = false;
        self.nodes[node].addresses.clear();
    }

    /// Packets from one node to another are lost, or not.
    pub(super) fn cut(&mut self, from: usize, to: usize, cut: bool) {
        if cut {
            self.cut.insert((from, to));
        } else {
            self.cut.remove(&(from, to));
        }
    }

    pub(super) fn input(&mut self, node: usize, id: u8, input: Input) {
        let (group, member, _) = self.nodes[node].routers[&id];
        self.input_group(node, group, member, input);
    }

    pub(super) fn state(&self, node: usize, id: u8) -> State {
        let (group, member, _) = self.nodes[node].routers[&id];
        self.nodes[node].groups[group].member(member).unwrap().state()
    }

    pub(super) fn masters(&self, id: u8) -> Vec<usize> {
        let is = |node: &usize| self.nodes[*node].alive && self.state(*node, id) == State::Master;
        (0..self.nodes.len()).filter(is).collect()
    }

    /// Who should be master of all, by priority.
    pub(super) fn best(&self) -> Vec<usize> {
        let fit = |node: &usize| self.nodes[*node].alive && !self.nodes[*node].failed;
        let priority = |node: &usize| self.nodes[*node].routers[&51].2;
        (0..self.nodes.len()).filter(fit).max_by_key(priority).into_iter().collect()
    }

    pub(super) fn has_addresses(&self, node: usize, id: u8) -> bool {
        self.nodes[node].addresses.contains(&id)
    }

    pub(super) fn who_has_addresses(&self, id: u8) -> Vec<usize> {
        (0..self.nodes.len()).filter(|node| self.has_addresses(*node, id)).collect()
    }

    pub(super) fn anyone_has_addresses(&self, id: u8) -> bool {
        !self.who_has_addresses(id).is_empty()
    }

    pub(super) fn effects(&self, node: usize) -> &[Effect] {
        &self.nodes[node].effects
    }

    pub(super) fn forget_effects(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.effects.clear());
    }

    pub(super) fn run(&mut self, ms: u32) {
        self.run_until_or(ms, |_| false);
    }

    /// Milliseconds until something is so.
    pub(super) fn run_until(&mut self, so: impl FnMut(&Self) -> bool) -> u32 {
        self.run_until_or(100_000, so).expect("it comes to be so")
    }

    pub(super) fn run_until_or(
        &mut self,
        ms: u32,
        mut so: impl FnMut(&Self) -> bool,
    ) -> Option<u32> {
        (0..=ms).find(|_| {
            if so(self) {
                return true;
            }
            self.tick();
            false
        })
    }

    /// Things go wrong.
    pub(super) fn storm(&mut self, ms: u32) {
        let nodes = self.nodes.len() as u64;
        for _ in 0..ms {
            if self.random.below(u64::from(INTERVAL)) == 0 {
                let [node, other] = [(); 2].map(|()| self.random.below(nodes) as usize);
                match self.random.below(8) {
                    0 => self.kill(node),
                    1 if !self.nodes[node].alive => self.start(node),
                    2 => self.cut(node, other, true),
                    3 => self.cut(node, other, false),
                    4 => self.loss = self.random.below(60),
                    5 => self.fail(node, true),
                    6 => self.fail(node, false),
                    // Left to itself for too short a time to matter when it is quiet.
                    7 => self.input(node, 51, Input::HandOver(INTERVAL * MS)),
                    _ => {}
                }
            }
            self.tick();
        }
    }

    /// Nothing does.
    pub(super) fn calm(&mut self) {
        self.cut.clear();
        self.loss = 0;
    }

    fn fail(&mut self, node: usize, failed: bool) {
        if self.nodes[node].alive {
            self.nodes[node].failed = failed;
            let input = if failed { Input::Failed("a cable".into()) } else { Input::Recovered };
            self.input(node, 51, input);
        }
    }

    /// A millisecond: what has arrived first, then what is due.
    fn tick(&mut self) {
        self.now += 1;
        for packet in self.wire.remove(&self.now).into_iter().flatten() {
            if self.nodes[packet.to].alive {
                self.receive(packet);
            }
        }
        let now = self.start + self.now * MS;
        for node in 0..self.nodes.len() {
            for group in 0..self.nodes[node].groups.len() {
                let one = &mut self.nodes[node].groups[group];
                if one.deadline().is_some_and(|due| due <= now) {
                    let effects = one.poll(now);
                    assert!(one.deadline().is_none_or(|due| due > now), "polled in vain");
                    self.carry_out(node, group, effects);
                }
            }
        }
        self.watch_rivals();
    }

    /// Never are there two masters, who hear each other, for longer than an interval.
    fn watch_rivals(&mut self) {
        let mut before = std::mem::take(&mut self.rivals);
        let ids: Vec<u8> = self.nodes[0].routers.keys().copied().collect();
        for id in ids {
            let masters = self.masters(id);
            for (one, other) in masters.iter().zip(masters.iter().skip(1)) {
                let (one, other) = (*one, *other);
                let cut = [(one, other), (other, one)].iter().any(|way| self.cut.contains(way));
                if cut || self.loss > 0 {
                    continue;
                }
                let since = before.remove(&(id, one, other)).unwrap_or(self.now);
                assert!(self.now - since <= INTERVAL + 2 * LATENCY, "{one} and {other}, of {id}");
                self.rivals.insert((id, one, other), since);
            }
        }
    }

    fn receive(&mut self, packet: Packet) {
        let id = packet::router_id(&packet.message).unwrap();
        let received = Received {
            source: address(packet.from),
            destination: group_address(),
            ttl: packet::TTL,
            message: &packet.message,
        };
        let expected = Expectation {
            router_id: id,
            format: &Format::V3,
            interval: INTERVAL * MS,
            addresses: &virtual_address(id),
            own: &[address(packet.to)],
            multicast: true,
            peers: &[],
            hops: 0,
        };
        let heard = packet::parse(&received, &expected).unwrap();
        assert_eq!(heard.oddities, []);
        let Advert { priority, interval, .. } = heard.advert;
        self.input(
            packet.to,
            id,
            Input::Heard(Peer { source: received.source, priority, interval }),
        );
    }

    fn input_group(&mut self, node: usize, group: usize, member: usize, input: Input) {
        if self.nodes[node].alive {
            let now = self.start + self.now * MS;
            let effects = self.nodes[node].groups[group].input(now, member, input);
            self.carry_out(node, group, effects);
        }
    }

    fn carry_out(&mut self, node: usize, group: usize, effects: Vec<(usize, Effect)>) {
        if !self.nodes[node].alive {
            return;
        }
        for (member, effect) in effects {
            let routers = &self.nodes[node].routers;
            let is = |place: &(usize, usize, u8)| (place.0, place.1) == (group, member);
            let id = *routers.iter().find(|(_, place)| is(place)).unwrap().0;
            match effect {
                Effect::AddAddresses => {
                    self.nodes[node].addresses.insert(id);
                }
                Effect::RemoveAddresses => {
                    self.nodes[node].addresses.remove(&id);
                }
                Effect::SendAdvert { priority, .. } => self.send(node, id, priority),
                _ => {}
            }
            self.nodes[node].effects.push(effect);
        }
    }

    fn send(&mut self, from: usize, router_id: u8, priority: u8) {
        let addresses = virtual_address(router_id);
        let advert = Advert { router_id, priority, interval: INTERVAL * MS, addresses };
        let message = packet::build(&advert, &Format::V3, address(from), group_address());
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if self.cut.contains(&(from, to)) || self.random.below(100) < self.loss {
                self.lost += 1;
                continue;
            }
            let arrives = self.now + 1 + self.random.below(LATENCY.into()) as u32;
            let packet = Packet { from, to, message: message.clone() };
            self.wire.entry(arrives).or_default().push(packet);
        }
    }
}
