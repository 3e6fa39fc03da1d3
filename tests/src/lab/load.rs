//! Traffic that goes on while something is done to the machines in its way.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::client::Client;
use super::wait::{SOON, wait_until};

/// The slowest that a request may be: a lost SYN is sent again after a second.
const SLOWEST: Duration = Duration::from_secs(1);

/// Requests that are made one after the other, by as many threads as kinds of them. None may fail
/// or take longer than a second.
#[derive(Default)]
pub struct Load {
    stop: Arc<AtomicBool>,
    streams: Vec<Stream>,
}

struct Stream {
    what: String,
    requests: Arc<AtomicUsize>,
    failure: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// No traffic yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new HTTP connection for every request.
    pub fn new_connections(&mut self, client: Client, to: impl Into<SocketAddr>) {
        let to = to.into();
        self.add(format!("new connections to {to}"), move || client.get(to, "/name").map(drop));
    }

    /// An HTTP connection that stays.
    pub fn one_connection(&mut self, client: &Client, to: impl Into<SocketAddr>) -> Result<()> {
        let to = to.into();
        let mut connection = client.connect(to)?;
        self.add(format!("a long connection to {to}"), move || connection.get("/name").map(drop));
        Ok(())
    }

    /// A TCP connection on which every byte comes back.
    pub fn echo(&mut self, client: &Client, to: impl Into<SocketAddr>) -> Result<()> {
        let to = to.into();
        let mut stream = client.tcp(to)?;
        let mut count = 0_u64;
        self.add(format!("echoes of {to}"), move || {
            count += 1;
            let sent: Vec<u8> = count.to_be_bytes().repeat(200);
            let mut got = vec![0; sent.len()];
            stream.write_all(&sent)?;
            stream.read_exact(&mut got)?;
            if got == sent { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
        });
        Ok(())
    }

    /// A UDP datagram from a new port for every request.
    pub fn datagrams(&mut self, client: Client, to: impl Into<SocketAddr>) {
        let to = to.into();
        self.add(format!("datagrams to {to}"), move || client.udp_ask(to, b"x").map(drop));
    }

    fn add(&mut self, what: String, mut ask: impl FnMut() -> io::Result<()> + Send + 'static) {
        let (requests, failure) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<_>>::default());
        let (stop, count, report) = (self.stop.clone(), requests.clone(), failure.clone());
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let asked = ask();
                let took = start.elapsed();
                let problem = match asked {
                    Err(error) => format!("{error} after {took:?}"),
                    Ok(()) if took > SLOWEST => format!("took {took:?}"),
                    Ok(()) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                };
                *report.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                return;
            }
        });
        self.streams.push(Stream { what, requests, failure, thread: Some(thread) });
    }

    /// Waits until every stream has had some more answers.
    pub fn goes_on(&self) -> Result<()> {
        const MORE: usize = 10;
        let counts = || self.streams.iter().map(|one| one.requests.load(Ordering::Relaxed));
        let before: Vec<usize> = counts().collect();
        let waited = wait_until(SOON, "traffic goes on", || {
            let more = counts().zip(&before).all(|(now, before)| now >= before + MORE);
            more || self.streams.iter().any(Stream::failed)
        });
        self.check()?;
        waited
    }

    /// Ends the traffic, in which nothing may have gone wrong.
    pub fn finish(mut self) -> Result<()> {
        self.goes_on()?;
        self.end();
        self.check()
    }

    /// Nothing may have gone wrong so far.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.streams.is_empty(), "no traffic at all");
        for Stream { what, requests, failure, .. } in &self.streams {
            if let Some(failure) = &*failure.lock().unwrap_or_else(PoisonError::into_inner) {
                bail!("{what}: {failure}; {} went well before", requests.load(Ordering::Relaxed));
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for stream in &mut self.streams {
            if let Some(thread) = stream.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

impl Stream {
    fn failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}
