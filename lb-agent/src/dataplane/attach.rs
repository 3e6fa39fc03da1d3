use super::{
    Dataplane, Error,
    hook::{self, Hook},
    load::xdp,
    pins::{self, Folder},
};
use aya::programs::{
    ProgramError, XdpMode,
    links::{FdLink, PinnedLink},
    xdp::XdpLink,
};
use lb_common::api::AttachMode;
use rtnetlink::Handle;
use std::io;
use tracing::{info, warn};

/// What became of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub interface: String,
    /// How the program is attached.
    pub mode: AttachMode,
    /// Whether it was put on only now: neither it nor one before it was on the interface.
    pub anew: bool,
    /// What an operator should know, in words.
    pub problem: Option<String>,
    /// With the generic hook: the interfaces below it, which should not merge frames.
    pub below: Vec<String>,
}

impl Dataplane {
    /// Puts the loaded program on these interfaces and takes it off all others. An interface that
    /// has a program of ours already gets the new one without a packet between them; natively
    /// where the driver can, else in the generic hook.
    ///
    /// Doing it again repairs what went missing, such as an interface that was made anew.
    pub async fn attach(
        &mut self,
        netlink: &Handle,
        interfaces: &[String],
    ) -> Result<Vec<Attached>, Error> {
        let pins = |path, source| Error::Pins { path, source };
        let path = self.folder.path().to_owned();
        let others = self.folder.of_other_versions().map_err(|e| pins(path.clone(), e))?;
        // First, so that an interface which has another name now is free.
        for interface in self.folder.interfaces().map_err(|e| pins(path.clone(), e))? {
            if !interfaces.contains(&interface) {
                info!(interface, "detached: no longer configured");
                pins::remove(&self.folder.link(&interface)).map_err(|e| pins(path.clone(), e))?;
            }
        }
        let mut attached = Vec::new();
        for interface in interfaces {
            attached.push(self.attach_one(netlink, interface, &others).await?);
        }
        for folder in &others {
            info!(folder = %folder.path().display(), "removed what another version left");
            super::remove(folder)?;
        }
        Ok(attached)
    }

    async fn attach_one(
        &mut self,
        netlink: &Handle,
        interface: &str,
        others: &[Folder],
    ) -> Result<Attached, Error> {
        let detached = |problem| Attached {
            interface: interface.to_owned(),
            mode: AttachMode::Detached,
            anew: false,
            problem: Some(problem),
            below: Vec::new(),
        };
        let Some(hook) = hook::look(netlink, interface).await.map_err(Error::Netlink)? else {
            return Ok(detached(format!("there is no interface {interface}")));
        };
        let mut anew = false;
        let mode = if hook.program == Some(self.program_id) {
            hook.mode
        } else if let Some(mode) = self.adopt(netlink, interface, others).await? {
            info!(interface, %mode, "took over from the program before");
            mode
        } else {
            match self.attach_anew(interface, hook) {
                Ok(mode) => {
                    info!(interface, %mode, "attached");
                    anew = true;
                    mode
                }
                Err(error) => {
                    return Ok(detached(format!(
                        "the XDP program cannot be attached to {interface}: {error}"
                    )));
                }
            }
        };
        let mut attached = Attached {
            interface: interface.to_owned(),
            mode,
            anew,
            problem: None,
            below: Vec::new(),
        };
        if mode == AttachMode::Generic {
            attached.problem = Some(format!(
                "{interface} has the generic XDP hook: its driver knows no native one, so it is \
                 slow"
            ));
            attached.below = hook::below(netlink, hook.ifindex).await.map_err(Error::Netlink)?;
        }
        Ok(attached)
    }

    /// Swaps the program on a link that is pinned, of this version or another. None if there is
    /// no such link, or it leads to an interface that is gone or has another name now.
    async fn adopt(
        &mut self,
        netlink: &Handle,
        interface: &str,
        others: &[Folder],
    ) -> Result<Option<AttachMode>, Error> {
        let pin = self.folder.link(interface);
        let own = [self.folder.clone()];
        for folder in own.iter().chain(others) {
            let found = folder.link(interface);
            let Ok(link) = PinnedLink::from_pin(&found) else {
                continue;
            };
            if let Err(error) = self.swap(link) {
                warn!(interface, %error, "the pinned link is of no use");
            } else {
                let hook = hook::look(netlink, interface).await.map_err(Error::Netlink)?;
                if let Some(hook) = hook.filter(|hook| hook.program == Some(self.program_id)) {
                    if found != pin {
                        let link = PinnedLink::from_pin(&found).map(FdLink::from);
                        link.map_err(io::Error::other)
                            .and_then(|link| link.pin(&pin).map_err(io::Error::other))
                            .map_err(|source| Error::Pins { path: pin.clone(), source })?;
                    }
                    return Ok(Some(hook.mode));
                }
            }
            pins::remove(&found).map_err(|source| Error::Pins { path: found, source })?;
        }
        Ok(None)
    }

    fn swap(&mut self, link: PinnedLink) -> io::Result<()> {
        let link = XdpLink::try_from(FdLink::from(link)).map_err(io::Error::other)?;
        let program = xdp(&mut self.ebpf).map_err(words)?;
        let id = program.attach_to_link(link).map_err(words)?;
        // The pin keeps the link: this end of it may go.
        program.take_link(id).map(drop).map_err(words)
    }

    fn attach_anew(&mut self, interface: &str, hook: Hook) -> io::Result<AttachMode> {
        if let Some(id) = hook.program {
            return Err(io::Error::other(format!(
                "another XDP program (id {id}) is on it; take that off first"
            )));
        }
        let reason = match self.attach_and_pin(interface, hook.ifindex, XdpMode::Driver) {
            Ok(()) => return Ok(AttachMode::Native),
            Err(reason) => reason,
        };
        warn!(interface, %reason, "no native XDP; trying the generic hook");
        self.attach_and_pin(interface, hook.ifindex, XdpMode::Skb)?;
        Ok(AttachMode::Generic)
    }

    fn attach_and_pin(&mut self, interface: &str, ifindex: u32, mode: XdpMode) -> io::Result<()> {
        let pin = self.folder.link(interface);
        pins::remove(&pin)?;
        let program = xdp(&mut self.ebpf).map_err(words)?;
        let link = program.attach_to_if_index(ifindex, mode).map_err(words)?;
        let link = program.take_link(link).map_err(words)?;
        let link = FdLink::try_from(link).map_err(io::Error::other)?;
        link.pin(&pin).map(drop).map_err(io::Error::other)
    }
}

/// aya's messages leave out what the kernel said.
fn words(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}
