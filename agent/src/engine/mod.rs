//! Between in and out: admits requests, runs what stands between, and hands on what leaves.
//!
//! Admission is decided before the first stage, on the queues' places and the budget. From then on
//! the agent owns the request and never answers retryably: a retry would pass state already advanced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::admin::ReceiverMetrics;
use crate::count;
use crate::deliver::{Destination, Outcome, Payload, Variant};
use crate::receive::{Answer, Received, Refusal};
use crate::signal::Signal;

/// How long an answer waits for delivery when the sender sets no deadline of its own: less than the
/// five seconds a Collector gives an attempt, so that it hears the answer.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(4);

/// When a sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// Once the request is queued.
    OnAccept,
    /// Once the destinations settled it.
    OnDelivery,
}

impl Acknowledge {
    /// Its name in the config and in `/health`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnAccept => "on_accept",
            Self::OnDelivery => "on_delivery",
        }
    }
}

/// Which destinations each signal goes to; nothing for a signal without a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Per [`Signal::index`].
    pub per_signal: [Option<Vec<Arc<Destination>>>; 3],
    /// Every destination once.
    pub all: Vec<Arc<Destination>>,
}

/// What receivers call.
#[derive(Debug)]
pub struct Engine {
    routes: ArcSwap<Routes>,
    acknowledge: Acknowledge,
    stopping: AtomicBool,
}

/// A request that may come in: its places in the queues.
#[derive(Debug)]
pub struct Ticket {
    signal: Signal,
    places: Vec<(Arc<Destination>, OwnedSemaphorePermit)>,
}

impl Engine {
    /// An engine that passes requests on along `routes`.
    pub fn new(routes: Routes, acknowledge: Acknowledge) -> Self {
        Self { routes: ArcSwap::from_pointee(routes), acknowledge, stopping: AtomicBool::new(false) }
    }

    /// Reserves a place with every destination of `signal`.
    ///
    /// # Errors
    /// [`Refusal::NoPipeline`], [`Refusal::Queue`] or [`Refusal::Stopping`].
    pub fn admit(&self, signal: Signal) -> Result<Ticket, Refusal> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        let routes = self.routes.load();
        let Some(destinations) = &routes.per_signal[signal.index()] else {
            return Err(Refusal::NoPipeline(signal));
        };
        let mut places = Vec::with_capacity(destinations.len());
        for destination in destinations {
            let Some(slot) = destination.reserve() else {
                return Err(Refusal::Queue(destination.name().to_owned()));
            };
            places.push((Arc::clone(destination), slot));
        }
        Ok(Ticket { signal, places })
    }

    /// Takes an admitted request. `deadline` is the sender's own, for an answer that waits.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] before anything happened; [`Refusal::Undelivered`] after.
    pub async fn ingest(
        &self,
        ticket: Ticket,
        received: Received,
        deadline: Option<Duration>,
        metrics: &ReceiverMetrics,
    ) -> Result<Answer, Refusal> {
        let items = count::items(ticket.signal, &received.message)?;
        metrics.accepted(ticket.signal, items);
        if items == 0 {
            return Ok(Answer::default());
        }
        let payload = Payload {
            signal: ticket.signal,
            message: received.message,
            wire: received.wire,
            items,
            variant: Variant::Baseline,
            generation: self.generation(),
            permit: Arc::new(received.permit),
        };
        let mut waits = Vec::new();
        for (destination, slot) in ticket.places {
            let done = (self.acknowledge == Acknowledge::OnDelivery).then(|| {
                let (done, wait) = oneshot::channel();
                waits.push(wait);
                done
            });
            destination.enqueue(payload.clone(), slot, done);
        }
        drop(payload);
        if waits.is_empty() { Ok(Answer::default()) } else { settled(waits, deadline).await }
    }

    /// Refuses everything from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Every destination.
    pub fn destinations(&self) -> Vec<Arc<Destination>> {
        self.routes.load().all.clone()
    }

    /// The generation in charge.
    pub fn generation(&self) -> u64 {
        1
    }
}

/// Waits for every destination's outcome, a little less long than the sender does.
async fn settled(
    waits: Vec<oneshot::Receiver<Outcome>>,
    deadline: Option<Duration>,
) -> Result<Answer, Refusal> {
    let patience = deadline.map_or(DELIVERY_DEADLINE, |deadline| deadline.mul_f64(0.8));
    let all = async {
        let mut answer = Answer::default();
        for wait in waits {
            match wait.await {
                Ok(Outcome::Delivered { rejected, message }) => {
                    answer.rejected = answer.rejected.max(rejected);
                    if answer.message.is_empty() {
                        answer.message = message;
                    }
                }
                Ok(Outcome::Failed(reason)) => return Err(Refusal::Undelivered(reason)),
                Err(_) => return Err(Refusal::Undelivered("the agent is shutting down".into())),
            }
        }
        Ok(answer)
    };
    let late =
        || Refusal::Undelivered(format!("not delivered within {patience:?}; still queued, do not retry"));
    tokio::time::timeout(patience, all).await.unwrap_or_else(|_| Err(late()))
}
