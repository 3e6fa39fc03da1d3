//! What interfaces' drivers must not do, and what couldn't be changed about them.

use crate::{dataplane::Attached, host};
use lb_common::api::AttachMode;
use std::collections::BTreeMap;
use tracing::{info, warn};

/// By interface and what it was to be changed for: what its driver does wrong.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<(String, &'static str), String>);

impl Faults {
    /// Changes what must be changed for a program that was attached.
    pub(super) fn prepare(&mut self, attached: &Attached) {
        if attached.mode != AttachMode::Detached {
            let interface = &attached.interface;
            let done = "turned off, so that VLAN tags stay in the frames";
            self.note(interface, host::keep_vlan_tags(interface), done);
        }
        for interface in &attached.below {
            let done = "turned off, so that the generic XDP hook above it gets frames one by one";
            self.note(interface, host::keep_frames_apart(interface), done);
        }
    }

    /// The faults in words.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.0.values().cloned()
    }

    /// Says what was done to an interface's features, and remembers what couldn't be.
    fn note(
        &mut self,
        interface: &str,
        outcome: Result<Vec<&'static str>, host::Error>,
        done: &'static str,
    ) {
        let place = (interface.to_owned(), done);
        self.0.remove(&place);
        match outcome {
            Ok(turned_off) => {
                for feature in turned_off {
                    info!(interface, feature, "{done}");
                }
            }
            Err(error) => {
                warn!("{error}");
                self.0.insert(place, error.to_string());
            }
        }
    }
}
