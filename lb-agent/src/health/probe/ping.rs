//! ICMP echo (RFC 792, RFC 4443).

use super::{Outcome, words};
use socket2::Type;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};

/// One socket per family, made when it is needed first.
#[derive(Default)]
pub(super) struct Pings {
    v4: Mutex<Option<Client>>,
    v6: Mutex<Option<Client>>,
    /// Counts requests. The lower half is a request's sequence number, the upper half moves its
    /// identifier on: no two within 2^32 are alike.
    next: AtomicU32,
}

impl Pings {
    /// Asks once. Beyond `limit` nobody waits any more.
    pub(super) async fn run(&self, target: SocketAddr, limit: Duration) -> Outcome {
        let (kind, slot) = match target.ip() {
            IpAddr::V4(_) => (ICMP::V4, &self.v4),
            IpAddr::V6(_) => (ICMP::V6, &self.v6),
        };
        let client = client(kind, slot).map_err(|error| words::io(&error))?;
        // A redirect uses up the request that it is about, and says nothing of the host.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let identifier = own().wrapping_add((next >> 16) as u16);
            let mut pinger = client.pinger(target.ip(), PingIdentifier(identifier)).await;
            if let SocketAddr::V6(target) = target {
                pinger.scope_id(target.scope_id());
            }
            // The caller's limit comes first.
            pinger.timeout(limit.saturating_mul(2));
            match pinger.ping(PingSequence(next as u16), &PAYLOAD).await {
                Ok((packet, _)) => {
                    if let Some(outcome) = judge(&packet) {
                        return outcome;
                    }
                }
                Err(SurgeError::IdenticalRequests { .. }) => {}
                Err(SurgeError::Timeout { .. }) => return Err("no answer".to_owned()),
                Err(SurgeError::IOError(error)) => return Err(words::io(&error)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("redirected again and again".to_owned())
    }
}

impl fmt::Debug for Pings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pings").finish_non_exhaustive()
    }
}

/// As much as ping(8) sends.
const PAYLOAD: [u8; 56] = [0; 56];

/// The first identifier: the process's number, as other programs that ping take theirs.
fn own() -> u16 {
    std::process::id() as u16
}

/// A raw socket, since only that one hears of unreachable hosts.
fn client(kind: ICMP, slot: &Mutex<Option<Client>>) -> io::Result<Client> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = &*slot {
        return Ok(client.clone());
    }
    let client = Client::new(&Config::builder().kind(kind).sock_type_hint(Type::RAW).build())?;
    Ok(slot.insert(client).clone())
}

/// What an ICMP message says of the request that it answers; nothing if that is still open.
fn judge(packet: &IcmpPacket) -> Option<Outcome> {
    /// Types of RFC 792 and of RFC 4443.
    const REPLY: [u8; 2] = [0, 129];
    const UNREACHABLE: [u8; 2] = [3, 1];
    const TIME_EXCEEDED: [u8; 2] = [11, 3];
    let (kind, family) = match packet {
        IcmpPacket::V4(packet) => (packet.get_icmp_type().0, 0),
        IcmpPacket::V6(packet) => (packet.get_icmpv6_type().0, 1),
    };
    match kind {
        _ if kind == REPLY[family] => Some(Ok("answered".to_owned())),
        _ if kind == UNREACHABLE[family] => Some(Err("host unreachable".to_owned())),
        _ if kind == TIME_EXCEEDED[family] => Some(Err("time to live exceeded".to_owned())),
        _ => None,
    }
}
