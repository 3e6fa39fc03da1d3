//! The agent: one loop that takes configuration, operators' changes and the kernel's news, and
//! leads the data plane to what they ask for.

mod agent;
mod changes;
mod control;
mod converge;
mod drivers;
mod elections;
mod reload;
mod resetting;
mod running;
mod view;
mod watch;

use crate::{
    api::{self, Api, Listener},
    config,
    dataplane::Dataplane,
    events::EventLog,
    health::Checks,
    host::{self, Instance},
    netlink::Resolver,
    state::Store,
    sweep::Sweeper,
};
use agent::{Agent, Parts};
use anyhow::{Context, Result};
use lb_common::api::Problem;
use running::{Hosts, addresses};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tracing::{info, warn};

/// How often the maps and the interfaces are compared with what they should be.
const RECONCILE: Duration = Duration::from_secs(5);

/// How long news of the ways to servers is waited for before the data plane is changed, so that
/// servers that work already aren't taken for unreachable.
const FIRST_WAYS: Duration = Duration::from_secs(3);

/// The file of operators' changes, in the folder of the agent's state.
const STATE: &str = "state.json";

/// What the agent is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config: PathBuf,
    /// Name of this director.
    pub node: String,
    /// Folder of the pins, on a BPF file system.
    pub pin_root: PathBuf,
    /// The control API's socket.
    pub socket: PathBuf,
    /// Where operators' changes are kept.
    pub state_dir: PathBuf,
    /// Whether each packet that the data plane drops is logged.
    pub packet_log: bool,
    /// Whether the data plane is taken down when the agent ends.
    pub detach_on_exit: bool,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub struct BadConfig(pub Vec<Problem>);

/// Reads the configuration file for this host.
pub fn load_config(path: &Path) -> Result<config::Config, BadConfig> {
    config::load(path, &interface_exists).map_err(BadConfig)
}

/// Runs the agent until it is told to stop by SIGTERM, SIGINT or the control API. SIGHUP reads the
/// configuration file again.
///
/// It must be run in a tokio runtime of one thread, in the network namespace that it is for.
pub async fn run(options: Options) -> Result<()> {
    let config = load_config(&options.config)?;
    let _instance = Instance::claim()?;
    // From here on a signal is heard when the agent runs, and doesn't stop it half-way there.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut warnings = prepare_host(&options)?;
    fs::create_dir_all(&options.state_dir)
        .with_context(|| format!("creating {}", options.state_dir.display()))?;
    let opened = Store::open(options.state_dir.join(STATE))?;
    warnings.extend(opened.warning);

    let mut resolver = Resolver::start().await.context("following routes and neighbours")?;
    follow(&mut resolver, &opened.store.edits().apply(&config).config, &Hosts::All);
    learn_ways(&mut resolver).await;
    let listener = Listener::bind(&options.socket, config.group.as_deref()).await?;

    let mut dataplane = Dataplane::load(&options.pin_root, &config.limits, options.packet_log)?;
    if options.packet_log {
        let log = dataplane.packet_log().context("opening the packet log")?;
        tokio::spawn(async {
            if let Err(error) = log.run().await {
                warn!(%error, "the packet log ended");
            }
        });
    }
    let mut unresolved = dataplane.unresolved()?;
    warnings.extend_from_slice(dataplane.warnings());
    let (connection, netlink, _) = rtnetlink::new_connection().context("opening netlink")?;
    tokio::spawn(connection);
    let events = EventLog::default();
    let mut agent = Agent::new(Parts {
        options,
        config,
        store: opened.store,
        resolver,
        checks: Checks::start().context("starting the checks")?,
        sweeper: Sweeper::start(dataplane.flows()?, dataplane.loads().clone())
            .context("starting to count connections")?,
        dataplane,
        events: events.clone(),
        netlink,
        warnings,
    })?;
    agent.start().await?;

    let (handle, mut calls) = api::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(api::serve(listener, Api::new(handle, events, check), async {
        // Stopping is what it means that the sender is gone.
        let _ = stopped.await;
    }));
    info!(node = agent.node(), "running");

    let mut reconcile = interval(RECONCILE);
    reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !agent.is_detached() {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => agent.begin_reload(None),
            Some(call) = calls.recv() => call.run(&mut agent),
            news = agent.news() => agent.follow(news).await,
            _ = reconcile.tick() => agent.reconcile().await,
            neighbors = unresolved.next() => {
                for neighbor in neighbors.context("waiting for the data plane")? {
                    agent.solicit(neighbor.ifindex, neighbor.address.into());
                }
            }
        }
    }

    drop((stop, calls));
    if let Err(error) = server.await {
        warn!(%error, "the control API ended badly");
    }
    agent.end()
}

/// Has the resolver follow the servers of a configuration, of which this is other than before.
fn follow(resolver: &mut Resolver, config: &config::Config, hosts: &Hosts) {
    match hosts {
        Hosts::All => {
            let services = config.services.iter();
            resolver.want(services.flat_map(|service| addresses(service)).collect());
        }
        Hosts::Exchange { out, with } => {
            resolver.exchange(out.iter().copied(), with.iter().copied());
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What the data plane needs of the host. What it can do without is a warning.
fn prepare_host(options: &Options) -> Result<Vec<String>> {
    let bpffs = Path::new(host::BPFFS);
    if options.pin_root.starts_with(bpffs) && host::mount_bpffs(bpffs)? {
        info!("mounted a BPF file system on {}", bpffs.display());
    }
    let mut warnings = Vec::new();
    match host::forward_on_loopback() {
        Ok(changed) => {
            for setting in changed {
                info!("set {} to 1", setting.display());
            }
        }
        Err(error) => warnings.push(error.to_string()),
    }
    if let Err(error) = host::raise_locked_memory_limit() {
        warnings.push(error.to_string());
    }
    for warning in &warnings {
        warn!("{warning}");
    }
    Ok(warnings)
}

/// Waits for the kernel's answers about all servers, but not for ever.
async fn learn_ways(resolver: &mut Resolver) {
    let all = async {
        while !resolver.complete() {
            resolver.changed().await;
        }
    };
    if timeout(FIRST_WAYS, all).await.is_err() {
        warn!("the kernel hasn't told the ways to all servers yet");
    }
}

/// What is wrong in a configuration file that a client of the control API has sent.
fn check(name: &str, text: &[u8]) -> Vec<Problem> {
    config::parse_bytes(name, text, &interface_exists).err().unwrap_or_default()
}

fn interface_exists(name: &str) -> bool {
    nix::net::if_::if_nametoindex(name).is_ok()
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Takes down the data plane that an agent left to itself.
///
/// # Errors
/// An agent runs in this network namespace, or the pins can't be removed.
pub fn detach(pin_root: &Path) -> Result<()> {
    let _instance = Instance::claim()?;
    Ok(Dataplane::detach_pinned(pin_root)?)
}
