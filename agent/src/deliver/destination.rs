//! An exporter with its queue: payloads wait for their turn, are tried until they are settled, and are owed until then.

mod company;
mod drain;
mod on_disk;
mod recovery;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use observe::Delivery;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::batcher::{BatchRule, Batcher, Parcel};
use super::disk_queue::{DiskQueue, Incoming, Message};
use super::exporter::{Client, Exporter};
use super::otlp::Attempt;
use super::queued::{Awaited, Kept, Outcome, OwedItems, OwedPayload, Part, Place, SendOutcome};
use super::settings::{ExporterSettings, QueueSettings, Sizer};
use crate::delivery_ledger::DeliveryLedger;
use crate::net::{Backoff, RetrySettings};
use crate::request::Payload;
use crate::telemetry::ExporterMetrics;
use company::WaitingParcel;
use recovery::Recovery;

/// An exporter with its queue.
#[derive(Debug)]
pub struct Destination {
    name: String,
    exporter: Exporter,
    queue: QueueSettings,
    slots: Arc<Semaphore>,
    /// Places that are free and that nobody gets any more, because the agent ends.
    vacant: AtomicUsize,
    /// Items or bytes in the queue, where that is what it counts.
    load: Arc<AtomicU64>,
    consumers: Arc<Semaphore>,
    retry: RetrySettings,
    batcher: Mutex<Batcher>,
    ledger: Arc<DeliveryLedger>,
    metrics: ExporterMetrics,
    failing: Mutex<Failing>,
    disk: Option<DiskQueue>,
    /// Age from which on what is on disk is dropped.
    most_age: Option<Duration>,
    /// Small parcel that waits for its turn last, for company.
    last_waiting: Mutex<Option<WaitingParcel>>,
    recovery: Recovery,
    /// True from when another destination goes on with the queue on disk.
    is_followed: AtomicBool,
    /// True from when no attempt is repeated whose payload is on disk: at the end, and where another destination goes on.
    closing: watch::Sender<bool>,
}

/// The least time between two lines of the log about a destination that takes nothing for now.
const PACE: Duration = Duration::from_secs(60);

/// Failure of the last attempt.
#[derive(Debug, Default)]
struct Failing {
    /// Reason, if it failed.
    reason: Option<String>,
    /// Time at which the log said so last, and whether it has not said since that it goes on.
    told: Option<(Instant, bool)>,
}

/// Reason for which there is no place in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It is full.
    Full,
    /// It is on a disk that takes nothing more.
    Disk(String),
}

impl Destination {
    /// An empty queue before `exporter`, by its `settings`.
    pub fn new(
        settings: &ExporterSettings,
        exporter: Exporter,
        ledger: Arc<DeliveryLedger>,
        metrics: ExporterMetrics,
        disk: Option<DiskQueue>,
    ) -> Self {
        let &ExporterSettings { ref id, queue, retry, .. } = settings;
        let slots = Arc::new(Semaphore::new(queue.requests()));
        let consumers = Arc::new(Semaphore::new(queue.consumers));
        let (load, batcher) = (Arc::default(), Mutex::default());
        Self {
            name: id.clone(),
            exporter,
            queue,
            slots,
            vacant: AtomicUsize::new(0),
            load,
            consumers,
            retry,
            batcher,
            ledger,
            metrics,
            failing: Mutex::default(),
            disk,
            most_age: settings.storage.as_ref().and_then(|storage| storage.most_age),
            last_waiting: Mutex::default(),
            recovery: Recovery::default(),
            is_followed: AtomicBool::new(false),
            closing: watch::Sender::new(false),
        }
    }

    /// Its component id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Places taken, and places in all: requests, items or bytes.
    pub fn load(&self) -> (usize, usize) {
        let in_memory = match self.queue.sizer {
            Sizer::Requests => self.requests_in_memory() as u64,
            Sizer::Items | Sizer::Bytes => self.load.load(Ordering::Relaxed),
        };
        let taken = in_memory.saturating_add(self.load_on_disk());
        (usize::try_from(taken).unwrap_or(usize::MAX), self.queue.size)
    }

