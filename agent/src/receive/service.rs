//! One request, from headers to answer: what both transports share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::body::Bounds;
use super::settings::Limits;
use crate::admission::Budget;
use crate::engine::Engine;
use crate::request::{Answer, ReceivedRequest, Refusal};
use crate::signal::Signal;
use crate::telemetry::ReceiverMetrics;

/// Shared state of a listener's connections.
#[derive(Debug)]
pub struct Service {
    /// Destination of requests.
    pub engine: Arc<Engine>,
    /// Budget of their bytes.
    pub budget: Budget,
    /// Limits of this receiver; they change at a reload.
    pub limits: ArcSwap<Limits>,
    /// Its counters.
    pub metrics: ReceiverMetrics,
}

impl Service {
    pub(super) fn bounds(&self) -> Bounds {
        let limits = self.limits.load();
        Bounds { max_bytes: limits.max_bytes, timeout: limits.timeout }
    }

    /// Hands a collected request to the engine: reserves the way out first, because what is accepted
    /// must always find a place in every queue.
    pub(super) async fn take(
        &self,
        signal: Signal,
        received: impl Future<Output = Result<ReceivedRequest, Refusal>>,
        deadline: Option<Duration>,
    ) -> Result<Answer, Refusal> {
        let outcome = async {
            let ticket = self.engine.admit(signal)?;
            let received = received.await?;
            self.engine.ingest(ticket, received, deadline, &self.metrics).await
        }
        .await;
        if let Err(refusal) = &outcome {
            self.metrics.refused(Some(signal), refusal.reason());
            tracing::debug!(signal = signal.name(), %refusal, "request refused");
        }
        outcome
    }
}
