use super::{Candidate, table};
use lb_common::{abi::ServiceKey, api::Scheduler};
use std::{collections::HashMap, sync::Arc};

/// Tables by service, so that an event which changes no weight computes none.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<ServiceKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    scheduler: Scheduler,
    maglev_size: Option<u32>,
    servers: Vec<Candidate>,
    table: Arc<[u32]>,
}

impl Cache {
    /// What [`table`] says of a service: as it was the last time, if nothing changed since.
    pub fn table(
        &mut self,
        key: ServiceKey,
        scheduler: Scheduler,
        maglev_size: Option<u32>,
        servers: Vec<Candidate>,
    ) -> Arc<[u32]> {
        if let Some(entry) = self.entries.get(&key)
            && entry.scheduler == scheduler
            && entry.maglev_size == maglev_size
            && entry.servers == servers
        {
            return entry.table.clone();
        }
        let table: Arc<[u32]> = table(scheduler, maglev_size, &servers).into();
        let entry = Entry { scheduler, maglev_size, servers, table: table.clone() };
        self.entries.insert(key, entry);
        table
    }

    /// Forgets the services that are not wanted any more.
    pub fn retain(&mut self, mut wanted: impl FnMut(&ServiceKey) -> bool) {
        self.entries.retain(|key, _| wanted(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::abi::{Address, protocol};

    #[test]
    fn computes_again_only_what_changed() {
        let key = ServiceKey::new(Address::from_v4([192, 0, 2, 1]), 80, protocol::TCP);
        let servers = |weight| {
            vec![
                Candidate { address: ([10, 0, 0, 1], 80).into(), weight: 1 },
                Candidate { address: ([10, 0, 0, 2], 80).into(), weight },
            ]
        };
        let mut cache = Cache::default();
        let first = cache.table(key, Scheduler::Wrr, None, servers(2));
        let same = cache.table(key, Scheduler::Wrr, None, servers(2));
        assert!(Arc::ptr_eq(&first, &same));
        assert_eq!(*cache.table(key, Scheduler::Wrr, None, servers(1)), [0, 1]);
        assert_eq!(cache.table(key, Scheduler::Mh, Some(7), servers(1)).len(), 7);
        assert_eq!(cache.table(key, Scheduler::Mh, Some(11), servers(1)).len(), 11);

        cache.retain(|_| false);
        assert!(cache.entries.is_empty());
    }
}