    /// Tells whether nothing is in it that this destination has to send.
    pub fn is_empty(&self) -> bool {
        let on_disk = if self.is_followed.load(Ordering::Relaxed) { 0 } else { self.requests_on_disk() };
        self.requests_in_memory() == 0 && on_disk == 0
    }

    fn requests_in_memory(&self) -> usize {
        let free = self.slots.available_permits() + self.vacant.load(Ordering::Relaxed);
        self.queue.requests().saturating_sub(free)
    }

    /// A place in the queue for a request of so many bytes, as far as they are known. One that counts items or bytes is full once it holds as many: the size of a request is not known
    /// when its place is taken. Nor is that of a queue on disk known to the last request.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, NoPlace> {
        if let Some(why) = self.disk.as_ref().and_then(|disk| disk.counters().refusal(bytes as u64)) {
            return Err(NoPlace::Disk(why));
        }
        let (taken, size) = self.load();
        if taken >= size {
            return Err(NoPlace::Full);
        }
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| NoPlace::Full)
    }

    /// A place in the queue, once there is one; nothing if the queue is closed.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Counts a payload as lost, for which there was no place when the agent ended.
    pub fn lose(&self, payload: &Payload) {
        tracing::error!(exporter = self.name, items = payload.items, "no place until the end, lost");
        drop(self.owe(payload.items));
    }

    /// Puts items on the ledger that are accepted, and that are queued later.
    pub fn owe(&self, items: u64) -> OwedItems {
        OwedItems::new(&self.ledger, items)
    }

    /// Queues `payload` in a reserved place. From here on it is owed, until it is settled. It is put together and cut by the
    /// `rule` of its pipeline, or that of the queue if there is one.
    pub fn enqueue(
        self: &Arc<Self>,
        leaving: (Payload, Option<BatchRule>),
        slot: OwnedSemaphorePermit,
        awaited: Awaited,
    ) {
        // Who waits is not answered before it is written: until then nothing is owed of it.
        let is_owed = self.disk.is_none() || awaited.kept.is_none();
        let owed = is_owed.then(|| self.owe(leaving.0.items));
        self.queue_up(leaving, owed, slot, awaited);
    }

    /// Queues `payload`, which is owed already, in a reserved place.
    pub fn enqueue_owed(
        self: &Arc<Self>,
        leaving: (Payload, Option<BatchRule>),
        owed: OwedItems,
        slot: OwnedSemaphorePermit,
        awaited: Awaited,
    ) {
        self.queue_up(leaving, Some(owed), slot, awaited);
    }

    fn queue_up(
        self: &Arc<Self>,
        (payload, rule): (Payload, Option<BatchRule>),
        owed: Option<OwedItems>,
        slot: OwnedSemaphorePermit,
        mut awaited: Awaited,
    ) {
        if let Some(disk) = &self.disk {
            let incoming = Incoming { destination: Arc::clone(self), payload, rule, owed, slot, awaited };
            return disk.link().send(Message::Append(Box::new(incoming)));
        }
        awaited.tell_kept(Kept::InMemory);
        let owed = owed.unwrap_or_else(|| self.owe(payload.items));
        self.enqueue_in_memory((payload, rule), owed, slot, awaited.settled);
    }

    /// Queues a payload in memory.
    pub(super) fn enqueue_in_memory(
        self: &Arc<Self>,
        (payload, rule): (Payload, Option<BatchRule>),
        owed: OwedItems,
        slot: OwnedSemaphorePermit,
        done: Option<oneshot::Sender<Outcome>>,
    ) {
        let size = match self.queue.sizer {
            Sizer::Requests => 0,
            Sizer::Items => payload.items,
            Sizer::Bytes => payload.message.len() as u64,
        };
        let place = Place::new(slot, &self.load, size);
        self.batch((payload, rule), OwedPayload::new(owed, place, done));
    }

    /// Makes requests of a payload, and has them sent.
    fn batch(self: &Arc<Self>, (payload, rule): (Payload, Option<BatchRule>), owed: OwedPayload) {
        let owed = Arc::new(owed);
        let rule = self.queue.batch.or(rule);
        let part = Part { payload, owed };
        let Some(rule) = rule else { return self.dispatch_in_company(part) };
        let mut batcher = self.batcher();
        let (parcels, due) = batcher.add(part, rule);
        // Before another payload is added, so that they leave in order.
        parcels.into_iter().for_each(|parcel| self.dispatch(parcel));
        drop(batcher);
        if let Some(due) = due {
            let destination = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(due.wait).await;
                let mut batcher = destination.batcher();
                batcher.due(due).into_iter().for_each(|parcel| destination.dispatch(parcel));
            });
        }
    }

    /// Has a parcel sent once it is its turn.
    fn dispatch(self: &Arc<Self>, parcel: Parcel) {
        let turn = self.turn();
        let destination = Arc::clone(self);
        tokio::spawn(async move { destination.deliver(parcel, turn.await).await });
    }

    fn batcher(&self) -> MutexGuard<'_, Batcher> {
        self.batcher.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Sends what waits for company. Nothing waits for it afterward.
    pub fn hurry(self: &Arc<Self>) {
        self.batcher().close().into_iter().for_each(|parcel| self.dispatch(parcel));
    }

    async fn deliver(self: Arc<Self>, parcel: Parcel, turn: Option<OwnedSemaphorePermit>) {
        let Some(_until_settled) = turn else { return };
        // What is on disk and is not tried any more stays there.
        let Some(outcome) = self.export(&parcel).await else { return };
        if is_tried_apart(&outcome, &parcel) {
            tracing::warn!(exporter = self.name, payloads = parcel.len(), ?outcome, "each is sent alone now");
            for part in parcel {
                let alone = vec![part];
                if let Some(outcome) = self.export(&alone).await {
                    self.settle(alone, &outcome);
                }
            }
            return;
        }
        self.settle(parcel, &outcome);
    }

    /// Sends the parts as one request, and tells the meter of their generation. Returns nothing if they are left on disk.
    async fn export(&self, parcel: &[Part]) -> Option<SendOutcome> {
        let Some(payload) = merged(parcel) else { return Some(taken()) };
        let mut delivery = Delivery::default();
        let outcome = match &self.exporter {
            Exporter::Client(client) => self.send(client, &payload, parcel, &mut delivery).await?,
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
            if !is_tried_apart(&outcome, parcel) {
                outcome.tell(&mut delivery, payload.items);
                for part in parcel {
                    let waited = part.owed.queued.elapsed().as_nanos();
                    delivery.latency.record(u64::try_from(waited).unwrap_or(u64::MAX));
                }
            }
            meter.add(payload.variant, &delivery);
        }
        Some(outcome)
    }

    /// Tries until the payload, which is that of `parcel`, is settled; counts the attempts into `delivery`. Returns nothing if
    /// it is left on disk.
    async fn send(
        &self,
        client: &Client,
        payload: &Payload,
        parcel: &[Part],
        delivery: &mut Delivery,
    ) -> Option<SendOutcome> {
        let encoded = match client.encode(payload) {
            Ok(encoded) => encoded,
            Err(error) => return Some(SendOutcome::Refused(format!("cannot be encoded: {error}"))),
        };
        let started = Instant::now();
        let mut backoff = Backoff::new(self.retry);
        let mut probe = None;
        loop {
            if self.is_left(parcel) {
                return None;
            }
            if let Some(age) = self.most_age.filter(|age| self.is_older(parcel, *age)) {
                return Some(self.expire(parcel, age));
            }
            self.begins(parcel).await;
            delivery.wire_bytes += encoded.len() as u64;
            let began = Instant::now();
            let attempt = client.attempt(payload, encoded.clone()).await;
            self.metrics.attempted(began.elapsed());
            self.note(&attempt);
            let (reason, after) = match attempt {
                Attempt::Delivered { rejected, message } => {
                    return Some(SendOutcome::Delivered { rejected, message });
                }
                Attempt::Refused(reason) => return Some(SendOutcome::Refused(reason)),
                Attempt::Retry { reason, after, ambiguous } => {
                    parcel.iter().for_each(|part| part.owed.failed(ambiguous));
                    if ambiguous {
                        self.metrics.maybe_doubled(payload);
                        delivery.doubtful += payload.items;
                    }
                    (reason, after)
                }
            };
            let Some(wait) = backoff.next(started.elapsed(), after, rand::random()) else {
                return Some(SendOutcome::GaveUp(reason));
            };
            tracing::debug!(exporter = self.name, reason, ?wait, "will try again");
            self.metrics.retried(payload);
            delivery.retries += 1;
            probe = probe.or_else(|| self.recovery.probe());
            let wait = if probe.is_some() {
                self.retry.probes_after(began.elapsed(), after).min(wait)
            } else {
                wait
            };
            self.rest(wait.max(Duration::from_millis(1)), after.unwrap_or_default(), parcel).await;
        }
    }

    /// Failure of the last attempt, if it failed.
    pub fn failing(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).reason.clone()
    }

    fn note(&self, attempt: &Attempt) {
        let failure = match attempt {
            Attempt::Delivered { .. } => None,
            Attempt::Refused(reason) | Attempt::Retry { reason, .. } => Some(reason.clone()),
        };
        if failure.is_none() {
            self.recovery.tell();
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &failure {
            Some(reason) if failing.is_to_be_told(now) => {
                // What is refused for good is told by itself.
                if matches!(attempt, Attempt::Retry { .. }) {
                    failing.told = Some((now, true));
                    tracing::warn!(
                        exporter = self.name,
                        reason,
                        "a request was not taken and is tried again"
                    );
                }
            }
            None if failing.told.is_some_and(|(_, open)| open) => {
                failing.told = failing.told.map(|(at, _)| (at, false));
                tracing::info!(exporter = self.name, "requests are taken again");
            }
            _ => {}
        }
        failing.reason = failure;
    }

    /// Settles the parts of a request. Items that the destination refused of it are told of the first parts: it does not say
    /// which they are.
    fn settle(&self, parcel: Parcel, outcome: &SendOutcome) {
        let items = parcel.iter().map(|part| part.payload.items).sum::<u64>();
        match outcome {
            SendOutcome::Delivered { rejected, message } if *rejected > 0 || !message.is_empty() => {
                tracing::warn!(exporter = self.name, rejected, message, "partial success");
            }
            SendOutcome::Delivered { .. } => {}
            SendOutcome::Refused(reason) => {
                tracing::error!(exporter = self.name, items, reason, "refused for good");
            }
            SendOutcome::GaveUp(reason) => {
                tracing::error!(exporter = self.name, items, reason, "given up, dropped");
            }
        }
        let mut left = if let SendOutcome::Delivered { rejected, .. } = outcome { *rejected } else { 0 };
        for Part { payload, owed } in parcel {
            let mut outcome = outcome.clone();
            if let SendOutcome::Delivered { rejected, .. } = &mut outcome {
                *rejected = left.min(payload.items);
                left -= *rejected;
                self.metrics.delivered(&payload, *rejected);
            } else {
                self.metrics.failed(&payload);
            }
            owed.settle(payload.items, &outcome);
        }
    }
}

impl Failing {
    /// Tells whether a failure is to be in the log: none since the last success is, and not within a minute.
    fn is_to_be_told(&self, now: Instant) -> bool {
        self.told.is_none_or(|(at, open)| !open && now >= at + PACE)
    }
}

/// Tells whether parts are sent each alone after they had this outcome together: what one of them has must not cost the others
/// theirs.
fn is_tried_apart(outcome: &SendOutcome, parcel: &[Part]) -> bool {
    matches!(outcome, SendOutcome::Refused(_)) && parcel.len() > 1
}

/// The request that parts make together: requests one after the other are one request.
fn merged(parcel: &[Part]) -> Option<Payload> {
    let (first, more) = parcel.split_first()?;
    let mut payload = first.payload.clone();
    if !more.is_empty() {
        let parts = || parcel.iter().map(|part| &part.payload);
        let mut message = Vec::with_capacity(parts().map(|part| part.message.len()).sum());
        parts().for_each(|part| message.extend_from_slice(&part.message));
        payload.items = parts().map(|part| part.items).sum();
        (payload.message, payload.wire) = (message.into(), None);
    }
    Some(payload)
}

fn taken() -> SendOutcome {
    SendOutcome::Delivered { rejected: 0, message: String::new() }
}
