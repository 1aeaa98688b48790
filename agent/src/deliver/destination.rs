//! An exporter with its queue: payloads wait for their turn, are tried until they are settled, and are owed until then.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use observe::Delivery;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::exporter::{Exporter, OtlpClient};
use super::otlp::Attempt;
use super::queued::{Outcome, OwedItems, QueuedPayload};
use super::settings::{ExporterSettings, QueueSettings};
use crate::delivery_ledger::DeliveryLedger;
use crate::net::{Backoff, RetrySettings};
use crate::request::Payload;
use crate::telemetry::ExporterMetrics;

/// An exporter with its queue.
#[derive(Debug)]
pub struct Destination {
    name: String,
    exporter: Exporter,
    queue: QueueSettings,
    slots: Arc<Semaphore>,
    consumers: Arc<Semaphore>,
    retry: RetrySettings,
    ledger: Arc<DeliveryLedger>,
    metrics: ExporterMetrics,
}

impl Destination {
    /// An empty queue before `exporter`, by its `settings`.
    pub fn new(
        settings: &ExporterSettings,
        exporter: Exporter,
        ledger: Arc<DeliveryLedger>,
        metrics: ExporterMetrics,
    ) -> Self {
        let &ExporterSettings { ref id, queue, retry, .. } = settings;
        let slots = Arc::new(Semaphore::new(queue.size));
        let consumers = Arc::new(Semaphore::new(queue.consumers));
        Self { name: id.clone(), exporter, queue, slots, consumers, retry, ledger, metrics }
    }

    /// Its component id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Places taken, and places in all.
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
        drop(OwedItems::new(&self.ledger, payload.items));
    }

    /// Queues `payload` in a reserved place. From here on it is owed, until it is settled.
    pub fn enqueue(
        self: &Arc<Self>,
        payload: Payload,
        slot: OwnedSemaphorePermit,
        done: Option<oneshot::Sender<Outcome>>,
    ) {
        let owed = OwedItems::new(&self.ledger, payload.items);
        let payload = QueuedPayload { payload, slot, owed, done, queued: Instant::now() };
        let turn = self.turn();
        let destination = Arc::clone(self);
        tokio::spawn(async move { destination.deliver(payload, turn.await).await });
    }

    /// A consumer, in the order in which this was called: a task that is spawned first need not run first.
    fn turn(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + use<> {
        let mut turn = Box::pin(Arc::clone(&self.consumers).acquire_owned());
        // To be polled once is to be in line.
        let first = turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        async move {
            match first {
                Poll::Ready(turn) => turn.ok(),
                Poll::Pending => turn.await.ok(),
            }
        }
    }

    /// Waits until the queue is empty, or `deadline`. Nothing can be reserved afterward.
    pub async fn drain(&self, deadline: Instant) {
        let all = self.slots.acquire_many(self.queue.size as u32);
        if let Ok(Ok(all)) = tokio::time::timeout_at(deadline, all).await {
            all.forget();
        }
        self.slots.close();
    }

    async fn deliver(self: Arc<Self>, payload: QueuedPayload, turn: Option<OwnedSemaphorePermit>) {
        let Some(_until_settled) = turn else { return };
        let QueuedPayload { payload, slot, owed, done, queued } = payload;
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
        self.settle(&payload, owed, &outcome);
        drop((payload, slot));
        if let Some(done) = done {
            let _nobody_waits_any_more = done.send(outcome.into());
        }
    }

    /// Tries until the payload is settled; counts the attempts into `delivery`.
    async fn send(&self, otlp: &OtlpClient, payload: &Payload, delivery: &mut Delivery) -> SendOutcome {
        let encoded = match otlp.encode(payload) {
            Ok(encoded) => encoded,
            Err(error) => return SendOutcome::Refused(format!("cannot compress: {error}")),
        };
        let started = Instant::now();
        let mut backoff = Backoff::new(self.retry);
        loop {
            delivery.wire_bytes += encoded.len() as u64;
            let (reason, after) = match otlp.attempt(payload, encoded.clone()).await {
                Attempt::Delivered { rejected, message } => {
                    return SendOutcome::Delivered { rejected, message };
                }
                Attempt::Refused(reason) => return SendOutcome::Refused(reason),
                Attempt::Retry { reason, after, ambiguous } => {
                    if ambiguous {
                        self.metrics.maybe_doubled(payload);
                        delivery.doubtful += payload.items;
                    }
                    (reason, after)
                }
            };
            let Some(wait) = backoff.next(started.elapsed(), after, rand::random()) else {
                return SendOutcome::GaveUp(reason);
            };
            tracing::debug!(exporter = self.name, reason, ?wait, "will try again");
            self.metrics.retried(payload);
            delivery.retries += 1;
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }

    fn settle(&self, payload: &Payload, owed: OwedItems, outcome: &SendOutcome) {
        match outcome {
            SendOutcome::Delivered { rejected, message } => {
                if *rejected > 0 || !message.is_empty() {
                    tracing::warn!(exporter = self.name, rejected, message, "partial success");
                }
                self.metrics.delivered(payload, *rejected);
                owed.delivered(*rejected);
            }
            SendOutcome::Refused(reason) => {
                tracing::error!(exporter = self.name, items = payload.items, reason, "refused for good");
                self.metrics.failed(payload);
                owed.rejected();
            }
            SendOutcome::GaveUp(reason) => {
                tracing::error!(exporter = self.name, items = payload.items, reason, "given up, dropped");
                self.metrics.failed(payload);
                owed.dropped();
            }
        }
    }
}

/// Outcome of all attempts.
enum SendOutcome {
    Delivered { rejected: u64, message: String },
    Refused(String),
    GaveUp(String),
}

impl SendOutcome {
    /// Adds what became of `items`.
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

fn taken() -> SendOutcome {
    SendOutcome::Delivered { rejected: 0, message: String::new() }
}

impl From<SendOutcome> for Outcome {
    fn from(outcome: SendOutcome) -> Self {
        match outcome {
            SendOutcome::Delivered { rejected, message } => Self::Delivered { rejected, message },
            SendOutcome::Refused(reason) | SendOutcome::GaveUp(reason) => Self::Failed(reason),
        }
    }
}
