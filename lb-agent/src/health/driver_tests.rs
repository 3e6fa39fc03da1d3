use super::super::check::{Check, Probe};
use super::*;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, listen,
    socket,
};
use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    os::fd::{AsRawFd, OwnedFd},
};

const DEADLINE: Duration = Duration::from_secs(20);
const MS: Duration = Duration::from_millis(1);

fn check(interval: Duration, timeout: Duration) -> Check {
    Check {
        probe: Probe::Tcp,
        interval,
        timeout,
        rise: 2,
        fall: 2,
        initial: Verdict::Down,
        address: None,
        port: None,
    }
}

fn target(server: SocketAddr, check: Check) -> Target {
    Target::new(server, &Arc::new(check))
}

fn wanted(target: &Target) -> Wanted {
    Wanted { target: target.clone(), before: None }
}

/// A server on an address that no other test uses.
fn server(last_byte: u8) -> TcpListener {
    TcpListener::bind((Ipv4Addr::new(127, 83, 91, last_byte), 0)).unwrap()
}

/// An address where the kernel answers nothing: the queue of who wants to connect is full. For as
/// long as the sockets are held.
fn silence() -> (SocketAddr, Vec<OwnedFd>) {
    let open = |flags| socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    let listener = open(SockFlag::empty());
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address: SockaddrIn = getsockname(listener.as_raw_fd()).unwrap();
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let client = open(SockFlag::SOCK_NONBLOCK);
        // It is under way, or never will be.
        let _ = connect(client.as_raw_fd(), &address);
        sockets.push(client);
    }
    (SocketAddrV4::from(address).into(), sockets)
}

async fn next(checks: &mut Checks) -> Change {
    timeout(DEADLINE, checks.changed()).await.expect("no change in time")
}

#[tokio::test]
async fn up_and_down_and_up() {
    let first = server(1);
    let address = first.local_addr().unwrap();
    let target = target(address, check(20 * MS, DEADLINE));
    let mut checks = Checks::start().unwrap();
    checks.want([wanted(&target)]);
    assert_eq!(checks.verdict(&target), Some(Verdict::Checking));

    let change = next(&mut checks).await;
    assert_eq!((&change.target, change.verdict), (&target, Verdict::Up));
    assert_eq!(checks.verdict(&target), Some(Verdict::Up));
    drop(first);
    let change = next(&mut checks).await;
    assert_eq!((change.verdict, change.cause.as_str()), (Verdict::Down, "connection refused"));
    let health = checks.health(&target).unwrap();
    assert_eq!((health.verdict, health.cause.as_str()), (Verdict::Down, "connection refused"));
    assert_eq!(health.check, format!("tcp on {address} every 20ms"));
    assert!(!health.last[0].passed && !health.last[1].passed && health.last[0].latency > 0);

    let _again = TcpListener::bind(address).unwrap();
    assert_eq!(next(&mut checks).await.verdict, Verdict::Up);

    checks.want([]);
    assert_eq!(checks.verdict(&target), None);
    assert_eq!(checks.health(&target), None);
}

#[tokio::test]
async fn silence_fails_and_delays_nobody() {
    let (silent, _sockets) = silence();
    let server = server(2);
    let silent: Vec<_> =
        (0..100).map(|n| target(silent, check(1600 * MS + MS * n, 1500 * MS))).collect();
    let lively = target(server.local_addr().unwrap(), check(20 * MS, DEADLINE));
    let mut checks = Checks::start().unwrap();
    checks.want(silent.iter().chain([&lively]).map(wanted));
    let mut down = HashSet::new();
    while down.len() < silent.len() {
        let change = next(&mut checks).await;
        if change.verdict == Verdict::Down {
            assert_eq!(change.cause, "no answer within 1.5s");
            assert!(down.insert(change.target));
        } else {
            assert_eq!(change.target, lively);
        }
    }
    assert_eq!(checks.verdict(&lively), Some(Verdict::Up));
    let health = checks.health(&lively).unwrap();
    assert_eq!(health.last.len(), 16);
    assert!(health.last[15].ago < 1500, "it was held up: {:?}", health.last);
}

#[tokio::test]
async fn each_has_its_turn_and_all_its_time() {
    let (silent, _sockets) = silence();
    let targets: Vec<_> =
        (0..20).map(|n| target(silent, check(300 * MS + MS * n, 100 * MS))).collect();
    let mut checks = Checks::start_with(2).unwrap();
    checks.want(targets.iter().map(wanted));
    for _ in &targets {
        assert_eq!(next(&mut checks).await.verdict, Verdict::Down);
    }
    for target in &targets {
        for run in checks.health(target).unwrap().last {
            assert!((100_000..500_000).contains(&run.latency), "{run:?}");
        }
    }
}

#[tokio::test]
async fn waiting_in_vain_loses_no_change() {
    let server = server(3);
    let address = server.local_addr().unwrap();
    let targets: HashSet<_> =
        (0..50).map(|n| target(address, check(500 * MS + MS * n, DEADLINE))).collect();
    let mut checks = Checks::start().unwrap();
    checks.want(targets.iter().map(wanted));
    let mut changed = HashSet::new();
    let deadline = Instant::now() + DEADLINE;
    while changed.len() < targets.len() {
        assert!(Instant::now() < deadline, "only {} of them", changed.len());
        if let Ok(change) = timeout(MS, checks.changed()).await {
            assert!(changed.insert(change.target), "told twice");
        }
    }
    assert_eq!(changed, targets);
}

#[tokio::test]
async fn what_was_known_is_kept() {
    let server = server(4);
    let check = check(20 * MS, DEADLINE);
    let target = target(server.local_addr().unwrap(), Check { rise: 1000, ..check.clone() });
    let mut checks = Checks::start().unwrap();
    checks.want([Wanted { target: target.clone(), before: Some(Verdict::Down) }]);
    let until_results = async |checks: &Checks, count| {
        let enough = async || {
            while checks.health(&target).unwrap().last.len() < count {
                tokio::time::sleep(MS).await;
            }
        };
        timeout(DEADLINE, enough()).await.expect("no results in time");
    };
    until_results(&checks, 2).await;
    // It passes, but not often enough.
    assert_eq!(checks.health(&target).unwrap().verdict, Verdict::Down);
    // What is wanted again stays as it is.
    checks.want([Wanted { target: target.clone(), before: Some(Verdict::Up) }]);
    assert_eq!(checks.verdict(&target), Some(Verdict::Down));
    assert!(checks.health(&target).unwrap().last.len() >= 2);
    assert!(timeout(50 * MS, checks.changed()).await.is_err());
}

#[tokio::test]
async fn runs_in_vain_end_and_the_thread_with_them() {
    let (silent, _sockets) = silence();
    let targets: Vec<_> =
        (0..20).map(|n| target(silent, check(3_600_000 * MS + MS * n, 3_600_000 * MS))).collect();
    let server = server(5);
    let lively = target(server.local_addr().unwrap(), check(20 * MS, DEADLINE));
    // The lively one is asked only when the others' runs are given up.
    let mut checks = Checks::start_with(1).unwrap();
    checks.want(targets.iter().map(wanted));
    let busy = async || {
        while checks.shared.engine().next_due().is_some() {
            tokio::time::sleep(MS).await;
        }
    };
    timeout(DEADLINE, busy()).await.expect("not all are under way");
    checks.want([wanted(&lively)]);
    assert_eq!(next(&mut checks).await.verdict, Verdict::Up);

    checks.want(targets.iter().map(wanted));
    let began = Instant::now();
    drop(checks);
    assert!(began.elapsed() < DEADLINE);
}
