use super::Observed;
use lb_common::abi::{Service, ServiceKey};
use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

/// What the entries of the services map say of each other.
pub(super) struct Survey {
    /// Services (not entries for fragments) to build on: nobody else has their id or any of
    /// their slots. All others get new ones.
    pub(super) sound: HashMap<ServiceKey, Service>,
    /// Slots that any entry names.
    pub(super) used: Vec<Range<u32>>,
}

impl Survey {
    pub(super) fn new(observed: &Observed) -> Self {
        let mut sound: HashMap<ServiceKey, Service> = HashMap::new();
        let mut ids = HashMap::new();
        for (key, service) in observed.services.iter().filter(|(key, _)| key.port != 0) {
            *ids.entry(service.id).or_insert(0) += 1;
            if service.id < observed.service_capacity && observed.table(service).is_some() {
                sound.insert(*key, *service);
            }
        }
        sound.retain(|_, service| ids[&service.id] == 1);

        let own: HashSet<_> =
            sound.iter().map(|(key, service)| (key.for_fragments(), run(service))).collect();
        let mut runs: Vec<(Range<u32>, ServiceKey)> = observed
            .services
            .iter()
            .filter(|(_, service)| service.slots > 0 && observed.table(service).is_some())
            .map(|(key, service)| (run(service), *key))
            .filter(|(run, key)| key.port != 0 || !own.contains(&(*key, run.clone())))
            .collect();
        runs.sort_unstable_by_key(|(run, _)| run.start);
        for overlapping in overlaps(&runs) {
            for (_, key) in overlapping {
                sound.remove(key);
            }
        }
        Self { sound, used: runs.into_iter().map(|(run, _)| run).collect() }
    }
}

/// The slots of a service.
pub(super) fn run(service: &Service) -> Range<u32> {
    service.table..service.table + service.slots
}

/// Of runs in the order of their starts, those that overlap, together.
fn overlaps<T>(runs: &[(Range<u32>, T)]) -> Vec<&[(Range<u32>, T)]> {
    let mut overlaps = Vec::new();
    let (mut first, mut end) = (0, 0);
    for (position, (run, _)) in runs.iter().enumerate() {
        if run.start >= end {
            overlaps.push(&runs[first..position]);
            first = position;
        }
        end = end.max(run.end);
    }
    overlaps.push(&runs[first..]);
    overlaps.retain(|runs| runs.len() > 1);
    overlaps
}

#[cfg(test)]
mod tests {
    use super::overlaps;

    #[test]
    fn overlapping_runs_are_found_together() {
        let runs = [(0..4, 'a'), (4..9, 'b'), (5..6, 'c'), (8..10, 'd'), (10..11, 'e')];
        assert_eq!(overlaps(&runs), [&runs[1..4]]);
        assert!(overlaps::<char>(&[]).is_empty());
        assert_eq!(overlaps(&[(3..5, 'a'), (3..5, 'b')]).len(), 1);
    }
}
