use futures_util::TryStreamExt;
use lb_common::api::AttachMode;
use rtnetlink::{
    Handle,
    packet_route::link::{LinkAttribute, LinkXdp, XdpAttached},
};
use std::io;

/// An interface's XDP hook, as the kernel shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hook {
    pub(super) ifindex: u32,
    pub(super) mode: AttachMode,
    /// Id of the program on it.
    pub(super) program: Option<u32>,
}

/// Looks an interface up; none if there is no such interface.
pub(super) async fn look(netlink: &Handle, interface: &str) -> io::Result<Option<Hook>> {
    let mut found = netlink.link().get().match_name(interface.to_owned()).execute();
    let message = match found.try_next().await {
        Ok(Some(message)) => message,
        Ok(None) => return Ok(None),
        Err(rtnetlink::Error::NetlinkError(error))
            if error.to_io().raw_os_error() == Some(libc::ENODEV) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut hook =
        Hook { ifindex: message.header.index, mode: AttachMode::Detached, program: None };
    let attributes = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::Xdp(attributes) => Some(attributes),
        _ => None,
    });
    for attribute in attributes.flatten() {
        match attribute {
            LinkXdp::Attached(XdpAttached::SocketBuffer) => hook.mode = AttachMode::Generic,
            LinkXdp::Attached(XdpAttached::Driver | XdpAttached::Hardware) => {
                hook.mode = AttachMode::Native;
            }
            LinkXdp::ProgId(id) => hook.program = Some(*id),
            _ => {}
        }
    }
    Ok(Some(hook))
}
