use super::*;
use std::{collections::HashMap, time::Duration};

fn service(servers: &[(&str, u32)]) -> Service {
    let server = |(host, (name, weight)): (u8, &(&str, u32))| {
        Server::new(*name, ([10, 0, 0, host], 80).into(), *weight)
    };
    Service {
        servers: (1..).zip(servers).map(server).collect(),
        ..Service::new("web", ([192, 0, 2, 1], 80).into())
    }
}

fn up() -> Facts {
    Facts { verdict: Some(Verdict::Up), ..Facts::default() }
}

fn down() -> Facts {
    Facts { verdict: Some(Verdict::Down), ..Facts::default() }
}

/// Shares and states, with these facts of the servers by name; the others aren't checked.
fn held(service: &Service, facts: &[(&str, Facts)]) -> (Tier, Vec<(u32, ServerState)>) {
    let facts: HashMap<&str, Facts> = facts.iter().copied().collect();
    let of = |server: &Server| facts.get(server.name.as_str()).copied().unwrap_or_default();
    let election = elect(service, of, |_| None, Instant::now());
    (election.tier, election.standings.iter().map(|one| (one.share, one.state)).collect())
}

#[test]
fn only_servers_that_are_up_have_a_share() {
    use ServerState::*;
    let service = service(&[("a", 1), ("b", 2), ("c", 0), ("d", 3)]);
    let checking = Facts { verdict: Some(Verdict::Checking), ..Facts::default() };
    let facts = [("a", up()), ("b", down()), ("d", checking)];
    let expected = vec![(1, Up), (0, Down), (0, Drained), (0, Checking)];
    assert_eq!(held(&service, &facts), (Tier::Servers, expected));
}

#[test]
fn backups_serve_only_while_no_other_does() {
    use ServerState::*;
    let mut service = service(&[("a", 1), ("b", 1)]);
    service.servers[1].backup = true;
    assert_eq!(held(&service, &[]), (Tier::Servers, vec![(1, Up), (0, Standby)]));
    let facts = [("a", down())];
    assert_eq!(held(&service, &facts), (Tier::Backups, vec![(0, Down), (1, Up)]));
    let facts = [("a", down()), ("b", down())];
    assert_eq!(held(&service, &facts), (Tier::Nobody, vec![(0, Down), (0, Down)]));
}

#[test]
fn the_fallback_serves_when_nobody_else_does() {
    use ServerState::*;
    let mut service = service(&[("a", 1), ("b", 1)]);
    service.servers[1].backup = true;
    service.fallback = Some(Server::new("fallback", ([127, 0, 0, 1], 80).into(), 1));
    let expected = vec![(1, Up), (0, Standby), (0, Standby)];
    assert_eq!(held(&service, &[]), (Tier::Servers, expected));
    let expected = vec![(0, Down), (1, Up), (0, Standby)];
    assert_eq!(held(&service, &[("a", down())]), (Tier::Backups, expected));
    let expected = vec![(0, Down), (0, Down), (1, Up)];
    assert_eq!(held(&service, &[("a", down()), ("b", down())]), (Tier::Fallback, expected));
}

#[test]
fn what_an_operator_takes_out_has_no_share() {
    use ServerState::*;
    let mut service = service(&[("a", 1), ("b", 1)]);
    service.servers[0].admin = AdminState::Drained;
    service.servers[1].admin = AdminState::Disabled;
    assert_eq!(held(&service, &[("a", up())]), (Tier::Nobody, vec![(0, Drained), (0, Disabled)]));
    assert_eq!(held(&service, &[("a", down())]), (Tier::Nobody, vec![(0, Down), (0, Disabled)]));
}

#[test]
fn connections_are_reset_when_the_server_is_gone() {
    let mut service = service(&[("a", 1)]);
    let resets = |service: &Service, facts: Facts| {
        elect(service, |_| facts, |_| None, Instant::now()).standings[0].resets
    };
    assert!(resets(&service, down()) && !resets(&service, up()));
    service.on_down = OnDown::Keep;
    assert!(!resets(&service, down()));
    service.servers[0].admin = AdminState::Drained;
    assert!(!resets(&service, up()) && !resets(&service, down()));
    service.on_down = OnDown::Reset;
    assert!(!resets(&service, up()) && resets(&service, down()));
    service.on_down = OnDown::Keep;
    assert!(resets(&service, Facts { drain_over: true, ..up() }));
    service.servers[0].admin = AdminState::Disabled;
    assert!(!resets(&service, up()), "its connections are to be kept");
    service.on_down = OnDown::Reset;
    assert!(resets(&service, up()));
}

#[test]
fn a_slow_start_grows_to_the_whole_weight() {
    let mut service = service(&[("a", 2), ("b", 2)]);
    service.slow_start = Duration::from_secs(10);
    let begin = Instant::now();
    let facts = |server: &Server| if server.name == "a" { down() } else { up() };
    let mut roster = Roster::default();
    let first = roster.elect(&service, facts, begin);
    assert_eq!((first.standings[1].share, first.again), (2, None), "it was up all the time");

    let mut at =
        |seconds| roster.elect(&service, |_| up(), begin + Duration::from_secs_f64(seconds));
    let mut shares =
        |seconds| at(seconds).standings.iter().map(|one| one.share).collect::<Vec<_>>();
    assert_eq!(shares(0.0), [2, 20]);
    assert_eq!(shares(0.9), [2, 20]);
    assert_eq!(shares(1.0), [4, 20]);
    assert_eq!(shares(9.5), [20, 20]);
    assert_eq!(shares(10.0), [2, 2]);
    assert_eq!(at(0.0).standings[0].state, ServerState::SlowStart);
    assert_eq!(at(0.0).again, Some(begin + Duration::from_secs(1)));
    assert_eq!(at(9.5).again, Some(begin + Duration::from_secs(10)));
    assert_eq!(at(10.0).again, None);
    assert_eq!(at(10.0).standings[0].state, ServerState::Up);
}

#[test]
fn heavy_weights_are_not_multiplied() {
    let mut service = service(&[("a", 1000), ("b", 1)]);
    service.slow_start = Duration::from_secs(10);
    let now = Instant::now();
    let mut roster = Roster::default();
    roster.elect(&service, |_| down(), now);
    let election = roster.elect(&service, |_| up(), now);
    let shares: Vec<u32> = election.standings.iter().map(|one| one.share).collect();
    assert_eq!(shares, [100, 1]);
}
