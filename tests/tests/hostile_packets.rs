//! Packets that are wrong in all ways, through the loaded program: each is left alone, thrown away
//! or sent on exactly as an oracle of its own finds right, and each has one reason.
//!
//! `LB_HOSTILE_PACKETS` (at least an epoch) makes the long run longer, `LB_HOSTILE_SEED` repeats an
//! epoch of it.

use lb_common::abi::protocol;
use lb_common::reason::{Outcome, Reason};
use lb_tests::dataplane::{Host, Kernel, Output, ReasonCounts, World, in_namespace};
use lb_tests::generate::{Generator, Oracle, Random, Scene, Seen, View, hex, setting, word};

/// Mutated packets with one set of flows.
const EPOCH: u64 = 20_000;
/// Among so many mutated packets is one good one, or there would be no flows to disturb.
const GOOD_EVERY: u64 = 4;
/// Length of the longest frame of random bytes among those of each length.
const RANDOM_LENGTHS: std::ops::RangeInclusive<usize> = 14..=200;

#[test]
fn a_million_mutated_packets() {
    let packets = setting("LB_HOSTILE_PACKETS", 1_000_000);
    let seed = setting("LB_HOSTILE_SEED", 1);
    println!("{packets} packets from seed {seed}");
    in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut total = ReasonCounts([0; Reason::COUNT]);
        for (epoch, start) in (0..packets).step_by(EPOCH as usize).enumerate() {
            let seed = seed + epoch as u64;
            let mut judge = Judge::new(&scene.world);
            let mut generator = Generator::new(&scene, seed, 100);
            for number in 0..EPOCH.min(packets - start) {
                let place = format_args!("packet {number} of seed {seed}").to_string();
                if number % GOOD_EVERY == 0 {
                    let output = judge.frame(&generator.good(), &place);
                    generator.note(&output);
                }
                let output = judge.frame(&generator.frame(), &place);
                generator.note(&output);
            }
            let counted = judge.account();
            for (sum, count) in total.0.iter_mut().zip(counted.0) {
                *sum += count;
            }
        }
        println!("{total:?}");
    });
}

/// The oracle is worth something: it objects to any one bit that is wrong in what was sent on.
#[test]
fn the_oracle_objects() {
    in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut host = Host::new(&scene.world);
        let mut oracle = Oracle::new(&scene.world);
        let mut generator = Generator::new(&scene, 9, 0);
        let mut random = Random::new(9);
        let mut spoilt = ReasonCounts([0; Reason::COUNT]);
        for _ in 0..20_000 {
            let frame = generator.good();
            let mut output = host.run(&frame);
            generator.note(&output);
            let seen = oracle.judge(&frame, &output).unwrap();
            let Seen::Forwarded(reason) = seen else { continue };
            // A tunnel's outer header has fields that are free.
            let view = View::of(&output.frame).unwrap();
            let is_tunnel = matches!(view.protocol, protocol::IPIP | protocol::IPV6);
            let bit = random.below(8 * output.frame.len());
            if is_tunnel && bit / 8 < view.l4 {
                continue;
            }
            output.frame[bit / 8] ^= 1 << (bit % 8);
            let verdict = oracle.judge(&frame, &output);
            assert!(verdict.is_err(), "bit {bit} of {}: {verdict:?}", hex(&output.frame));
            spoilt.0[reason as usize] += 1;
        }
        for reason in Reason::ALL.iter().filter(|reason| reason.outcome() == Outcome::Forwarded) {
            assert!(spoilt.0[*reason as usize] > 10, "{spoilt:?}");
        }
    });
}

/// Any bytes at all, of every length, with and without the start of an IP packet for a service.
#[test]
fn random_bytes_of_every_length() {
    in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut judge = Judge::new(&scene.world);
        let mut generator = Generator::new(&scene, 7, 0);
        let mut random = Random::new(7);
        for length in RANDOM_LENGTHS.chain([255, 256, 511, 1024, 1514, 2048, 3000, 3400]) {
            for kept in [0, 12, 14, 34, 54, 66].into_iter().filter(|kept| *kept <= length) {
                for _ in 0..8 {
                    let good = generator.good();
                    let output = judge.frame(&good, "a good packet");
                    generator.note(&output);
                    let kept = kept.min(good.len());
                    let frame = [&good[..kept], &random.bytes(length - kept)].concat();
                    judge.frame(&frame, &format!("{length} bytes, {kept} good"));
                }
            }
        }
        judge.account();
    });
}

