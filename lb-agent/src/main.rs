//! The agent's command line.

use anyhow::{Context, Result};
use clap::Parser;
use lb_agent::{
    core::{self, BadConfig, Options},
    dataplane,
};
use lb_common::api;
use std::{fs, io::IsTerminal, path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;

/// Spreads connections over servers, in the kernel
///
/// Stopped by SIGTERM or SIGINT; traffic flows on without it. SIGHUP reads the configuration file
/// again. RUST_LOG sets how much is logged (error, warn, info, debug).
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "detach")]
    config: Option<PathBuf>,
    /// Only say whether the configuration file is good
    #[arg(long, conflicts_with = "detach")]
    check: bool,
    /// Only take down the data plane that an agent left to itself
    #[arg(long)]
    detach: bool,
    /// Name of this director [default: the host's name]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Where program and maps are pinned
    #[arg(long, value_name = "DIR", default_value = dataplane::DEFAULT_ROOT)]
    pin_root: PathBuf,
    /// Where lb-ctl reaches the agent
    #[arg(long, value_name = "PATH", default_value = api::DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Where operators' changes are kept
    #[arg(long, value_name = "DIR", default_value = "/var/lib/lb")]
    state_dir: PathBuf,
    /// Log each packet that the data plane drops, with the reason; it costs speed
    #[arg(long)]
    packet_log: bool,
    /// Take the data plane down at the end, instead of leaving it to itself
    #[arg(long)]
    detach_on_exit: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<BadConfig>() {
                // Each line begins with file, line and column, as compilers print it.
                Some(problems) => eprintln!("{problems}"),
                None => eprintln!("lb-agent: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<()> {
    let Some(config) = arguments.config.filter(|_| !arguments.detach) else {
        return core::detach(&arguments.pin_root);
    };
    if arguments.check {
        core::load_config(&config)?;
        println!("{}: good", config.display());
        return Ok(());
    }
    let options = Options {
        node: arguments.node.map_or_else(host_name, Ok)?,
        config,
        pin_root: arguments.pin_root,
        socket: arguments.socket,
        state_dir: arguments.state_dir,
        packet_log: arguments.packet_log,
        detach_on_exit: arguments.detach_on_exit,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(core::run(options))
}

fn host_name() -> Result<String> {
    const NAME: &str = "/proc/sys/kernel/hostname";
    let name = fs::read_to_string(NAME).context(NAME)?;
    Ok(name.trim().to_owned())
}
