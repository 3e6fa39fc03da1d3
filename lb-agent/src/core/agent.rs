use super::{
    Options, drivers,
    reload::{Loaded, Reload},
    resetting::Resetting,
    running::{Running, target},
    wait_until,
    watch::Watch,
};
use crate::{
    config::{self, Config},
    dataplane::{Attached, Dataplane, Flows},
    desired::{Way, way},
    events::EventLog,
    health::{self, Checks},
    netlink::{Change, Resolver},
    plan::{Ledger, Observed},
    schedule,
    state::{Edits, Store},
    sweep::{Look, Place, Sweeper},
};
use anyhow::{Result, bail};
use lb_common::api::{AttachMode, Verdict};
use rtnetlink::Handle;
use std::{net::IpAddr, sync::Arc, time::Instant};
use tracing::{debug, error, info};

/// All that the agent knows and owns.
pub(super) struct Agent {
    pub(super) options: Options,
    pub(super) started: Instant,
    pub(super) running: Running,
    pub(super) store: Store,
    /// What operators have changed; what the store holds, but for a change that is being tried.
    pub(super) edits: Arc<Edits>,
    pub(super) resolver: Resolver,
    pub(super) dataplane: Dataplane,
    /// What the maps hold, as far as this agent knows.
    pub(super) observed: Observed,
    pub(super) ledger: Ledger,
    pub(super) attached: Vec<Attached>,
    pub(super) checks: Checks,
    pub(super) look: Arc<Look>,
    pub(super) flows: Flows,
    pub(super) events: EventLog,
    pub(super) sweeper: Sweeper,
    pub(super) resetting: Resetting,
    /// Whether the maps hold all that is desired, nothing more, and nothing has been done since
    /// that was planned as a whole.
    pub(super) settled: bool,
    pub(super) reload: Reload,
    pub(super) watch: Watch,
    pub(super) cache: schedule::Cache,
    pub(super) netlink: Handle,
    /// What was found when the agent started.
    warnings: Vec<String>,
    pub(super) drivers: drivers::Faults,
    /// Why the data plane isn't as it should be.
    failures: Vec<String>,
    /// Differences found in the maps that this agent didn't make.
    pub(super) repairs: usize,
    detached: bool,
}

/// What an [`Agent`] is made of.
pub(super) struct Parts {
    pub(super) options: Options,
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) resolver: Resolver,
    pub(super) dataplane: Dataplane,
    pub(super) checks: Checks,
    pub(super) sweeper: Sweeper,
    pub(super) events: EventLog,
    pub(super) netlink: Handle,
    pub(super) warnings: Vec<String>,
}

impl Agent {
    pub(super) fn new(parts: Parts) -> Result<Self> {
        let Parts { options, config, store, resolver, dataplane, .. } = parts;
        let observed = dataplane.observe()?;
        let resetting = Resetting::of(&observed);
        parts.sweeper.reset(resetting.places());
        Ok(Self {
            options,
            started: Instant::now(),
            running: Running::new(config, store.edits()),
            edits: Arc::new(store.edits().clone()),
            store,
            resolver,
            ledger: Ledger::new(&observed),
            observed,
            flows: dataplane.flows()?,
            dataplane,
            attached: Vec::new(),
            checks: parts.checks,
            look: Arc::default(),
            events: parts.events,
            sweeper: parts.sweeper,
            resetting,
            settled: false,
            reload: Reload::default(),
            watch: Watch::default(),
            cache: schedule::Cache::default(),
            netlink: parts.netlink,
            warnings: parts.warnings,
            drivers: drivers::Faults::default(),
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

    /// Waits for news of any kind.
    pub(super) async fn news(&mut self) -> News {
        let due = self.due();
        tokio::select! {
            change = self.resolver.changed() => News::Ways(change),
            changed = self.checks.changed() => News::Health(changed),
            look = self.sweeper.looked() => News::Look(look),
            loaded = self.reload.loaded() => News::Loaded(loaded),
            () = self.watch.changed() => News::FileChanged,
            () = wait_until(due.map(Into::into)) => News::Due,
        }
    }

    /// Takes news in.
    pub(super) async fn follow(&mut self, news: News) {
        match news {
            News::Ways(change) => {
                let converged = self.converge().map(drop);
                let attached = if change.links { self.attach().await } else { Ok(()) };
                self.note([converged, attached]);
            }
            News::Health(changed) => {
                let services = self.follow_health(&changed);
                let converged = self.converge_services(&services).map(drop);
                self.note([converged]);
            }
            News::Look(look) => self.take_look(look),
            News::Loaded(loaded) => self.take_file(loaded).await,
            News::FileChanged => self.begin_reload(None),
            News::Due => {
                let services = self.elect_due();
                let converged = self.converge_services(&services).map(drop);
                self.note([converged]);
            }
        }
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
        self.begin_checks();
        self.watch.follow(self.running.file.autoreload.then_some(&*self.options.config));
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
        warnings.extend(self.drivers.words());
        for service in &self.running.config.services {
            for server in service.members() {
                if let Way::Unusable(words) = self.way(service, server) {
                    let (service, server) = (&service.name, &server.name);
                    warnings.push(format!("server {server} of {service}: {words}"));
                }
            }
        }
        warnings.extend(self.running.conflicts.iter().cloned());
        if self.repairs > 0 {
            warnings.push(format!(
                "{} differences in the maps were repaired: something else writes to them",
                self.repairs
            ));
        }
        warnings
    }

    pub(super) fn way(&self, service: &config::Service, server: &config::Server) -> Way<'_> {
        way(service, server, self.resolver.resolutions().get(&server.address.ip()))
    }

    /// Takes in what the last look at the flows has found.
    fn take_look(&mut self, look: Arc<Look>) {
        let servers = &self.observed.servers;
        let is_current = |(index, generation): Place| {
            servers.get(index as usize).is_some_and(|server| server.generation == generation)
        };
        for (server, delta) in look.drift(is_current) {
            self.dataplane.loads().correct(server, delta);
        }
        self.look = look;
    }

    /// What the check of a server says; none if it isn't checked.
    pub(super) fn verdict(
        &self,
        service: &config::Service,
        server: &config::Server,
    ) -> Option<Verdict> {
        let target = target(service, server)?;
        Some(self.checks.verdict(&target).unwrap_or(Verdict::Checking))
    }

    /// Remembers how it went; says what is new.
    pub(super) fn note(&mut self, results: impl IntoIterator<Item = Result<()>>) {
        let errors = results.into_iter().filter_map(Result::err);
        let failures: Vec<String> = errors.map(|error| format!("{error:#}")).collect();
        for failure in failures.iter().filter(|failure| !self.failures.contains(failure)) {
            error!("{failure}");
        }
        self.failures = failures;
    }
}

/// What the agent waits for.
pub(super) enum News {
    /// The kernel has told of routes, neighbours or links.
    Ways(Change),
    /// A check has changed its mind.
    Health(health::Change),
    /// The flows have been looked at.
    Look(Arc<Look>),
    /// The configuration file has been read.
    Loaded(Loaded),
    /// The configuration file has changed.
    FileChanged,
    /// Something was to happen at this time.
    Due,
}
