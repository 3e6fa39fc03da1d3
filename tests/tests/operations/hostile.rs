//! A control socket that is misused.

use crate::setting::{client, web};
use anyhow::{Context, Result, ensure};
use lb_common::api::Mode;
use lb_tests::lab::{Lab, Load, SOON, wait_until};
use lb_tests::site::{self, Director, Family, HTTP, Site, director};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Connections that are begun, and so many of them kept as the socket takes.
const CONNECTIONS: usize = 10_000;
/// The agent's memory may grow by so much, in kB.
const GROWTH: usize = 20_000;
/// lb-ctl's slowest answer meanwhile.
const SLOWEST: Duration = Duration::from_secs(10);

/// What is sent on connections that then stay as they are.
const HALVES: [&[u8]; 4] = [
    b"",
    b"GET /v1/st",
    b"PATCH /v1/services/web/servers/web1 HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\n{\"weight\"",
    b"POST /v1/check?path=x HTTP/1.1\r\nhost: x\r\ncontent-length: 16000000\r\n\r\ninterfaces:",
];

#[test]
fn ten_thousand_connections_and_half_requests_stop_nobody() {
    Lab::story("hostile", |lab| {
        let (site, director) = start(lab)?;
        let mut load = Load::new();
        load.new_connections(client(&site, Mode::Nat, Family::V4), (Family::V4.vip(0), HTTP));
        load.goes_on()?;
        let before = memory(&director)?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;

        let mut kept = Vec::new();
        for number in 0..CONNECTIONS {
            // None once the socket's queue is full: then the agent bounds what there is.
            if let Some(stream) = begin(&director)? {
                let half = HALVES[number % HALVES.len()];
                // The agent may have hung up already.
                let _ = nix::unistd::write(&stream, half);
                kept.push(stream);
            }
            if number % 1000 == 999 {
                load.check().with_context(|| format!("after {number} connections"))?;
                answers(&director)?;
            }
        }
        ensure!(kept.len() >= 1000, "only {} connections", kept.len());
        let during = memory(&director)?;
        ensure!(during < before + GROWTH, "{before} kB grew to {during} kB");
        answers(&director)?;
        drop(kept);
        answers(&director)?;
        load.finish()
    });
}

#[test]
fn garbage_is_answered_and_bounded() {
    Lab::story("garbage", |lab| {
        let (_site, director) = start(lab)?;
        let before = memory(&director)?;
        let huge =
            b"POST /v1/check?path=x HTTP/1.1\r\nhost: x\r\ncontent-length: 90000000000\r\n\r\n";
        let chunks =
            b"POST /v1/check?path=x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                       ffffffff\r\n";
        let cases: [(&[u8], &str); 4] = [
            (b"\x16\x03\x01\x00\xff nonsense\r\n\r\n", "400"),
            (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "404"),
            (huge, "413"),
            (chunks, "413"),
        ];
        for (sent, status) in cases {
            let mut stream = UnixStream::connect(director.socket())?;
            stream.set_read_timeout(Some(SOON))?;
            stream.set_write_timeout(Some(SOON))?;
            stream.write_all(sent)?;
            // As much as it takes: it hangs up on what is too large.
            for _ in 0..64 {
                if status != "413" || stream.write_all(&[b'x'; 1 << 20]).is_err() {
                    break;
                }
            }
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            ensure!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent:?}: {answer:?}");
            answers(&director)?;
        }
        let after = memory(&director)?;
        ensure!(after < before + 2 * GROWTH, "{before} kB grew to {after} kB");
        Ok(())
    });
}

fn start(lab: &Lab) -> Result<(Site, Director)> {
    let site = Site::new(lab, 1)?;
    let config = site::config(&[web("web", Mode::Nat, Family::V4, 0, 1)]);
    let director = director(lab, &site.director, &config)?;
    director.wait_until_resolved()?;
    Ok((site, director))
}

/// A connection to the control socket; none if its queue is full.
fn begin(director: &Director) -> Result<Option<OwnedFd>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(stream.as_raw_fd(), &UnixAddr::new(&director.socket())?) {
        Ok(()) => Ok(Some(stream)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(error) => Err(error).context("connecting to the control socket"),
    }
}

/// Both a question and a change are answered in time.
fn answers(director: &Director) -> Result<()> {
    let start = Instant::now();
    wait_until(SLOWEST, "lb-ctl is answered", || {
        director.status().is_ok() && director.ctl(&["server", "weight", "web/web1", "1"]).is_ok()
    })?;
    ensure!(start.elapsed() < SLOWEST, "answered after {:?}", start.elapsed());
    Ok(())
}

/// What the agent has in memory, in kB.
fn memory(director: &Director) -> Result<usize> {
    let status = fs::read_to_string(format!("/proc/{}/status", director.status()?.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
