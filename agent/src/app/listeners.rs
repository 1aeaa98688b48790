//! The receivers' sockets, over changes of the config.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use gate::Gate;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::BootError;
use crate::admin::Admin;
use crate::config::Settings;
use crate::receive::{Listener, MAX_REQUESTS, Protocol, ReceiverSettings, Service};

/// A protocol's socket and what serves it.
#[derive(Debug)]
struct OpenListener {
    settings: ReceiverSettings,
    bound: SocketAddr,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
}

/// Sockets that are bound, but not yet those in charge.
#[derive(Debug)]
pub struct PreparedListeners(Vec<(usize, Option<(OpenListener, Listener)>)>);

/// The sockets in charge, one a protocol at the most.
#[derive(Debug, Default)]
pub struct Listeners {
    open: [Option<OpenListener>; 2],
    serving: JoinSet<()>,
}

const PROTOCOLS: [(Protocol, &str, &str); 2] =
    [(Protocol::Grpc, "grpc", "otlp_grpc"), (Protocol::Http, "http", "otlp_http")];

impl Listeners {
    /// Binds what `settings` ask for and is not bound yet. Nothing else changes.
    ///
    /// # Errors
    /// [`BootError::Bind`].
    pub async fn prepare(&self, settings: &Settings, shared: &Admin) -> Result<PreparedListeners, BootError> {
        let mut prepared = Vec::new();
        for (i, wanted) in [&settings.grpc, &settings.http].into_iter().enumerate() {
            let address = |open: &Option<OpenListener>| open.as_ref().map(|open| open.settings.address);
            if wanted.as_ref().map(|wanted| wanted.address) == address(&self.open[i]) {
                continue;
            }
            let opened = match wanted {
                None => None,
                Some(wanted) => Some(bind(wanted, i, shared).await?),
            };
            prepared.push((i, opened));
        }
        Ok(PreparedListeners(prepared))
    }

    /// Serves what was prepared, and stops serving what it replaces; requests in flight finish.
    pub fn adopt(&mut self, prepared: PreparedListeners, settings: &Settings) {
        for (i, opened) in prepared.0 {
            let opened = opened.map(|(open, listener)| {
                self.serving.spawn(listener.serve(open.stop.subscribe()));
                open
            });
            if let Some(old) = std::mem::replace(&mut self.open[i], opened) {
                old.stop.send_replace(true);
            }
        }
        for (open, wanted) in self.open.iter_mut().zip([&settings.grpc, &settings.http]) {
            if let (Some(open), Some(wanted)) = (open, wanted) {
                open.service.limits.store(Arc::new(wanted.limits));
                open.settings = wanted.clone();
            }
        }
    }

    /// Listeners of OTLP/gRPC and OTLP/HTTP.
    pub fn bound(&self) -> [Option<SocketAddr>; 2] {
        [0, 1].map(|i| self.open[i].as_ref().map(|open| open.bound))
    }

    /// Stops them all, and waits until the last connection is closed.
    pub async fn close(&mut self) {
        for open in self.open.iter().flatten() {
            open.stop.send_replace(true);
        }
        while self.serving.join_next().await.is_some() {}
    }
}

async fn bind(
    settings: &ReceiverSettings,
    i: usize,
    shared: &Admin,
) -> Result<(OpenListener, Listener), BootError> {
    let (protocol, transport, purpose) = PROTOCOLS[i];
    let service = Arc::new(Service {
        engine: Arc::clone(&shared.engine),
        budget: shared.budget.clone(),
        requests: Gate::new(MAX_REQUESTS),
        limits: ArcSwap::from_pointee(settings.limits),
        metrics: shared.metrics.receiver(transport),
    });
    let failed = |source| BootError::Bind { purpose, address: settings.address, source };
    let listener = Listener::bind(settings.address, protocol, Arc::clone(&service)).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (stop, _) = watch::channel(false);
    Ok((OpenListener { settings: settings.clone(), bound, service, stop }, listener))
}
