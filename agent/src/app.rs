//! The boot and the end: build (bind early) → serve → drain.
//!
//! Every socket is bound before anything is served, so a port that is taken is an error at boot and
//! the addresses printed are the real ones. Draining goes with the stream: receivers stop, requests
//! in flight finish, queues empty; what a deadline leaves behind is counted as lost.

mod apply;
mod attempt;
mod file;
mod held;
mod host;
mod listeners;
mod preview;
mod remote;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::admin::{Admin, AdminListener, AdminSettings, Audience};
use crate::admission::Budget;
use crate::config::Settings;
use crate::config_reader::SharedReader;
use crate::deliver::{Destinations, ExporterError};
use crate::delivery_ledger::{DeliveryLedger, DeliveryLedgerError};
use crate::engine::{self, EngineParts, Engines, Reporter};
use crate::fleet::{Fleet, Identity, Request};
use crate::ledger::{Ledger, LedgerError, Run};
use crate::memory;
use crate::outbox::Outbox;
use crate::own_metrics::{self, Attribute, OwnMetrics};
use crate::receive::{ListenAddress, Protocol};
use crate::telemetry::{Condition, Health, Metrics, Phase};
use apply::Controller;

/// Time that a shutdown waits for requests in flight and for the queues.
const DRAIN: Duration = Duration::from_secs(25);
/// Time between two looks for windows that have ended.
const TICK: Duration = Duration::from_secs(1);

/// Reason for which the agent cannot start, or cannot use new settings.
#[derive(Debug, Error)]
pub enum BootError {
    /// An address cannot be bound.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Bind {
        /// Purpose of the address.
        purpose: &'static str,
        /// Address.
        address: String,
        /// Error of the system.
        source: io::Error,
    },
    /// A certificate of a receiver cannot be read.
    #[error("receiver {id}: tls: {source}")]
    Receiver {
        /// Component id of the receiver.
        id: String,
        /// Reason.
        source: io::Error,
    },
    /// An exporter cannot be set up.
    #[error("exporter {id}: {source}")]
    Exporter {
        /// Component id of the exporter.
        id: String,
        /// Reason.
        source: ExporterError,
    },
    /// Another agent has the delivery ledger.
    #[error(transparent)]
    DeliveryLedger(#[from] DeliveryLedgerError),
    /// The way to a receiver of the agent's own metrics cannot be set up.
    #[error("service.telemetry.metrics: the reader that sends to {to}: {source}")]
    OwnMetrics {
        /// Receiver.
        to: String,
        /// Reason.
        source: ExporterError,
    },
    /// The generation cannot be committed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The generation that was pushed cannot run.
    #[error(transparent)]
    Pushed(#[from] remote::RemoteGenerationError),
}

/// Every bound address, as printed at boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoundAddresses {
    /// OTLP/gRPC, of the first receiver that has it.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP/HTTP, of the first receiver that has it.
    pub otlp_http: Option<SocketAddr>,
    /// Every receiver's, by id and protocol, such as `otlp/2 http`.
    pub receivers: BTreeMap<String, ListenAddress>,
    /// `/health`.
    pub health: SocketAddr,
    /// `/metrics` and `/experiment`.
    pub admin: SocketAddr,
}

/// Event from outside that a running agent handles.
#[derive(Debug)]
pub enum Event {
    /// Settings read anew, or the reason for which there are none.
    Reread(Box<Result<Settings, String>>),
    /// Order to end.
    Stop,
}

/// A built agent: its receivers serve, its admin ports follow when it runs.
#[derive(Debug)]
pub struct App {
    admins: [AdminListener; 2],
    control: Controller,
    shared: Arc<Admin>,
    fleet: Option<Fleet>,
    own_metrics: (OwnMetrics, Vec<(String, Attribute)>),
    requests: mpsc::Receiver<Request>,
}

