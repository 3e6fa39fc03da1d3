use super::Op;
use lb_common::abi::{Address, Link, Server, Service, ServiceKey, Sources, server_flags};
use std::collections::{BTreeMap, HashMap};

/// The maps' content as far as the agent writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// How many services there may be. The map has room for each one's fragments besides.
    pub service_capacity: u32,
    /// The services map.
    pub services: HashMap<ServiceKey, Service>,
    /// The servers map, whole; of entries that are not present only the generation matters.
    pub servers: Vec<Server>,
    /// How many slots there are.
    pub slot_capacity: u32,
    /// The slots map from its beginning; it may end where no service uses the rest, and only the
    /// slots that services use matter.
    pub slots: Vec<u32>,
    /// How many links there may be.
    pub link_capacity: u32,
    /// The links map.
    pub links: BTreeMap<u32, Link>,
    /// The sources map.
    pub sources: Box<Sources>,
}

/// What makes a server the same one as before: the service's id, its own address and port.
pub type ServerIdentity = (u32, Address, u16);

impl Observed {
    /// The servers that are present, with their indexes.
    pub fn present(&self) -> impl Iterator<Item = (u32, &Server)> {
        let numbered = self.servers.iter().zip(0..).map(|(server, index)| (index, server));
        numbered.filter(|(_, server)| server.flags & server_flags::PRESENT != 0)
    }

    /// The indexes of the servers that are present.
    pub fn indexes(&self) -> HashMap<ServerIdentity, u32> {
        let mut indexes = HashMap::new();
        for (index, server) in self.present() {
            indexes.entry((server.service, server.address, server.port)).or_insert(index);
        }
        indexes
    }

    /// The slots of a service; none if the entry points beyond the map.
    pub fn table(&self, service: &Service) -> Option<&[u32]> {
        let start = service.table as usize;
        self.slots.get(start..start.checked_add(service.slots as usize)?)
    }

    /// Whether another image has the same in all that matters.
    pub fn agrees(&self, other: &Self) -> bool {
        self.services == other.services
            && self.servers == other.servers
            && self.links == other.links
            && self.sources == other.sources
            && self.services.values().all(|service| self.table(service) == other.table(service))
    }

    /// Does to this image what an operation does to the maps.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::ResetService { .. } | Op::ResetServer { .. } | Op::Settle => {}
            Op::WriteServer { index, value } => {
                if let Some(server) = self.servers.get_mut(*index as usize) {
                    *server = *value;
                }
            }
            Op::WriteTable { start, slots } => {
                let run = *start as usize..*start as usize + slots.len();
                if run.end > self.slots.len() && run.end <= self.slot_capacity as usize {
                    self.slots.resize(run.end, 0);
                }
                if let Some(image) = self.slots.get_mut(run) {
                    image.copy_from_slice(slots);
                }
            }
            Op::WriteService { key, value } => {
                self.services.insert(*key, *value);
            }
            Op::RemoveService { key } => {
                self.services.remove(key);
            }
            Op::WriteLink { ifindex, value } => {
                self.links.insert(*ifindex, *value);
            }
            Op::RemoveLink { ifindex } => {
                self.links.remove(ifindex);
            }
            Op::WriteSources(sources) => self.sources = sources.clone(),
        }
    }
}
