use super::{Error, pins::Folder, sys};
use aya::maps::{MapData, MapError};
use lb_common::abi::{Flow, FlowKey, map};
use std::os::fd::AsFd;

/// The flow maps, for reading beside everything else.
pub struct Flows {
    maps: [(MapData, &'static str); 2],
}

impl Flows {
    pub(super) fn open(folder: &Folder) -> Result<Self, Error> {
        let open = |name| match MapData::from_pin(folder.map(name)) {
            Ok(map) => Ok((map, name)),
            Err(source) => Err(Error::Map { name, source }),
        };
        Ok(Self { maps: [open(map::FLOWS)?, open(map::HALF_OPEN)?] })
    }

    /// Visits the flows that are not forgotten at `now`, see [`super::now`].
    pub fn visit(&self, now: u32, mut each: impl FnMut(&FlowKey, &Flow)) -> Result<(), Error> {
        for (map, name) in &self.maps {
            let visit = |key: &FlowKey, flow: &Flow| {
                if !flow.expired(now) {
                    each(key, flow);
                }
            };
            sys::visit(map.fd().as_fd(), visit)
                .map_err(|error| Error::Map { name, source: MapError::IoError(error) })?;
        }
        Ok(())
    }
}