/// Good packets, cut off after every number of bytes.
#[test]
fn truncated_at_every_length() {
    in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut judge = Judge::new(&scene.world);
        let mut generator = Generator::new(&scene, 8, 0);
        for number in 0..150 {
            let good = generator.good();
            for length in (14..=good.len()).rev() {
                let place = format!("packet {number}, cut to {length}");
                let output = judge.frame(&good[..length], &place);
                generator.note(&output);
            }
        }
        judge.account();
    });
}

/// Good packets of which one field is wrong: every pair of bytes among the headers, so also each
/// length, offset and next header, with the values at which arithmetic goes wrong.
#[test]
fn every_field_wrong() {
    in_namespace(|namespace| {
        let scene = Scene::new(&namespace).unwrap();
        let mut judge = Judge::new(&scene.world);
        let mut generator = Generator::new(&scene, 10, 0);
        for number in 0..250 {
            let good = generator.good();
            let length = u16::try_from(good.len()).unwrap();
            let place = format!("packet {number}");
            let output = judge.frame(&good, &place);
            generator.note(&output);
            for at in 12..good.len().min(110) - 1 {
                let right = word(&good, at).unwrap();
                let near = [right.wrapping_sub(1), right.wrapping_add(1), length, length - 14];
                for wrong in [0, 1, 0x7fff, 0x8000, 0xff00, 0xffff].into_iter().chain(near) {
                    let mut frame = good.clone();
                    frame[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
                    judge.frame(&frame, &format!("{place}, {wrong:#06x} at {at}"));
                }
            }
        }
        judge.account();
    });
}

/// The loaded program, and an oracle that watches it.
struct Judge<'a> {
    kernel: Kernel,
    oracle: Oracle<'a>,
    seen: Vec<Seen>,
}

impl<'a> Judge<'a> {
    fn new(world: &'a World) -> Self {
        let object = std::fs::read(env!("LB_EBPF_OBJECT")).unwrap();
        let kernel = Kernel::load(&object, world).unwrap();
        Self { kernel, oracle: Oracle::new(world), seen: Vec::new() }
    }

    fn frame(&mut self, frame: &[u8], place: &str) -> Output {
        let output = self.kernel.run(frame).unwrap();
        match self.oracle.judge(frame, &output) {
            Ok(seen) => self.seen.push(seen),
            Err(problem) => panic!(
                "{place}: {problem}\n{}\n{:?} {}",
                hex(frame),
                output.action,
                hex(&output.frame)
            ),
        }
        output
    }

    /// Every packet has one reason, and of the kind that the oracle saw.
    fn account(self) -> ReasonCounts {
        let counted = self.kernel.reasons().unwrap();
        let saw = |seen| self.seen.iter().filter(|other| **other == seen).count() as u64;
        for reason in Reason::ALL.iter().filter(|reason| reason.outcome() == Outcome::Forwarded) {
            let count = counted.0[*reason as usize];
            assert_eq!(count, saw(Seen::Forwarded(*reason)), "{}", reason.name());
            assert!(count > 0, "no packet went {}", reason.name());
        }
        for outcome in [Outcome::Passed, Outcome::Dropped, Outcome::Answered] {
            let reasons = Reason::ALL.iter().filter(|reason| reason.outcome() == outcome);
            let count: u64 = reasons.map(|reason| counted.0[*reason as usize]).sum();
            assert_eq!(count, saw(Seen::Other(outcome)), "{}", outcome.word());
            assert!(count > 0, "no packet was {}", outcome.word());
        }
        assert_eq!(counted.0.iter().sum::<u64>(), self.seen.len() as u64);
        counted
    }
}
