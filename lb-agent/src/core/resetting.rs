use crate::{plan::Observed, sweep::Place};
use lb_common::abi::{Server, server_flags};
use std::collections::{BTreeMap, HashSet};

/// The servers whose connections are being reset, by the maps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resetting {
    /// Generations by index.
    servers: BTreeMap<u32, u32>,
}

impl Resetting {
    /// What the maps hold.
    pub(super) fn of(observed: &Observed) -> Self {
        let mut resetting = Self::default();
        for (index, server) in observed.present() {
            resetting.follow(index, server);
        }
        resetting
    }

    /// Takes in what was written into the servers map; returns whether that changes anything.
    pub(super) fn follow(&mut self, index: u32, server: &Server) -> bool {
        const BOTH: u8 = server_flags::PRESENT | server_flags::RESETS;
        if server.flags & BOTH == BOTH {
            self.servers.insert(index, server.generation) != Some(server.generation)
        } else {
            self.servers.remove(&index).is_some()
        }
    }

    pub(super) fn places(&self) -> HashSet<Place> {
        self.servers.iter().map(|(index, generation)| (*index, *generation)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn follows_what_is_written() {
        let server = |flags, generation| Server { flags, generation, ..Server::new_zeroed() };
        let resets = server_flags::PRESENT | server_flags::RESETS;
        let mut resetting = Resetting::default();
        assert!(!resetting.follow(1, &server(server_flags::PRESENT, 1)));
        assert!(resetting.follow(1, &server(resets, 1)));
        assert!(!resetting.follow(1, &server(resets, 1)), "the same once more");
        assert!(resetting.follow(1, &server(resets, 2)), "another server in its place");
        assert_eq!(resetting.places(), [(1, 2)].into());
        assert!(resetting.follow(1, &server(server_flags::RESETS, 2)), "it is gone");
        assert_eq!(resetting, Resetting::default());
    }
}
