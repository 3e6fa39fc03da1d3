//! What checks cost: asks 5,000 servers on loopback every second, and prints how many runs were
//! made a second and how much of one core the checking thread took.
//!
//! `cargo run --release -p lb-agent --example check-load`

use lb_agent::health::{
    Checks, Target, Wanted,
    check::{Check, Probe},
};
use lb_common::api::Verdict;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const ADDRESSES: u16 = 500;
const PORTS: usize = 10;
const INTERVAL: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let accepted = Arc::new(AtomicU64::new(0));
    let mut ports = vec![];
    for _ in 0..PORTS {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        ports.push(listener.local_addr()?.port());
        let accepted = accepted.clone();
        thread::spawn(move || {
            while listener.accept().is_ok() {
                accepted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let check = Arc::new(Check {
        probe: Probe::Tcp,
        interval: INTERVAL,
        timeout: INTERVAL,
        rise: 2,
        fall: 3,
        initial: Verdict::Down,
        address: None,
        port: None,
    });
    let targets: Vec<Target> = (0..ADDRESSES)
        .flat_map(|n| ports.iter().map(move |&port| (n, port)))
        .map(|(n, port)| {
            let [high, low] = n.to_be_bytes();
            Target::new(SocketAddr::from(([127, 83, high, low], port)), &check)
        })
        .collect();

    let mut checks = Checks::start()?;
    checks.want(targets.iter().map(|target| Wanted { target: target.clone(), before: None }));
    for _ in &targets {
        let change = checks.changed().await;
        assert_eq!(change.verdict, Verdict::Up, "{}: {}", change.target, change.cause);
    }
    let (start, runs, cpu) = (Instant::now(), accepted.load(Ordering::Relaxed), cpu_time()?);
    if let Ok(change) = tokio::time::timeout(WATCHED, checks.changed()).await {
        println!("{} has become {}: {}", change.target, change.verdict, change.cause);
    }
    let seconds = start.elapsed().as_secs_f64();
    let runs = accepted.load(Ordering::Relaxed) - runs;
    let cpu = cpu_time()? - cpu;
    println!("servers          {}", targets.len());
    println!("checks/s         {:.0}", runs as f64 / seconds);
    println!("CPU of a core    {:.1} %", cpu.as_secs_f64() / seconds * 100.0);
    println!("CPU of a check   {:.1} µs", cpu.as_secs_f64() * 1e6 / runs as f64);
    let mut latencies: Vec<u64> = targets
        .iter()
        .filter_map(|target| checks.health(target))
        .flat_map(|health| health.last.into_iter().map(|run| run.latency))
        .collect();
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied();
    println!("latency in µs    median {:?}, 99 % {:?}", at(50), at(99));
    Ok(())
}

/// CPU time that the thread of the checks has used, the kernel's work for it included.
fn cpu_time() -> io::Result<Duration> {
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim() == "checks" {
            let schedstat = fs::read_to_string(thread.join("schedstat"))?;
            let nanoseconds = schedstat.split(' ').next().and_then(|first| first.parse().ok());
            return nanoseconds.map(Duration::from_nanos).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("schedstat is {schedstat:?}"))
            });
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "there is no thread named checks"))
}
