use super::{BadConfig, Options, learn_ways, load_config};
use crate::{
    config::{self, Config},
    dataplane::{Attached, Dataplane},
    desired::{Desired, Inputs, Standing, Way, way},
    host,
    netlink::{Change, Resolver},
    plan::{Observed, Op, PlanError, plan},
    schedule,
    state::Store,
};
use anyhow::{Result, bail};
use lb_common::api::AttachMode;
use rtnetlink::Handle;
use std::{collections::BTreeMap, net::IpAddr, time::Instant};
use tracing::{debug, error, info, warn};

type Drivers = BTreeMap<(String, &'static str), String>;

/// All that the agent knows and owns.
pub(super) struct Agent {
    pub(super) options: Options,
    pub(super) started: Instant,
    /// What the file says.
    pub(super) file: Config,
    /// What runs: the file with operators' changes.
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) resolver: Resolver,
    pub(super) dataplane: Dataplane,
    /// What the maps hold, as far as this agent knows.
    pub(super) observed: Observed,
    pub(super) attached: Vec<Attached>,
    cache: schedule::Cache,
    netlink: Handle,
    /// What was found when the agent started.
    warnings: Vec<String>,
    /// By interface and what it was to be changed for: what its driver does wrong.
    drivers: Drivers,
    /// Why the data plane isn't as it should be.
    failures: Vec<String>,
    /// Differences found in the maps that this agent didn't make.
    repairs: usize,
    detached: bool,
}

/// What an [`Agent`] is made of.
pub(super) struct Parts {
    pub(super) options: Options,
    /// What the file says.
    pub(super) file: Config,
    /// What runs: the file with operators' changes.
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) resolver: Resolver,
    pub(super) dataplane: Dataplane,
    pub(super) netlink: Handle,
    pub(super) warnings: Vec<String>,
}

impl Agent {
    pub(super) fn new(parts: Parts) -> Result<Self> {
        let Parts { options, file, config, store, resolver, dataplane, netlink, warnings } = parts;
        Ok(Self {
            options,
            started: Instant::now(),
            file,
            config,
            store,
            resolver,
            observed: dataplane.observe()?,
            dataplane,
            attached: Vec::new(),
            cache: schedule::Cache::default(),
            netlink,
            warnings,
            drivers: BTreeMap::new(),
            failures: Vec::new(),
            repairs: 0,
            detached: false,
        })
    }

    pub(super) fn node(&self) -> &str {
        &self.options.node
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }

    /// Waits for news from the kernel.
    pub(super) async fn changed(&mut self) -> Change {
        self.resolver.changed().await
    }

    pub(super) fn solicit(&mut self, ifindex: u32, address: IpAddr) {
        debug!(ifindex, %address, "the data plane asks for a next hop");
        self.resolver.solicit(ifindex, address);
    }

    /// Fills the maps and puts the program on the interfaces, in this order: a packet that the
    /// program sees has somewhere to go.
    ///
    /// # Errors
    /// One of both isn't possible. If no program of an agent before handles traffic, nothing is
    /// left behind.
    pub(super) async fn start(&mut self) -> Result<()> {
        let started = match self.converge() {
            Ok(_) => self.attach().await,
            Err(error) => Err(error),
        };
        let started = started.and_then(|()| self.check_attached());
        if started.is_err() && !self.dataplane.has_links()? {
            Dataplane::detach_pinned(&self.options.pin_root)?;
        }
        started
    }

    fn check_attached(&self) -> Result<()> {
        if self.attached.iter().any(|attached| attached.mode != AttachMode::Detached) {
            return Ok(());
        }
        let problems = self.attached.iter().filter_map(|attached| attached.problem.as_deref());
        bail!("{}", problems.collect::<Vec<_>>().join("; "))
    }

    /// Leads the data plane to what is desired now; returns how many operations that took.
    ///
    /// # Errors
    /// There is no room, and nothing was changed; or a map can't be written, and the next time
    /// goes on from there.
    pub(super) fn converge(&mut self) -> Result<usize> {
        let config = self.config.clone();
        let ops = self.plan(&config)?;
        self.apply(&ops)?;
        Ok(ops.len())
    }

    /// What there is to do if this were to run.
    pub(super) fn plan(&mut self, config: &Config) -> Result<Vec<Op>, PlanError> {
        let resolutions = self.resolver.resolutions();
        let inputs = Inputs {
            standings: &|service| {
                let standing = |server: &config::Server| Standing {
                    weight: server.weight_in_force(),
                    resets: false,
                };
                service.members().map(standing).collect()
            },
            resolution: &|address| resolutions.get(&address),
            links: self.resolver.links().clone(),
        };
        plan(&Desired::new(config, inputs, &mut self.cache), &self.observed)
    }

    pub(super) fn apply(&mut self, ops: &[Op]) -> Result<()> {
        for op in ops {
            debug!(?op, "apply");
            if let Err(error) = self.dataplane.apply(op) {
                self.observed = self.dataplane.observe()?;
                return Err(error.into());
            }
            self.observed.apply(op);
        }
        Ok(())
    }

