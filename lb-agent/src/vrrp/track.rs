//! What a virtual router depends on, and what that makes of its priority, in keepalived's terms.

use super::OWNER;

/// Whether a tracked thing is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not known yet.
    Unknown,
    /// As it should be.
    Well,
    /// Not so.
    Failed,
}

/// What a virtual router may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Take part with this priority, 1 to 255.
    Priority(u8),
    /// Not take part: the tracked thing of this index failed, and its weight is 0.
    Fault(usize),
    /// Not start yet: of the tracked thing of this index nothing is known, and its weight is 0.
    Wait(usize),
}

/// The weights that there are: a greater one than the range of priorities means nothing.
pub const WEIGHTS: std::ops::RangeInclusive<i16> = -253..=253;

/// What a priority becomes by the weight and health of each tracked thing. Weights above 0 are
/// added while the thing is well, weights below 0 while it failed, and what comes out is kept
/// within 1..=254. That of an owner (255) stays. A thing of weight 0 has to be well.
pub fn standing(base: u8, tracked: impl IntoIterator<Item = (i16, Health)>) -> Standing {
    let mut priority = i32::from(base);
    let mut waits = None;
    for (index, (weight, health)) in tracked.into_iter().enumerate() {
        match (weight, health) {
            (0, Health::Failed) => return Standing::Fault(index),
            (0, Health::Unknown) => waits = waits.or(Some(index)),
            (1.., Health::Well) | (..0, Health::Failed) => {
                priority = priority.saturating_add(weight.into());
            }
            _ => {}
        }
    }
    match waits {
        Some(index) => Standing::Wait(index),
        None if base == OWNER => Standing::Priority(OWNER),
        None => Standing::Priority(priority.clamp(1, 254) as u8),
    }
}

/// The health of something by what is found again and again.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    rise: u32,
    fall: u32,
    health: Health,
    /// Findings in a row that speak against it.
    against: u32,
}

impl Watch {
    /// So many good findings in a row make a failed thing well, so many bad ones a well one fail.
    /// The first finding of all decides alone.
    pub fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, health: Health::Unknown, against: 0 }
    }

    /// How it is.
    pub fn health(&self) -> Health {
        self.health
    }

    /// Takes in a finding, and says whether the health is another.
    pub fn take_in(&mut self, well: bool) -> bool {
        let (found, needed) =
            if well { (Health::Well, self.rise) } else { (Health::Failed, self.fall) };
        if self.health == found {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        if self.health != Health::Unknown && self.against < needed {
            return false;
        }
        self.against = 0;
        self.health = found;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Health::*;

    #[test]
    fn weights() {
        for (base, tracked, expected) in [
            (100, vec![], Standing::Priority(100)),
            (100, vec![(2, Well)], Standing::Priority(102)),
            (100, vec![(2, Failed)], Standing::Priority(100)),
            (100, vec![(2, Unknown)], Standing::Priority(100)),
            (100, vec![(-20, Well)], Standing::Priority(100)),
            (100, vec![(-20, Failed)], Standing::Priority(80)),
            (100, vec![(-20, Unknown), (3, Well), (4, Well)], Standing::Priority(107)),
            (100, vec![(253, Well)], Standing::Priority(254)),
            (100, vec![(-253, Failed), (2, Well)], Standing::Priority(1)),
            (254, vec![(10, Well), (-5, Failed)], Standing::Priority(254)),
            (100, vec![(2, Well), (0, Failed)], Standing::Fault(1)),
            (100, vec![(0, Unknown), (0, Unknown)], Standing::Wait(0)),
            (100, vec![(0, Unknown), (0, Failed)], Standing::Fault(1)),
            (100, vec![(0, Well)], Standing::Priority(100)),
            (OWNER, vec![(-20, Failed), (20, Well)], Standing::Priority(OWNER)),
            (OWNER, vec![(0, Failed)], Standing::Fault(0)),
        ] {
            assert_eq!(standing(base, tracked.clone()), expected, "{base} {tracked:?}");
        }
    }

    #[test]
    fn rise_and_fall() {
        for (findings, expected) in [("+--+---+-++", "++++++----+"), ("-+-++-", "----++")] {
            let mut watch = Watch::new(2, 3);
            assert_eq!(watch.health(), Unknown);
            for (finding, expected) in findings.chars().zip(expected.chars()) {
                let before = watch.health();
                assert_eq!(watch.take_in(finding == '+'), watch.health() != before);
                let health = if expected == '+' { Well } else { Failed };
                assert_eq!(watch.health(), health, "{findings}");
            }
        }
    }
}
