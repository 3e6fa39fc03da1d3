use super::sys;
use aya::Ebpf;
use aya_log::EbpfLogger;
use lb_common::reason::Reason;
use log::{Log, Metadata, Record};
use std::io;
use tokio::io::unix::AsyncFd;
use tracing::info;

/// What the XDP program logs, one line for each packet that it drops.
pub struct PacketLog(AsyncFd<EbpfLogger<Words>>);

impl PacketLog {
    /// Reads the log of the program in this object. Must be called in a tokio runtime.
    pub(super) fn new(ebpf: &mut Ebpf) -> io::Result<Self> {
        let logger = EbpfLogger::init_with_logger(ebpf, Words).map_err(io::Error::other)?;
        sys::await_input(logger).map(Self)
    }

    /// Passes on what is logged, until there is an error.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable_mut().await?;
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}

/// Passes lines on to the agent's log. The program ends them with a reason's number, which gets
/// its name.
struct Words;

impl Log for Words {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        let number = line.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
        match number.and_then(|number| Reason::ALL.get(number)) {
            Some(reason) => info!(reason = reason.name(), "dropped a packet: {}", reason.words()),
            None => info!("{line}"),
        }
    }

    fn flush(&self) {}
}
