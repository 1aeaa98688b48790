//! The boot and the end: build (bind early) → serve → drain.
//!
//! Every socket is bound before anything is served, so a port that is taken is an error at boot and
//! the addresses printed are the real ones. Draining goes against the stream: receivers stop, requests
//! in flight finish, queues empty; what a deadline leaves behind is counted as lost.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::account::{Account, AccountError};
use crate::admin::{Admin, AdminListener, Condition, Health, Metrics, Phase};
use crate::admission::Budget;
use crate::config::{self, ExporterKind, Settings};
use crate::deliver::{Channel, Connector, Destination, Exporter, Otlp};
use crate::engine::{Engine, Routes};
use crate::receive::{Listener, Protocol, Service};

/// How long a shutdown waits for requests in flight and for the queues.
pub const DRAIN: Duration = Duration::from_secs(25);

/// Why the agent cannot start.
#[derive(Debug, Error)]
pub enum BootError {
    /// An address cannot be bound.
    #[error("cannot listen on {address} for {purpose}: {source}")]
    Bind {
        /// What for.
        purpose: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An exporter cannot be set up.
    #[error("exporter {id}: {reason}")]
    Exporter {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Every bound address, as printed at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// OTLP/gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP/HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// `/health`.
    pub health: SocketAddr,
    /// `/metrics`.
    pub admin: SocketAddr,
}

/// A built agent, listening but not serving.
#[derive(Debug)]
pub struct App {
    listening: Listening,
    receivers: Vec<Listener>,
    admins: Vec<AdminListener>,
    shared: Arc<Admin>,
}

impl App {
    /// Binds every socket and sets up every destination.
    ///
    /// # Errors
    /// [`BootError`].
    pub async fn build(settings: &Settings) -> Result<Self, BootError> {
        let account = Arc::new(match &settings.data_dir {
            Some(dir) => Account::open(dir)?,
            None => Account::in_memory(),
        });
        report_account(&account);
        let metrics = Arc::new(Metrics::new());
        let routes = routes(settings, &account, &metrics)?;
        let engine = Arc::new(Engine::new(routes, settings.acknowledge.0));
        let health = Arc::new(Health::new(condition(settings, &account)));
        let budget = Budget::new(settings.memory_limit);
        let shared = Arc::new(Admin { health, metrics, budget, account, engine });
        let mut app = Self {
            listening: Listening {
                otlp_grpc: None,
                otlp_http: None,
                health: settings.health,
                admin: settings.admin,
            },
            receivers: Vec::new(),
            admins: Vec::new(),
            shared,
        };
        app.listening.otlp_grpc = app.receiver("otlp_grpc", settings.grpc.as_ref(), Protocol::Grpc).await?;
        app.listening.otlp_http = app.receiver("otlp_http", settings.http.as_ref(), Protocol::Http).await?;
        app.listening.health = app.admin("health", settings.health).await?;
        app.listening.admin = app.admin("admin", settings.admin).await?;
        Ok(app)
    }

    /// Where it listens.
    pub fn listening(&self) -> Listening {
        self.listening
    }

    /// What it shows of itself.
    pub fn shared(&self) -> Arc<Admin> {
        Arc::clone(&self.shared)
    }

    /// Serves until `stop`, then drains.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut receivers = JoinSet::new();
        for listener in self.receivers {
            receivers.spawn(listener.serve(stopped.clone()));
        }
        for listener in self.admins {
            tokio::spawn(listener.serve());
        }
        self.shared.health.update(|condition| condition.phase = Phase::Running);
        stop.await;
        tracing::info!("draining");
        self.shared.health.update(|condition| condition.phase = Phase::Draining);
        let deadline = Instant::now() + DRAIN;
        let _receivers_are_there = stopping.send(true);
        let closing = async { while receivers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline, closing).await.is_err() {
            tracing::warn!("connections still open at the shutdown's deadline");
        }
        self.shared.engine.stop();
        for destination in self.shared.engine.destinations() {
            destination.drain(deadline).await;
        }
    }

    async fn receiver(
        &mut self,
        purpose: &'static str,
        settings: Option<&config::Receiver>,
        protocol: Protocol,
    ) -> Result<Option<SocketAddr>, BootError> {
        let Some(&config::Receiver { address, limits }) = settings else { return Ok(None) };
        let transport = match protocol {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        };
        let service = Service {
            engine: Arc::clone(&self.shared.engine),
            budget: self.shared.budget.clone(),
            limits,
            metrics: self.shared.metrics.receiver(transport),
        };
        let bind = |source| BootError::Bind { purpose, address, source };
        let listener = Listener::bind(address, protocol, Arc::new(service)).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        self.receivers.push(listener);
        Ok(Some(bound))
    }

    async fn admin(&mut self, purpose: &'static str, address: SocketAddr) -> Result<SocketAddr, BootError> {
        let bind = |source| BootError::Bind { purpose, address, source };
        let listener = AdminListener::bind(address, Arc::clone(&self.shared)).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        self.admins.push(listener);
        Ok(bound)
    }
}

fn condition(settings: &Settings, account: &Account) -> Condition {
    Condition {
        phase: Phase::Starting,
        generation: 1,
        config_digest: settings.digest.clone(),
        config_error: None,
        acknowledge: settings.acknowledge.0.name(),
        acknowledge_why: settings.acknowledge.1.clone(),
        account: if account.is_kept() { "kept" } else { "none: no data_dir, a crash cannot be measured" },
    }
}

fn report_account(account: &Account) {
    if !account.is_kept() {
        tracing::warn!("no phoenix.data_dir: what a crash loses cannot be measured");
    }
    let lost = account.found_lost();
    if lost > 0 {
        tracing::error!(lost, "the last process died owing acknowledged points that were never confirmed");
    }
}

fn routes(settings: &Settings, account: &Arc<Account>, metrics: &Metrics) -> Result<Routes, BootError> {
    let mut all = Vec::with_capacity(settings.exporters.len());
    for exporter in &settings.exporters {
        all.push(Arc::new(Destination::new(
            exporter.id.clone(),
            build_exporter(exporter)?,
            exporter.queue,
            exporter.retry,
            Arc::clone(account),
            metrics.exporter(&exporter.id),
        )));
    }
    let pick = |indices: &Vec<usize>| indices.iter().map(|&i| Arc::clone(&all[i])).collect();
    let per_signal = std::array::from_fn(|i| settings.routes[i].as_ref().map(pick));
    Ok(Routes { per_signal, all })
}

fn build_exporter(exporter: &config::Exporter) -> Result<Exporter, BootError> {
    let failed = |reason: String| BootError::Exporter { id: exporter.id.clone(), reason };
    Ok(match &exporter.kind {
        ExporterKind::Nop => Exporter::Nop,
        ExporterKind::Debug => Exporter::Debug,
        ExporterKind::Otlp { endpoint, otlp } => {
            let connector = Connector::new(endpoint.clone()).map_err(|error| failed(error.to_string()))?;
            let channel = Channel::new(connector).map_err(|error| failed(error.to_string()))?;
            Exporter::Otlp(Box::new(Otlp::new(channel, (**otlp).clone())))
        }
    })
}

#[cfg(test)]
mod tests;
