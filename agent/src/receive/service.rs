//! One request, from headers to answer: what both transports share.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::body::Bounds;
use super::{Answer, Received, Refusal};
use crate::admin::ReceiverMetrics;
use crate::admission::Budget;
use crate::engine::Engine;
use crate::signal::Signal;

/// Limits of a receiver's requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one request, before and after decompression.
    pub max_bytes: usize,
    /// Longest wait for a request's headers or body.
    pub timeout: Duration,
    /// HTTP/2 streams one connection may have open.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, timeout: Duration::from_secs(30), max_streams: 128 }
    }
}

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
        received: impl Future<Output = Result<Received, Refusal>>,
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