impl App {
    /// Binds every socket and sets up every destination.
    ///
    /// # Errors
    /// [`BootError`].
    pub async fn build(settings: Settings) -> Result<Self, BootError> {
        let delivery_ledger = match &settings.data_dir {
            Some(dir) => DeliveryLedger::open(dir)?,
            None => DeliveryLedger::in_memory(),
        };
        let outbox = Arc::new(Outbox::default());
        let boot_id = uuid::Uuid::now_v7().to_string();
        let run = Run::on_this_host(&boot_id);
        let ledger = Ledger::open(settings.data_dir.as_deref(), run, engine::now() / 1_000_000_000);
        let refused = ledger.refused_at_start();
        let reporter = Reporter { outbox: Arc::clone(&outbox), boot_id: boot_id.clone() };
        let metrics = Arc::new(Metrics::new(settings.names));
        let health = Arc::new(Health::new(Condition::starting()));
        // Agents of tests share a process, which has more than any of them.
        let look = if cfg!(test) { || None } else { memory::resident };
        let budget = Budget::of_process(settings.memory_limit, look);
        let delivery_ledger = Arc::new(delivery_ledger);
        let parts = EngineParts {
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            budget: budget.clone(),
            delivery_ledger: Arc::clone(&delivery_ledger),
            reporter,
        };
        let shared = Arc::new(Admin {
            outbox: Arc::clone(&outbox),
            engines: Arc::new(Engines::new(parts, &settings.pipeline)),
            budget,
            destinations: Arc::new(Destinations::default()),
            delivery_ledger,
            health,
            health_path: settings.health_path.clone(),
            metrics,
        });
        let admins = [
            admin("health", settings.health.clone(), &shared, Audience::Anybody).await?,
            admin("admin", settings.admin.clone(), &shared, Audience::Owner).await?,
        ];
        let mut control = Controller::new(Arc::clone(&shared), ledger);
        let (sender, requests) = mpsc::channel(1);
        let fleet = settings.control_plane.clone().zip(settings.data_dir.clone());
        let labels = settings.labels.iter().cloned().collect();
        let own = settings.own_metrics.clone();
        let own_metrics =
            OwnMetrics::new(&own).map_err(|(to, source)| BootError::OwnMetrics { to, source })?;
        control.apply(settings).await?;
        // What no queue on disk has told of by now is lost.
        shared.delivery_ledger.write_off();
        report(&shared.delivery_ledger);
        let identity = control.identity(boot_id, labels);
        let resource = own_metrics::resource(about(&identity), &own.resource);
        let fleet = fleet.map(|(control_plane, data_dir)| Fleet {
            control_plane,
            identity,
            data_dir,
            outbox,
            health: Arc::clone(&shared.health),
            in_force: control.in_force(),
            refused: refused.map(|refused| (refused.config_hash, refused.reason)),
            requests: sender,
            turned_away: shared.metrics.turned_away(),
        });
        shared.health.update(|condition| condition.phase = Phase::Running);
        Ok(Self { admins, control, shared, fleet, own_metrics: (own_metrics, resource), requests })
    }

    /// Bound addresses of all listeners.
    ///
    /// # Errors
    /// The system's.
    pub fn listening(&self) -> io::Result<BoundAddresses> {
        let bound = || self.control.listeners.bound();
        let first = |wanted| {
            bound().find(|(_, protocol, _)| *protocol == wanted).and_then(|(.., address)| address.tcp())
        };
        let receivers =
            bound().map(|(id, protocol, address)| (format!("{id} {}", protocol.name()), address.clone()));
        let (health, admin) = (self.admins[0].local_addr()?, self.admins[1].local_addr()?);
        let [otlp_grpc, otlp_http] = [Protocol::Grpc, Protocol::Http].map(first);
        Ok(BoundAddresses { otlp_grpc, otlp_http, receivers: receivers.collect(), health, admin })
    }

