use super::check::{Check, Probe};
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
};

/// A server and how it is checked: what one result is about. Two are equal if the same address is
/// asked the same, as often and as strictly; what a server counts as before its first result
/// ([`Check::initial`]) makes no difference.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    check: Arc<Check>,
    digest: u64,
}

impl Target {
    /// The check of a server, given the server's own address.
    pub fn new(server: SocketAddr, check: &Arc<Check>) -> Self {
        let address = check.target(server);
        let mut hasher = DefaultHasher::new();
        (address, what_counts(check)).hash(&mut hasher);
        Self { address, check: check.clone(), digest: hasher.finish() }
    }

    /// The address that is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it is asked.
    pub fn check(&self) -> &Arc<Check> {
        &self.check
    }

    /// A number that equal targets share, from run to run of the agent.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.address == other.address
            && (Arc::ptr_eq(&self.check, &other.check)
                || what_counts(&self.check) == what_counts(&other.check))
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

/// What tells checks of one address apart. Their own address and port are in that address.
fn what_counts(check: &Check) -> impl Eq + Hash {
    let Check { probe, interval, timeout, rise, fall, initial: _, address: _, port: _ } = check;
    (probe, *interval, *timeout, *rise, *fall)
}

/// In words, like `http GET /check.txt on 192.0.2.11:80 every 2s`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match &self.check.probe {
            Probe::Tcp => write!(f, "tcp on {address}")?,
            Probe::Http(http) => {
                let scheme = if http.tls.is_some() { "https" } else { "http" };
                write!(f, "{scheme} {} {} on {address}", http.method, http.path)?;
            }
            Probe::Smtp(_) => write!(f, "smtp on {address}")?,
            Probe::Dns(dns) => write!(f, "dns {} {} on {address}", dns.record, dns.name)?,
            Probe::Udp(_) => write!(f, "udp on {address}")?,
            Probe::Ping => write!(f, "ping on {}", address.ip())?,
            Probe::Exec(exec) => write!(f, "exec {} for {address}", exec.command.join(" "))?,
        }
        write!(f, " every {:?}", self.check.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{Http, HttpVersion, Tls};
    use super::*;
    use lb_common::api::Verdict;
    use std::{collections::HashSet, time::Duration};

    fn check(probe: Probe) -> Check {
        Check {
            probe,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            initial: Verdict::Down,
            address: None,
            port: None,
        }
    }

    fn http(tls: Option<Tls>) -> Probe {
        Probe::Http(Http {
            tls,
            method: "GET".to_owned(),
            path: "/check.txt".to_owned(),
            host: None,
            version: HttpVersion::V11,
            status: vec![200..=299],
            body: None,
        })
    }

    fn target(server: &str, check: Check) -> Target {
        Target::new(server.parse().unwrap(), &Arc::new(check))
    }

    #[test]
    fn it_is_told_in_words() {
        let words = |server, check| target(server, check).to_string();
        let other_end = Check {
            address: Some("2001:db8::1".parse().unwrap()),
            port: Some(8080),
            interval: Duration::from_millis(500),
            ..check(http(Some(Tls::default())))
        };
        assert_eq!(
            words("192.0.2.11:80", check(http(None))),
            "http GET /check.txt on 192.0.2.11:80 every 2s"
        );
        assert_eq!(
            words("192.0.2.11:80", other_end),
            "https GET /check.txt on [2001:db8::1]:8080 every 500ms"
        );
        assert_eq!(words("192.0.2.11:80", check(Probe::Ping)), "ping on 192.0.2.11 every 2s");
    }

    #[test]
    fn what_is_asked_makes_the_difference() {
        let tcp = || check(Probe::Tcp);
        let one = target("192.0.2.1:80", tcp());
        let same = [
            target("192.0.2.1:80", tcp()),
            target("192.0.2.1:80", Check { initial: Verdict::Up, ..tcp() }),
            target("192.0.2.1:443", Check { port: Some(80), ..tcp() }),
            target("192.0.2.9:80", Check { address: "192.0.2.1".parse().ok(), ..tcp() }),
        ];
        for same in &same {
            assert_eq!(same, &one);
        }
        assert_eq!(same.into_iter().collect::<HashSet<_>>(), HashSet::from([one.clone()]));
        let others = [
            target("192.0.2.1:81", tcp()),
            target("192.0.2.2:80", tcp()),
            target("192.0.2.1:80", check(Probe::Ping)),
            target("192.0.2.1:80", Check { interval: Duration::from_secs(3), ..tcp() }),
            target("192.0.2.1:80", Check { timeout: Duration::from_secs(2), ..tcp() }),
            target("192.0.2.1:80", Check { rise: 1, ..tcp() }),
            target("192.0.2.1:80", Check { fall: 1, ..tcp() }),
        ];
        for other in others {
            assert_ne!(other, one);
        }
    }
}
