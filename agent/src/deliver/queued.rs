//! Payload in a destination's queue, whole or in parts, and the items owed until it is settled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use observe::Delivery;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::stored::StoredPayload;
use crate::delivery_ledger::{DeliveryLedger, Settlement};
use crate::request::Payload;

/// Settlement of a payload by its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it, but for `rejected` items that it refused for good.
    Delivered {
        /// Items refused for good.
        rejected: u64,
        /// The destination's reason, often empty.
        message: String,
    },
    /// The destination refused some or all of it for good, or the retries ran out.
    Failed(String),
}

/// Outcome of all attempts to send a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The destination has it, but for `rejected` items that it refused for good.
    Delivered {
        /// Items refused for good.
        rejected: u64,
        /// The destination's reason, often empty.
        message: String,
    },
    /// Refused for good.
    Refused(String),
    /// The retries ran out.
    GaveUp(String),
}

/// Where a payload is that was queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// On disk: it survives this process.
    OnDisk,
    /// In memory, as its destination keeps nothing on disk.
    InMemory,
    /// In memory, because the disk could not be written.
    Unwritten(String),
}

/// Channels on which whoever waits for a payload is told of it.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Told where it is kept.
    pub kept: Option<oneshot::Sender<Kept>>,
    /// Told its outcome.
    pub settled: Option<oneshot::Sender<Outcome>>,
}

impl Awaited {
    /// Tells where the payload is kept.
    pub fn tell_kept(&mut self, kept: Kept) {
        if let Some(waits) = self.kept.take() {
            let _nobody_waits_any_more = waits.send(kept);
        }
    }
}

/// Part of a payload that leaves with one request, often all of it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The part, a payload by itself.
    pub payload: Payload,
    /// Payload that it is of; dropped after what the part holds.
    pub owed: Arc<OwedPayload>,
}

/// Payload in one destination's queue, until all of its parts are settled. Its place is given back then, and who waits is
/// told; one that is dropped unsettled tells nothing.
#[derive(Debug)]
pub struct OwedPayload {
    /// Time at which it was queued.
    pub queued: Instant,
    place: Option<Place>,
    settling: Mutex<Settling>,
    is_stored: bool,
}

#[derive(Debug)]
struct Settling {
    owed: OwedItems,
    outcome: Option<Outcome>,
    done: Option<oneshot::Sender<Outcome>>,
    stored: Option<StoredPayload>,
}

impl OwedPayload {
    /// A payload that has a place; `done` is told its outcome.
    pub fn new(owed: OwedItems, place: Place, done: Option<oneshot::Sender<Outcome>>) -> Self {
        let settling = Mutex::new(Settling { owed, outcome: None, done, stored: None });
        Self { queued: Instant::now(), place: Some(place), settling, is_stored: false }
    }

    /// A payload of which there is a record, queued at a time.
    pub fn stored(
        owed: OwedItems,
        stored: StoredPayload,
        queued: Instant,
        done: Option<oneshot::Sender<Outcome>>,
    ) -> Self {
        let settling = Mutex::new(Settling { owed, outcome: None, done, stored: Some(stored) });
        Self { queued, place: None, settling, is_stored: true }
    }

    /// Tells whether it is on disk.
    pub fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Notes that an attempt to send some of it begins. Returns what is to be waited for before it does, if it is on disk and its
    /// record does not say so yet: whether the disk has taken that.
    pub fn begins(&self) -> Option<oneshot::Receiver<bool>> {
        self.settling().stored.as_mut()?.begin()
    }

    /// Notes that its record does not say that an attempt has begun.
    pub fn is_unmarked(&self) {
        if let Some(stored) = &mut self.settling().stored {
            stored.is_unmarked();
        }
    }

    /// Notes that an attempt failed after which there is another one.
    pub fn failed(&self, ambiguous: bool) {
        if let Some(stored) = &mut self.settling().stored {
            stored.failed(ambiguous);
        }
    }

    /// Tells whether somebody waits for its outcome.
    pub fn is_awaited(&self) -> bool {
        self.settling().done.is_some()
    }

    /// Settles so many of its items.
    pub fn settle(&self, items: u64, outcome: &SendOutcome) {
        let mut settling = self.settling();
        settling.owed.settle(outcome.of(items));
        if settling.owed.items > 0
            && let Some(stored) = &mut settling.stored
        {
            stored.settled_in_part();
        }
        let before = settling.outcome.take();
        settling.outcome = Some(together(before, outcome));
    }

