use crate::{
    config::{FALLBACK, Server, Service},
    netlink::{Resolution, Via},
};
use lb_common::api::{Mode, ServerState};

/// The way to a server, judged by the service's mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Not looked up yet.
    Unknown,
    /// The server is this director, and its own stack takes the packet as it is.
    Local,
    /// Over a link; the next hop's link-layer address may be missing still.
    Via(&'a Via),
    /// None: in words, why not.
    Unusable(String),
}

impl Way<'_> {
    /// What an operator is told of a server that stands so and is reached this way.
    pub fn state(&self, standing: ServerState) -> ServerState {
        match (standing, self) {
            (ServerState::Disabled | ServerState::Down, _) => standing,
            (_, Self::Unusable(_)) => ServerState::Unreachable,
            (ServerState::Up, Self::Local) => ServerState::Local,
            (ServerState::Up | ServerState::SlowStart, Self::Unknown) => ServerState::Unresolved,
            (ServerState::Up | ServerState::SlowStart, Self::Via(via))
                if via.next_hop_mac.is_none() =>
            {
                ServerState::Unresolved
            }
            _ => standing,
        }
    }
}

/// What a resolution means for a member of a service.
pub fn way<'a>(service: &Service, server: &Server, resolution: Option<&'a Resolution>) -> Way<'a> {
    match (resolution, service.mode) {
        (None, _) => Way::Unknown,
        (Some(Resolution::Unreachable(words)), _) => Way::Unusable(words.clone()),
        (Some(Resolution::Local), Mode::Nat) if server.name != FALLBACK => Way::Unusable(
            "the address is this director's own: nat needs a server on another machine".into(),
        ),
        (Some(Resolution::Local), _) => Way::Local,
        (Some(Resolution::Via(via)), mode) => match (mode, via.gateway, via.source) {
            (Mode::Dr, Some(gateway), _) => Way::Unusable(format!(
                "it is behind the gateway {gateway}: dr needs a server on the director's own link"
            )),
            (Mode::Tunnel, _, None) => Way::Unusable(format!(
                "{} has no address to send tunnel packets from",
                via.interface
            )),
            _ => Way::Via(via),
        },
    }
}
