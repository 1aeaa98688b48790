//! Out: one [`Destination`] per exporter, each with its own queue, retries and account.
//!
//! A place in the queue is reserved when a request is admitted, so what was accepted can always be
//! queued. A queued parcel is a task waiting its turn at a fair semaphore: when nothing is in its
//! way it is sent from the thread that received it, without a hand-over. A slow destination holds up
//! nobody but itself; bytes are shared, never copied per destination.

mod channel;
mod connect;
mod destinations;
mod meter;
mod otlp;
mod parcel;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use observe::Delivery;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

pub use channel::Channel;
pub use connect::{Connector, Endpoint, Stream};
pub use destinations::Destinations;
pub use meter::Meter;
pub use otlp::{Otlp, OtlpSettings};
pub use parcel::{Debt, Outcome, Parcel, Payload};
pub use retry::{Backoff, RetrySettings};

use crate::account::Account;
use crate::admin::ExporterMetrics;
use otlp::Attempt;

/// `sending_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Off means that a sender is answered only after delivery.
    pub enabled: bool,
    /// Requests it holds, those being sent included.
    pub size: usize,
    /// Requests being sent at once.
    pub consumers: usize,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { enabled: true, size: 1_000, consumers: 10 }
    }
}

/// Destination of queued payloads.
#[derive(Debug)]
pub enum Exporter {
    /// To an OTLP/gRPC server.
    Otlp(Box<Otlp>),
    /// To the log, a line a request.
    Debug,
    /// Nowhere.
    Nop,
}

/// An exporter with its queue.
#[derive(Debug)]
pub struct Destination {
    name: String,
    exporter: Exporter,
    queue: QueueSettings,
    slots: Arc<Semaphore>,
    consumers: Semaphore,
    retry: RetrySettings,
    account: Arc<Account>,
    metrics: ExporterMetrics,
}

