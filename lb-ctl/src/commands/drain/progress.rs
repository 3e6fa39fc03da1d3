//! What is known of a drain from looking at its servers again and again.

use super::host;
use crate::failure::Failure;
use crate::time::duration;
use lb_common::api::{AdminState, Server};
use serde::Serialize;
use std::time::Duration;

/// How a drain stands; one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Seconds since it began.
    pub elapsed: u64,
    /// Connections that are left.
    pub active: u64,
    /// Seconds until these are reset, where there is a deadline.
    pub deadline: Option<u64>,
    /// Whether it is over.
    pub drained: bool,
    /// Connections that were left at the deadline.
    pub reset: u64,
}

impl Report {
    /// Whether there is more to say than that time goes by.
    pub(super) fn differs(&self, later: &Self) -> bool {
        (self.active, self.drained) != (later.active, later.drained)
    }

    pub(super) fn words(&self, what: &str) -> String {
        let elapsed = duration(self.elapsed);
        if self.drained {
            return match self.reset {
                0 => format!("{what}: drained after {elapsed}"),
                reset => format!("{what}: drained after {elapsed}, {} reset", were(reset)),
            };
        }
        let deadline = match self.deadline {
            Some(left) => format!(", reset in {}", duration(left)),
            None => String::new(),
        };
        format!("{what}: {} left{deadline}", connections(self.active))
    }
}

/// Follows a drain.
pub(super) struct Progress<'a> {
    what: &'a str,
    /// Seconds from the beginning.
    deadline: Option<u64>,
    /// Connections that were left the last time when some were.
    left: u64,
}

/// So long after the deadline, an agent that no longer counts down has reset what was left, even if
/// its table doesn't show that yet.
const GRACE: u64 = 2;

impl<'a> Progress<'a> {
    pub(super) fn new(what: &'a str, deadline: Option<u32>) -> Self {
        Self { what, deadline: deadline.map(u64::from), left: 0 }
    }

    /// Takes in what the servers are like after `elapsed`.
    ///
    /// # Errors
    /// Somebody has ended the drain, or there is nothing to drain.
    pub(super) fn look(
        &mut self,
        servers: &[Server],
        elapsed: Duration,
    ) -> Result<Report, Failure> {
        if servers.is_empty() {
            return Err(Failure::Refused(host::nobody(self.what)));
        }
        if let Some(server) = servers.iter().find(|server| server.admin != AdminState::Drained) {
            let (service, name, admin) = (&server.service, &server.name, server.admin);
            let message = format!("{service}/{name} is {admin} now: somebody ended the drain");
            return Err(Failure::Refused(message));
        }
        let elapsed = elapsed.as_secs();
        let active: u64 = servers.iter().map(|server| server.active).sum();
        let deadline = servers.iter().filter_map(|server| server.deadline).max();
        let after = |grace| self.deadline.is_some_and(|deadline| elapsed >= deadline + grace);
        let counted_down = after(GRACE) && deadline.unwrap_or(0) == 0;
        let drained = active == 0 || counted_down;
        if active > 0 {
            self.left = active;
        }
        let reset = if drained && after(0) { self.left } else { 0 };
        let active = if drained { 0 } else { active };
        Ok(Report { elapsed, active, deadline, drained, reset })
    }

    /// It isn't over in the time that was given to it.
    pub(super) fn late(&self, report: &Report) -> Failure {
        let (what, elapsed) = (self.what, duration(report.elapsed));
        let left = connections(report.active);
        Failure::Refused(format!("{what}: {left} left after {elapsed}; the drain goes on"))
    }
}

fn connections(count: u64) -> String {
    match count {
        1 => "1 connection".to_owned(),
        _ => format!("{count} connections"),
    }
}

fn were(count: u64) -> String {
    let verb = if count == 1 { "was" } else { "were" };
    format!("{} {verb}", connections(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lb_common::api::{ServerState, Stats};

    fn server(active: u64, deadline: Option<u64>) -> Server {
        Server {
            name: "webA".to_owned(),
            service: "web".to_owned(),
            address: ([192, 0, 2, 11], 80).into(),
            weight: 1,
            configured_weight: Some(1),
            state: ServerState::Drained,
            admin: AdminState::Drained,
            deadline,
            health: None,
            backup: false,
            fallback: false,
            max_connections: None,
            next_hop: None,
            active,
            stats: Stats::default(),
        }
    }

    /// What is said after so many seconds, with so many connections left.
    #[track_caller]
    fn assert_says(deadline: Option<u32>, rows: &[(u64, u64, Option<u64>, &str)]) {
        let mut progress = Progress::new("web/webA", deadline);
        for &(elapsed, active, left, expected) in rows {
            let servers = [server(active, left), server(0, left)];
            let report = progress.look(&servers, Duration::from_secs(elapsed)).unwrap();
            assert_eq!(report.words("x"), format!("x: {expected}"));
            assert_eq!(report.drained, expected.starts_with("drained"));
        }
    }

    #[test]
    fn connections_end_by_themselves() {
        assert_says(None, &[(0, 0, None, "drained after 0s")]);
        assert_says(
            None,
            &[
                (0, 3, None, "3 connections left"),
                (70, 1, None, "1 connection left"),
                (72, 0, None, "drained after 1m12s"),
            ],
        );
        let early = [(0, 3, Some(60), "3 connections left, reset in 1m0s")];
        assert_says(Some(60), &[early[0], (59, 0, Some(1), "drained after 59s")]);
    }

    #[test]
    fn the_deadline_resets_what_is_left() {
        let before = (4, 3, Some(1), "3 connections left, reset in 1s");
        assert_says(Some(5), &[before, (5, 0, None, "drained after 5s, 3 connections were reset")]);
        assert_says(
            Some(5),
            &[
                before,
                (5, 2, Some(0), "2 connections left, reset in 0s"),
                (6, 1, None, "1 connection left"),
                (7, 1, None, "drained after 7s, 1 connection was reset"),
            ],
        );
        // An agent that has begun later still counts.
        let late = (9, 3, Some(4), "3 connections left, reset in 4s");
        assert_says(Some(5), &[before, late]);
    }

    #[test]
    fn a_drain_that_somebody_ended() {
        let mut ended = server(3, None);
        ended.admin = AdminState::Enabled;
        let mut progress = Progress::new("web/webA", None);
        let failure = progress.look(&[server(0, None), ended], Duration::ZERO).unwrap_err();
        let message = "web/webA is enabled now: somebody ended the drain";
        assert_eq!(failure, Failure::Refused(message.to_owned()));
        let failure = progress.look(&[], Duration::ZERO).unwrap_err();
        let message = "no service has a server at web/webA";
        assert_eq!(failure, Failure::Refused(message.to_owned()));
    }
}
