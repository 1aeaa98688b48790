//! The receivers' sockets, over changes of the config.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use gate::{Gate, ServerTls};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::BootError;
use crate::admin::Admin;
use crate::config::Settings;
use crate::receive::{ListenAddress, Listener, MAX_REQUESTS, Protocol, ReceiverSettings, Service};

/// A socket and what serves it.
#[derive(Debug)]
struct OpenListener {
    settings: ReceiverSettings,
    bound: ListenAddress,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
}

/// Sockets that are bound, but not yet those in charge.
#[derive(Debug)]
pub struct PreparedListeners {
    /// One for each receiver that has no socket of its address.
    bound: Vec<(OpenListener, Listener)>,
    /// TLS of each receiver, read anew.
    tls: Vec<Option<Arc<ServerTls>>>,
}

/// The sockets in charge, one for each protocol of a receiver.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Vec<OpenListener>,
    serving: JoinSet<()>,
}

impl Listeners {
    /// Binds what `settings` ask for and is not bound yet. Nothing else changes.
    ///
    /// # Errors
    /// [`BootError::Bind`] and [`BootError::Receiver`].
    pub fn prepare(&self, settings: &Settings, shared: &Admin) -> Result<PreparedListeners, BootError> {
        let mut tls = Vec::with_capacity(settings.receivers.len());
        for wanted in &settings.receivers {
            let failed = |source| BootError::Receiver { id: wanted.id.clone(), source };
            tls.push(wanted.secured().map_err(failed)?);
        }
        let mut bound = Vec::new();
        let mut there: Vec<&OpenListener> = self.open.iter().collect();
        for wanted in &settings.receivers {
            match there.iter().position(|open| open.serves(wanted)) {
                Some(place) => drop(there.swap_remove(place)),
                None => bound.push(bind(wanted, shared)?),
            }
        }
        Ok(PreparedListeners { bound, tls })
    }

    /// Serves what was prepared, and stops serving what is asked for no more; requests in flight finish.
    pub fn adopt(&mut self, prepared: PreparedListeners, settings: &Settings) {
        let mut there = std::mem::take(&mut self.open);
        let mut bound = prepared.bound.into_iter();
        for (wanted, tls) in settings.receivers.iter().zip(prepared.tls) {
            let known = there.iter().position(|open| open.serves(wanted));
            let open = known.map(|place| there.remove(place)).or_else(|| {
                let (open, listener) = bound.next()?;
                open.service.tls.store(tls.clone());
                self.serving.spawn(listener.serve(open.stop.subscribe()));
                Some(open)
            });
            self.open.extend(open.map(|open| {
                open.service.settings.store(Arc::new(wanted.clone()));
                open.service.tls.store(tls);
                OpenListener { settings: wanted.clone(), ..open }
            }));
        }
        for old in there {
            old.stop.send_replace(true);
        }
    }

    /// Bound addresses, each with the receiver's id and the protocol.
    pub fn bound(&self) -> impl Iterator<Item = (&str, Protocol, &ListenAddress)> {
        self.open.iter().map(|open| (open.settings.id.as_str(), open.settings.protocol, &open.bound))
    }

    /// Stops them all, and waits until the last connection is closed.
    pub async fn close(&mut self) {
        for open in &self.open {
            open.stop.send_replace(true);
        }
        while self.serving.join_next().await.is_some() {}
    }
}

impl OpenListener {
    /// Tells whether it is the socket of these settings, whatever else of them changes.
    fn serves(&self, wanted: &ReceiverSettings) -> bool {
        (self.settings.protocol, &self.settings.address) == (wanted.protocol, &wanted.address)
    }
}

fn bind(settings: &ReceiverSettings, shared: &Admin) -> Result<(OpenListener, Listener), BootError> {
    let (transport, purpose) = match settings.protocol {
        Protocol::Grpc => ("grpc", "otlp_grpc"),
        Protocol::Http => ("http", "otlp_http"),
    };
    let service = Arc::new(Service {
        engines: Arc::clone(&shared.engines),
        budget: shared.budget.clone(),
        requests: Gate::new(MAX_REQUESTS),
        settings: ArcSwap::from_pointee(settings.clone()),
        tls: ArcSwapOption::empty(),
        metrics: shared.metrics.receiver(transport),
    });
    let failed = |source| BootError::Bind { purpose, address: settings.address.to_string(), source };
    let listener = Listener::bind(&settings.address, settings.protocol, Arc::clone(&service));
    let listener = listener.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (stop, _) = watch::channel(false);
    Ok((OpenListener { settings: settings.clone(), bound, service, stop }, listener))
}
