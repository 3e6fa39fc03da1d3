//! The host build against the loaded program: the same packets, one after the other, with the same
//! flows on both sides.
//!
//! A failure names the seed of its epoch, which `LB_DIFFERENTIAL_SEED` and
//! `LB_DIFFERENTIAL_PACKETS` (at most [`EPOCH`]) repeat. More packets make more epochs.

use lb_common::abi::{Flow, FlowKey, map, service_flags};
use lb_common::datapath::FlowTable;
use lb_common::reason::Reason;
use lb_tests::dataplane::{
    Host, Kernel, Output, ReasonCounts, World, in_namespace, monotonic_seconds,
};
use lb_tests::generate::{Generator, Scene, hex, setting};
use std::collections::{HashMap, HashSet};

/// Packets with one set of flows: few enough that no table has to forget one.
const EPOCH: u64 = 20_000;
/// Packets between comparisons of the reasons.
const BATCH: u64 = 1_000;
/// Of a hundred packets, so many are spoilt.
const MUTATED: usize = 25;
/// Seconds by which the two clocks may differ.
const CLOCKS: u32 = 2;
/// Reasons that need a bound on answers, which this world does not set, or a frame without room in
/// front.
const UNREACHED: [Reason; 2] = [Reason::AnswerLimited, Reason::NoHeadroom];

#[test]
fn a_million_packets() {
    let packets = setting("LB_DIFFERENTIAL_PACKETS", 1_000_000);
    let seed = setting("LB_DIFFERENTIAL_SEED", 1);
    println!("{packets} packets from seed {seed}");
    let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
    let counts = in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut total = ReasonCounts([0; Reason::COUNT]);
        for (epoch, start) in (0..packets).step_by(EPOCH as usize).enumerate() {
            let mut pair = Pair::new(&object, &scene.world);
            let seed = seed + epoch as u64;
            pair.run(Generator::new(&scene, seed, MUTATED), seed, EPOCH.min(packets - start));
            pair.compare_tables(seed, scene.targets.len() as u32, scene.world.servers.len() as u32);
            for (sum, count) in total.0.iter_mut().zip(&pair.host.reasons.0) {
                *sum += count;
            }
        }
        total
    });
    println!("{counts:?}");
    assert_eq!(counts.0.iter().sum::<u64>(), packets);
    if packets >= EPOCH {
        let missed = |reason: &&Reason| counts.0[**reason as usize] == 0;
        let missed: Vec<_> = Reason::ALL.iter().filter(missed).collect();
        assert_eq!(missed, UNREACHED.each_ref(), "the generator does not reach these");
    }
}

/// Both builds, in the same state.
struct Pair<'a> {
    object: &'a [u8],
    world: &'a World,
    host: Host,
    kernel: Kernel,
}

impl<'a> Pair<'a> {
    fn new(object: &'a [u8], world: &'a World) -> Self {
        let kernel = Kernel::load(object, world).unwrap();
        Self { object, world, host: Host::new(world), kernel }
    }

    fn run(&mut self, mut generator: Generator<'_>, seed: u64, packets: u64) {
        let mut frames = Vec::new();
        for number in 1..=packets {
            let frame = generator.frame();
            let (expected, found) = self.both(&frame);
            assert!(
                expected == found,
                "packet {number} of seed {seed}: {}\nhost build:     {}\nloaded program: {}",
                hex(&frame),
                words(&expected),
                words(&found),
            );
            generator.note(&expected);
            frames.push(frame);
            if number % BATCH == 0 || number == packets {
                let counted = self.kernel.reasons().unwrap();
                if self.host.reasons != counted {
                    let first = Pair::new(self.object, self.world).first_difference(&frames);
                    let both = (&self.host.reasons, counted);
                    panic!("reasons differ by packet {number} of seed {seed}: {both:?}\n{first}");
                }
            }
        }
    }

    fn both(&mut self, frame: &[u8]) -> (Output, Output) {
        self.host.set_now(monotonic_seconds());
        (self.host.run(frame), self.kernel.run(frame).unwrap())
    }

    /// From the start again, looking at the reasons after each packet.
    fn first_difference(mut self, frames: &[Vec<u8>]) -> String {
        for (index, frame) in frames.iter().enumerate() {
            let (_, host) = self.host.run_for_reason(frame);
            let (_, kernel) = self.kernel.run_for_reason(frame).unwrap();
            if host != kernel {
                let number = index + 1;
                return format!("packet {number}: {host:?} or {kernel:?}: {}", hex(frame));
            }
        }
        "no packet when run again".into()
    }

    fn compare_tables(&mut self, seed: u64, services: u32, servers: u32) {
        for table in [FlowTable::Established, FlowTable::HalfOpen] {
            let host = self.host.flows().into_iter().filter(|((of, _), _)| *of == table);
            let host: HashMap<FlowKey, Flow> = host.map(|((_, key), flow)| (key, flow)).collect();
            let kernel: HashMap<_, _> = self.kernel.flows(table).unwrap().into_iter().collect();
            println!("seed {seed}: {table:?} {}", host.len());
            let seen = |(key, flow): (&FlowKey, &Flow)| (*key, Flow { seen: 0, ..*flow });
            let (host_seen, kernel_seen): (HashMap<_, _>, HashMap<_, _>) =
                (host.iter().map(seen).collect(), kernel.iter().map(seen).collect());
            for (key, flow) in &host_seen {
                assert_eq!(Some(flow), kernel_seen.get(key), "seed {seed}, {table:?}: {key:?}");
            }
            assert_eq!(host.len(), kernel.len(), "seed {seed}: flows in {table:?}");
            for (key, flow) in &host {
                let apart = flow.seen.abs_diff(kernel[key].seen);
                assert!(apart <= CLOCKS, "seed {seed}, {table:?}: {key:?} seen {apart} s apart");
            }
        }
        let all = self.world.services.iter().map(|(_, service)| service);
        let counted = all.filter(|service| service.flags & service_flags::COUNTED != 0);
        let counted: HashSet<u32> = counted.map(|service| service.id).collect();
        let mut live: HashMap<u32, i64> = HashMap::new();
        for flow in self.host.flows().values() {
            if flow.is_load(flow.seen) && counted.contains(&flow.service) {
                *live.entry(flow.server).or_default() += 1;
            }
        }
        for service in 0..services {
            let kernel = self.kernel.stats(map::SERVICE_STATS, service).unwrap();
            assert_eq!(self.host.service_stats(service), kernel, "seed {seed}: service {service}");
        }
        for server in 0..servers {
            let kernel = self.kernel.stats(map::SERVER_STATS, server).unwrap();
            assert_eq!(self.host.server_stats(server), kernel, "seed {seed}: server {server}");
            let kernel = self.kernel.load_of(server).unwrap();
            assert_eq!(self.host.load_of(server), kernel, "seed {seed}: load of {server}");
            let live = live.get(&server).copied().unwrap_or(0);
            assert_eq!(live, kernel, "seed {seed}: flows of {server}");
        }
    }
}

fn words(output: &Output) -> String {
    format!("{:?} {}", output.action, hex(&output.frame))
}