    fn settling(&self) -> MutexGuard<'_, Settling> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OwedPayload {
    fn drop(&mut self) {
        self.place = None;
        let settling = self.settling.get_mut().unwrap_or_else(PoisonError::into_inner);
        if settling.owed.items == 0
            && let Some(stored) = settling.stored.take()
        {
            stored.settle();
        }
        if settling.owed.items == 0
            && let (Some(done), Some(outcome)) = (settling.done.take(), settling.outcome.take())
        {
            let _nobody_waits_any_more = done.send(outcome);
        }
    }
}

/// Outcome of a payload of which another part ended so.
fn together(before: Option<Outcome>, part: &SendOutcome) -> Outcome {
    match (before, part) {
        (Some(Outcome::Failed(reason)), _) => Outcome::Failed(reason),
        (_, SendOutcome::Refused(reason) | SendOutcome::GaveUp(reason)) => Outcome::Failed(reason.clone()),
        (Some(Outcome::Delivered { rejected: before, message }), SendOutcome::Delivered { rejected, .. })
            if !message.is_empty() =>
        {
            Outcome::Delivered { rejected: before + rejected, message }
        }
        (before, SendOutcome::Delivered { rejected, message }) => {
            let before = if let Some(Outcome::Delivered { rejected, .. }) = before { rejected } else { 0 };
            Outcome::Delivered { rejected: before + rejected, message: message.clone() }
        }
    }
}

/// Place in a queue, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    #[expect(dead_code, reason = "held, not read")]
    slot: OwnedSemaphorePermit,
    load: Arc<AtomicU64>,
    size: u64,
}

impl Place {
    /// A place that adds `size` to the load of its queue.
    pub fn new(slot: OwnedSemaphorePermit, load: &Arc<AtomicU64>, size: u64) -> Self {
        load.fetch_add(size, Ordering::Relaxed);
        Self { slot, load: Arc::clone(load), size }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl SendOutcome {
    /// Adds what became of `items`.
    pub fn tell(&self, delivery: &mut Delivery, items: u64) {
        let Settlement { delivered, rejected, dropped, .. } = self.of(items);
        match self {
            Self::Delivered { .. } => {
                delivery.rejected += rejected;
                delivery.confirmed += delivered;
            }
            Self::Refused(_) | Self::GaveUp(_) => delivery.failed += rejected + dropped,
        }
    }

    /// Settlement of so many items.
    fn of(&self, items: u64) -> Settlement {
        match self {
            Self::Delivered { rejected, .. } => {
                let rejected = (*rejected).min(items);
                Settlement { delivered: items - rejected, rejected, ..Settlement::default() }
            }
            Self::Refused(_) => Settlement { rejected: items, ..Settlement::default() },
            Self::GaveUp(_) => Settlement { dropped: items, ..Settlement::default() },
        }
    }
}

/// Items the ledger counts as queued. Dropped unsettled, they are counted as lost, unless they are on disk: that is what
/// happens to whatever a shutdown's deadline leaves behind.
#[derive(Debug)]
pub struct OwedItems {
    ledger: Arc<DeliveryLedger>,
    items: u64,
    is_on_disk: bool,
}

impl OwedItems {
    /// Puts `items` on the ledger.
    pub fn new(ledger: &Arc<DeliveryLedger>, items: u64) -> Self {
        ledger.queued(items);
        Self { ledger: Arc::clone(ledger), items, is_on_disk: false }
    }

    /// Items of a record, which the ledger knows.
    pub fn on_disk(ledger: &Arc<DeliveryLedger>, items: u64) -> Self {
        Self { ledger: Arc::clone(ledger), items, is_on_disk: true }
    }

    /// Leaves them to a record that holds them now.
    pub fn leave_on_disk(mut self) {
        self.ledger.kept(std::mem::take(&mut self.items));
    }

    /// Puts as many payloads of `items` in its place, in one change of the ledger.
    pub fn exchange(mut self, items: u64, payloads: usize) -> Vec<Self> {
        let before = std::mem::take(&mut self.items);
        self.ledger.requeued(before, items.saturating_mul(payloads as u64));
        (0..payloads).map(|_| Self { ledger: Arc::clone(&self.ledger), items, is_on_disk: false }).collect()
    }

    fn settle(&mut self, settlement: Settlement) {
        let settled = settlement.items().min(self.items);
        self.items -= settled;
        if self.is_on_disk {
            self.ledger.settled_on_disk(settlement);
        } else {
            self.ledger.settled(settlement);
        }
    }
}

impl Drop for OwedItems {
    fn drop(&mut self) {
        if self.items > 0 && !self.is_on_disk {
            self.settle(Settlement { lost_shutdown: self.items, ..Settlement::default() });
        }
    }
}
