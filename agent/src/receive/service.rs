//! One request, from headers to answer: what both transports share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use gate::{Gate, Pace, Peer, Quiet, ServerTls};

use super::body::Bounds;
use super::settings::ReceiverSettings;
use crate::admission::Budget;
use crate::engine::{Engine, Engines};
use crate::request::{Answer, ReceivedRequest, Refusal};
use crate::signal::Signal;
use crate::telemetry::{ReceiverMetrics, ReceiverOutcome};

/// Shared state of a listener's connections.
#[derive(Debug)]
pub struct Service {
    /// Engines, of which one takes what it receives.
    pub engines: Arc<Engines>,
    /// Budget of their bytes.
    pub budget: Budget,
    /// Places of its requests in progress.
    pub requests: Gate<Peer>,
    /// Settings of this receiver; they change at a reload.
    pub settings: ArcSwap<ReceiverSettings>,
    /// TLS of connections that begin now, where it is asked for.
    pub tls: ArcSwapOption<ServerTls>,
    /// Its counters.
    pub metrics: ReceiverMetrics,
}

impl Service {
    /// The engine that takes requests of `signal` now.
    fn engine(&self, signal: Signal) -> Result<Arc<Engine>, Refusal> {
        self.engines.of(signal, self.settings.load().pipeline.as_deref()).ok_or(Refusal::Stopping)
    }

    pub(super) fn bounds(&self, peer: Peer) -> Bounds<'_> {
        let limits = self.settings.load().limits;
        Bounds { budget: &self.budget, peer, max_bytes: limits.max_bytes, pace: Pace::of(limits.body) }
    }

    /// Longest silences of a connection.
    pub(super) fn quiet(&self) -> Quiet {
        let limits = self.settings.load().limits;
        Quiet { head: limits.head, idle: limits.idle }
    }

    /// Collects a request and hands it to the engine. What could not be taken is refused before any of it is read; the way
    /// out is reserved once it is whole, because what is accepted must always find a place in every queue, and what is
    /// withheld must hold none.
    pub(super) async fn take(
        &self,
        (peer, signal): (Peer, Signal),
        received: impl Future<Output = Result<ReceivedRequest, Refusal>>,
        deadline: Option<Duration>,
    ) -> Result<Answer, Refusal> {
        let began = Instant::now();
        let outcome = async {
            let _place = self.requests.enter(peer).map_err(Refusal::of_requests)?;
            if !self.settings.load().signals[signal.index()] {
                return Err(Refusal::NoPipeline(signal));
            }
            drop(self.engine(signal)?.admit(signal, 0)?);
            let received = received.await?;
            let engine = self.engine(signal)?;
            let ticket = engine.admit(signal, received.message.len())?;
            engine.ingest(ticket, received, deadline, &self.metrics).await
        }
        .await;
        self.metrics.took(began.elapsed());
        match &outcome {
            Ok(_) => self.metrics.ended(ReceiverOutcome::Success),
            Err(refusal) => {
                self.count(signal, refusal);
                tracing::debug!(signal = signal.name(), %refusal, "request refused");
            }
        }
        outcome
    }

    fn count(&self, signal: Signal, refusal: &Refusal) {
        if let Refusal::Undelivered(_) | Refusal::Unwritten(_) = refusal {
            return self.metrics.failed(signal, refusal.reason());
        }
        self.metrics.refused(Some(signal), refusal.reason());
        if let Refusal::Queue(exporter) | Refusal::Disk { exporter, .. } = refusal {
            self.metrics.not_queued(signal, exporter);
        }
    }
}
