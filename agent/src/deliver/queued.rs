//! Payload in a destination's queue, and the items owed until it is settled.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

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
    /// The destination refused all of it for good, or the retries ran out.
    Failed(String),
}

/// A payload in one destination's queue.
#[derive(Debug)]
pub struct QueuedPayload {
    /// Payload to deliver.
    pub payload: Payload,
    /// Its place in the queue, given back when it is settled.
    pub slot: OwnedSemaphorePermit,
    /// Points that the ledger still expects.
    pub owed: OwedItems,
    /// Time at which it was queued.
    pub queued: Instant,
    /// Channel of the outcome, where someone waits for it.
    pub done: Option<oneshot::Sender<Outcome>>,
}

/// Items the ledger counts as queued. Dropped unsettled, they are counted as lost: that is what
/// happens to whatever a shutdown's deadline leaves behind.
#[derive(Debug)]
pub struct OwedItems {
    ledger: Arc<DeliveryLedger>,
    items: u64,
}

impl OwedItems {
    /// Puts `items` on the ledger.
    pub fn new(ledger: &Arc<DeliveryLedger>, items: u64) -> Self {
        ledger.queued(items);
        Self { ledger: Arc::clone(ledger), items }
    }

    /// Settles them as delivered, all but `rejected`.
    pub fn delivered(mut self, rejected: u64) {
        let rejected = rejected.min(self.items);
        self.settle(Settlement { delivered: self.items - rejected, rejected, ..Settlement::default() });
    }

    /// Settles them as refused for good.
    pub fn rejected(mut self) {
        self.settle(Settlement { rejected: self.items, ..Settlement::default() });
    }

    /// Settles them as given up after the retries ran out.
    pub fn dropped(mut self) {
        self.settle(Settlement { dropped: self.items, ..Settlement::default() });
    }

    fn settle(&mut self, settlement: Settlement) {
        self.items = 0;
        self.ledger.settled(settlement);
    }
}

impl Drop for OwedItems {
    fn drop(&mut self) {
        if self.items > 0 {
            self.settle(Settlement { lost_shutdown: self.items, ..Settlement::default() });
        }
    }
}