    /// Puts the program on the configured interfaces, as far as it isn't.
    pub(super) async fn attach(&mut self) -> Result<()> {
        let attached = self.dataplane.attach(&self.netlink, &self.config.interfaces).await?;
        let before = std::mem::replace(&mut self.attached, attached);
        for now in self.attached.iter().filter(|now| !before.contains(now)) {
            if let Some(problem) = &now.problem {
                warn!("{problem}");
            }
            if now.mode != AttachMode::Detached {
                keep_vlan_tags(&now.interface, &mut self.drivers);
            }
            for interface in &now.below {
                keep_frames_apart(interface, &mut self.drivers);
            }
        }
        Ok(())
    }

    /// Takes in what the kernel has told.
    pub(super) async fn follow_change(&mut self, change: Change) {
        let converged = self.converge().map(drop);
        let attached = if change.links { self.attach().await } else { Ok(()) };
        self.note([converged, attached]);
    }

    /// Repairs what anybody else has changed in maps and interfaces.
    pub(super) async fn reconcile(&mut self) {
        let repaired = self.repair();
        let attached = self.attach().await;
        self.note([repaired, attached]);
    }

    /// Reads the configuration file again. One that can't be used changes nothing.
    pub(super) async fn reload(&mut self) {
        let file = match load_config(&self.options.config) {
            Ok(file) => file,
            Err(BadConfig(problems)) => {
                for problem in &problems {
                    error!("{problem}");
                }
                error!("the configuration stays as it was");
                return;
            }
        };
        let config = self.store.edits().apply(&file).config;
        let old = std::mem::replace(&mut self.config, config);
        follow(&mut self.resolver, &self.config);
        learn_ways(&mut self.resolver).await;
        let result = match self.converge() {
            Ok(_) => {
                info!("the configuration was read again");
                self.file = file;
                self.attach().await
            }
            Err(error) => {
                self.config = old;
                follow(&mut self.resolver, &self.config);
                Err(error.context("the configuration stays as it was"))
            }
        };
        self.note([result]);
    }

    /// Takes the data plane down; the agent is to end then.
    pub(super) fn detach(&mut self) -> Result<()> {
        Dataplane::detach_pinned(&self.options.pin_root)?;
        info!("the data plane is detached");
        self.detached = true;
        Ok(())
    }

    /// The last thing to do.
    pub(super) fn end(mut self) -> Result<()> {
        if self.options.detach_on_exit && !self.detached {
            self.detach()?;
        }
        if !self.detached {
            info!("stopping; traffic flows on");
        }
        Ok(())
    }

    /// What an operator should look at, in words.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.failures.iter().cloned());
        warnings.extend(self.attached.iter().filter_map(|attached| attached.problem.clone()));
        warnings.extend(self.drivers.values().cloned());
        for service in &self.config.services {
            for server in &service.servers {
                if let Way::Unusable(words) = self.way(service, server) {
                    let (service, server) = (&service.name, &server.name);
                    warnings.push(format!("server {server} of {service}: {words}"));
                }
            }
        }
        warnings.extend(self.store.edits().apply(&self.file).conflicts);
        if self.repairs > 0 {
            warnings.push(format!(
                "{} differences in the maps were repaired: something else writes to them",
                self.repairs
            ));
        }
        warnings
    }

    pub(super) fn way(&self, service: &config::Service, server: &config::Server) -> Way<'_> {
        way(service.mode, self.resolver.resolutions().get(&server.address.ip()))
    }

    fn repair(&mut self) -> Result<()> {
        // What is known to be missing is no drift.
        self.converge()?;
        self.observed = self.dataplane.observe()?;
        let repaired = self.converge()?;
        if repaired > 0 {
            warn!(repaired, "the maps were not as this agent left them");
            self.repairs += repaired;
        }
        Ok(())
    }

    /// Remembers how it went; says what is new.
    fn note(&mut self, results: impl IntoIterator<Item = Result<()>>) {
        let errors = results.into_iter().filter_map(Result::err);
        let failures: Vec<String> = errors.map(|error| format!("{error:#}")).collect();
        for failure in failures.iter().filter(|failure| !self.failures.contains(failure)) {
            error!("{failure}");
        }
        self.failures = failures;
    }
}

/// Has the resolver follow the servers of a configuration.
pub(super) fn follow(resolver: &mut Resolver, config: &Config) {
    let servers = config.services.iter().flat_map(|service| &service.servers);
    resolver.want(servers.map(|server| server.address.ip()).collect());
}

fn keep_vlan_tags(interface: &str, drivers: &mut Drivers) {
    let outcome = host::keep_vlan_tags(interface);
    note_features(interface, outcome, "turned off, so that VLAN tags stay in the frames", drivers);
}

fn keep_frames_apart(interface: &str, drivers: &mut Drivers) {
    let outcome = host::keep_frames_apart(interface);
    let done = "turned off, so that the generic XDP hook above it gets frames one by one";
    note_features(interface, outcome, done, drivers);
}

/// Says what was done to an interface's features, and remembers what couldn't be.
fn note_features(
    interface: &str,
    outcome: Result<Vec<&'static str>, host::Error>,
    done: &'static str,
    drivers: &mut Drivers,
) {
    let place = (interface.to_owned(), done);
    drivers.remove(&place);
    match outcome {
        Ok(turned_off) => {
            for feature in turned_off {
                info!(interface, feature, "{done}");
            }
        }
        Err(error) => {
            warn!("{error}");
            drivers.insert(place, error.to_string());
        }
    }
}
