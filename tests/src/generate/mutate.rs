use super::Random;
use super::view::View;

/// Where headers are: bytes behind these are mere data.
const HEADERS: usize = 120;
/// Numbers that lie about lengths.
const LIES: [u16; 10] = [0, 1, 7, 8, 19, 20, 0x7fff, 0x8000, 0xfff8, 0xffff];
/// Shortest frame that a test run takes.
pub(super) const SHORTEST: usize = 14;
/// Longest frame that a test run takes, with all room around it.
const LONGEST: usize = 3400;

/// Spoils a frame in one to three ways.
pub fn mutate(random: &mut Random, frame: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        once(random, frame);
    }
}

fn once(random: &mut Random, frame: &mut Vec<u8>) {
    let at = random.below(frame.len().min(HEADERS));
    match random.below(10) {
        0..3 => frame[at] ^= 1 << random.below(8),
        3 => frame[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
        4 => frame[at] = random.byte(),
        5 => frame.truncate(SHORTEST + random.below(frame.len() + 1 - SHORTEST)),
        6 => {
            let more = random.below(200).min(LONGEST.saturating_sub(frame.len()));
            frame.extend(random.bytes(more));
        }
        7 | 8 => lie(random, frame),
        _ => overlap(random, frame),
    }
}

/// Writes a wrong number into a length field, or into what says where fields are.
fn lie(random: &mut Random, frame: &mut [u8]) {
    let Some(view) = View::of(frame) else { return };
    let (l3, l4) = (view.l3, view.l4);
    let is_v4 = view.source.is_ipv4();
    let near = (frame.len() - l3) as i64 + random.below(17) as i64 - 8;
    let value = if random.chance(50) { *random.pick(&LIES) } else { near as u16 };
    let at = match (random.below(5), is_v4) {
        (0, true) => l3 + 2,
        (0, false) => l3 + 4,
        (1, true) => {
            frame[l3] = random.byte() & 0x0f | 0x40;
            return;
        }
        // The length of the first extension header, and its fragment offset or segments left.
        (1, false) => l3 + 41,
        (2, _) => l4 + 4,
        (3, _) => l4 + 12,
        // Fragment offset.
        (_, true) => l3 + 6,
        (_, false) => l3 + 42,
    };
    if let Some(field) = frame.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Copies one part over another.
fn overlap(random: &mut Random, frame: &mut [u8]) {
    let headers = frame.len().min(HEADERS);
    let length = 1 + random.below(headers.min(40));
    let from = random.below(headers - length + 1);
    let to = random.below(headers - length + 1);
    frame.copy_within(from..from + length, to);
}