    /// Has the files of its config, which this reader looks at, read anew before something promoted takes the place of their
    /// pipeline.
    #[must_use]
    pub fn watching(mut self, reader: SharedReader) -> Self {
        self.control.watches(reader);
        self
    }

    /// Has configs that are put in force from now on change this filter of the log.
    #[must_use]
    pub fn logging(mut self, filter: logs::Filter) -> Self {
        self.control.log = Some(filter);
        self
    }

    /// State that its own endpoints show.
    pub fn shared(&self) -> Arc<Admin> {
        Arc::clone(&self.shared)
    }

    /// Serves until `next` says to stop, then drains.
    pub async fn run(mut self, mut next: impl AsyncFnMut() -> Event) {
        // What serves and ticks in the background ends with this set.
        let mut background = JoinSet::new();
        for listener in self.admins {
            background.spawn(listener.serve());
        }
        background.spawn(tick(Arc::clone(&self.shared.engines)));
        if let Some(fleet) = self.fleet.take() {
            background.spawn(fleet.run());
        }
        let (own_metrics, resource) = self.own_metrics;
        let own_metrics = own_metrics.start(resource, &self.shared);
        loop {
            let event = tokio::select! {
                event = next() => event,
                Some(request) = self.requests.recv() => {
                    self.control.asked(request).await;
                    continue;
                }
                () = self.control.trial_over() => {
                    self.control.commit_attempt();
                    continue;
                }
            };
            match event {
                Event::Stop => break,
                Event::Reread(read) => self.control.take(*read).await,
            }
        }
        drain(&mut self.control, &self.shared).await;
        own_metrics.end().await;
    }
}

/// Attributes of the resource of the agent's own metrics that no config has to name.
fn about(identity: &Identity) -> impl Iterator<Item = (String, String)> {
    let own = [
        ("service.name", "phoenix-agent"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", &identity.uid),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(identity.attributes.clone())
}

async fn drain(control: &mut Controller, shared: &Admin) {
    tracing::info!("draining");
    control.stop();
    shared.health.update(|condition| condition.phase = Phase::Draining);
    let deadline = Instant::now() + DRAIN;
    if tokio::time::timeout_at(deadline, control.listeners.close()).await.is_err() {
        tracing::warn!("connections are still open at the shutdown's deadline");
    }
    let engines = Arc::clone(&shared.engines);
    let finish = move || engines.finish(engine::now(), deadline);
    let _a_panic_is_logged = tokio::task::spawn_blocking(finish).await;
    // What one pipeline still waits for must not keep what another has sent.
    shared.destinations.hurry();
    shared.engines.place_pending(deadline).await;
    let saved = shared.engines.save(|| shared.delivery_ledger.totals().queued);
    if tokio::time::timeout_at(deadline, saved).await.is_err() {
        tracing::error!(
            "the state of stages is not on disk at the shutdown's deadline: they begin without any"
        );
    }
    shared.destinations.drain(deadline).await;
}

async fn tick(engines: Arc<Engines>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let engines = Arc::clone(&engines);
        let _a_panic_is_logged = tokio::task::spawn_blocking(move || engines.tick(engine::now())).await;
    }
}

async fn admin(
    purpose: &'static str,
    settings: AdminSettings,
    shared: &Arc<Admin>,
    audience: Audience,
) -> Result<AdminListener, BootError> {
    let address = settings.address.to_string();
    let listener = AdminListener::bind(settings, Arc::clone(shared), audience).await;
    listener.map_err(|source| BootError::Bind { purpose, address, source })
}

fn report(ledger: &DeliveryLedger) {
    tracing::info!(account = ledger.storage().as_ref(), "points that are owed");
    let lost = ledger.found_lost();
    if lost > 0 {
        tracing::error!(lost, "the last process died owing acknowledged points that were never confirmed");
    }
    if let Some(held) = ledger.held_at_crash() {
        tracing::error!("{}", held.text());
    }
}

#[cfg(test)]
pub mod tests;