impl Destination {
    /// An empty queue before `exporter`. `name` is its component id, such as `otlp/eu`.
    pub fn new(
        name: String,
        exporter: Exporter,
        queue: QueueSettings,
        retry: RetrySettings,
        account: Arc<Account>,
        metrics: ExporterMetrics,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(queue.size));
        let consumers = Semaphore::new(queue.consumers);
        Self { name, exporter, queue, slots, consumers, retry, account, metrics }
    }

    /// Its component id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Places taken and places there are.
    pub fn load(&self) -> (usize, usize) {
        (self.queue.size - self.slots.available_permits(), self.queue.size)
    }

    /// A place in the queue, or nothing if it is full.
    pub fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok()
    }

    /// A place in the queue, once there is one; nothing if the queue is closed.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Counts a payload as lost, for which there was no place when the agent ended.
    pub fn lose(&self, payload: &Payload) {
        tracing::error!(exporter = self.name, items = payload.items, "no place until the end, lost");
        drop(Debt::new(&self.account, payload.items));
    }

    /// Queues `payload` in a reserved place. From here on it is owed, until it is settled.
    pub fn enqueue(
        self: &Arc<Self>,
        payload: Payload,
        slot: OwnedSemaphorePermit,
        done: Option<oneshot::Sender<Outcome>>,
    ) {
        let debt = Debt::new(&self.account, payload.items);
        let parcel = Parcel { payload, slot, debt, done, queued: Instant::now() };
        tokio::spawn(Arc::clone(self).deliver(parcel));
    }

    /// Waits until the queue is empty, or `deadline`. Nothing can be reserved afterwards.
    pub async fn drain(&self, deadline: Instant) {
        let all = self.slots.acquire_many(self.queue.size as u32);
        if let Ok(Ok(all)) = tokio::time::timeout_at(deadline, all).await {
            all.forget();
        }
        self.slots.close();
    }

    async fn deliver(self: Arc<Self>, parcel: Parcel) {
        let Ok(_turn) = self.consumers.acquire().await else { return };
        let Parcel { payload, slot, debt, done, queued } = parcel;
        let mut delivery = Delivery::default();
        let outcome = match &self.exporter {
            Exporter::Otlp(otlp) => self.send(otlp, &payload, &mut delivery).await,
            Exporter::Nop => taken(),
            Exporter::Debug => {
                let (signal, items) = (payload.signal.name(), payload.items);
                tracing::info!(
                    exporter = self.name,
                    signal,
                    items,
                    variant = payload.variant.name(),
                    "debug"
                );
                taken()
            }
        };
        if let Some(meter) = &payload.meter {
            outcome.tell(&mut delivery, payload.items);
            delivery.latency.record(u64::try_from(queued.elapsed().as_nanos()).unwrap_or(u64::MAX));
            meter.add(payload.variant, &delivery);
        }
        self.settle(&payload, debt, &outcome);
        drop((payload, slot));
        if let Some(done) = done {
            let _nobody_waits_any_more = done.send(outcome.into());
        }
    }

    /// Tries until it is settled; counts into `delivery` what the attempts were.
    async fn send(&self, otlp: &Otlp, payload: &Payload, delivery: &mut Delivery) -> Sent {
        let encoded = match otlp.encode(payload) {
            Ok(encoded) => encoded,
            Err(error) => return Sent::Refused(format!("cannot compress: {error}")),
        };
        let started = Instant::now();
        let mut backoff = Backoff::new(self.retry);
        loop {
            delivery.wire_bytes += encoded.len() as u64;
            let (reason, after) = match otlp.attempt(payload, encoded.clone()).await {
                Attempt::Delivered { rejected, message } => return Sent::Delivered { rejected, message },
                Attempt::Refused(reason) => return Sent::Refused(reason),
                Attempt::Retry { reason, after, ambiguous } => {
                    if ambiguous {
                        self.metrics.maybe_doubled(payload);
                        delivery.doubtful += payload.items;
                    }
                    (reason, after)
                }
            };
            let Some(wait) = backoff.next(started.elapsed(), after, rand::random()) else {
                return Sent::GaveUp(reason);
            };
            tracing::debug!(exporter = self.name, reason, ?wait, "will try again");
            self.metrics.retried(payload);
            delivery.retries += 1;
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    fn settle(&self, payload: &Payload, debt: Debt, sent: &Sent) {
        match sent {
            Sent::Delivered { rejected, message } => {
                if *rejected > 0 || !message.is_empty() {
                    tracing::warn!(exporter = self.name, rejected, message, "partial success");
                }
                self.metrics.delivered(payload, *rejected);
                debt.delivered(*rejected);
            }
            Sent::Refused(reason) => {
                tracing::error!(exporter = self.name, items = payload.items, reason, "refused for good");
                self.metrics.failed(payload);
                debt.rejected();
            }
            Sent::GaveUp(reason) => {
                tracing::error!(exporter = self.name, items = payload.items, reason, "given up, dropped");
                self.metrics.failed(payload);
                debt.dropped();
            }
        }
    }
}

enum Sent {
    Delivered { rejected: u64, message: String },
    Refused(String),
    GaveUp(String),
}

impl Sent {
    /// Adds what became of so many items.
    fn tell(&self, delivery: &mut Delivery, items: u64) {
        match self {
            Self::Delivered { rejected, .. } => {
                let rejected = (*rejected).min(items);
                delivery.rejected += rejected;
                delivery.confirmed += items - rejected;
            }
            Self::Refused(_) | Self::GaveUp(_) => delivery.failed += items,
        }
    }
}

fn taken() -> Sent {
    Sent::Delivered { rejected: 0, message: String::new() }
}

impl From<Sent> for Outcome {
    fn from(sent: Sent) -> Self {
        match sent {
            Sent::Delivered { rejected, message } => Self::Delivered { rejected, message },
            Sent::Refused(reason) | Sent::GaveUp(reason) => Self::Failed(reason),
        }
    }
}
