use futures_util::TryStreamExt;
use lb_common::api::AttachMode;
use rtnetlink::{
    Handle,
    packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage, LinkXdp, XdpAttached},
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

/// Names of the interfaces, in this network namespace, that an interface gets its frames from: the
/// one below a VLAN or macvlan interface, the ports of a bridge or bond, and so on down.
pub(super) async fn below(netlink: &Handle, ifindex: u32) -> io::Result<Vec<String>> {
    let links = netlink.link().get().execute();
    let links: Vec<LinkMessage> = links.try_collect().await.map_err(io::Error::other)?;
    let mut found = vec![ifindex];
    let mut next = 0;
    while let Some(&upper) = found.get(next) {
        next += 1;
        let lower = links.iter().find(|link| link.header.index == upper).and_then(lower);
        let ports = links.iter().filter(|link| controller(link) == Some(upper));
        let all = lower.into_iter().chain(ports.map(|link| link.header.index));
        for index in all.collect::<Vec<_>>() {
            if !found.contains(&index) {
                found.push(index);
            }
        }
    }
    let name = |index: &u32| links.iter().find(|link| link.header.index == *index).and_then(name);
    Ok(found[1..].iter().filter_map(name).collect())
}

/// The interface below, if it is in the same namespace. A veth names its other end instead.
fn lower(link: &LinkMessage) -> Option<u32> {
    let mut lower = None;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::Link(index) => lower = Some(*index),
            LinkAttribute::LinkNetNsId(_) => return None,
            LinkAttribute::LinkInfo(info) if info.contains(&LinkInfo::Kind(InfoKind::Veth)) => {
                return None;
            }
            _ => {}
        }
    }
    lower
}

fn controller(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(index) => Some(*index),
        _ => None,
    })
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}
