//! Payload on its way to a destination.

use std::sync::Arc;

use bytes::Bytes;
use observe::Variant;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::Meter;
use crate::account::{Account, Settled};
use crate::admission::Permit;
use crate::receive::Encoding;
use crate::signal::Signal;

/// A whole OTLP request; one variant's, of one generation, never a mixture.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Service that it is for.
    pub signal: Signal,
    /// The request, uncompressed.
    pub message: Bytes,
    /// The same in the compressed form it was received in, where nothing changed it.
    pub wire: Option<(Encoding, Bytes)>,
    /// Points, spans or records in it.
    pub items: u64,
    /// Variant whose output it is.
    pub variant: Variant,
    /// The generation that made it.
    pub generation: u64,
    /// Told what becomes of it, where somebody watches the generation.
    pub meter: Option<Arc<Meter>>,
    /// Budget for the bytes; shared by every destination that gets them, and given back with the last.
    #[expect(dead_code, reason = "held, not read")]
    pub permit: Arc<Permit>,
}

/// Settlement of a payload by its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has it, but for `rejected` items it refused for good.
    Delivered {
        /// Items refused for good.
        rejected: u64,
        /// The destination's reason, often empty.
        message: String,
    },
    /// It refused all of it for good, or the retries ran out.
    Failed(String),
}

/// A payload in one destination's queue.
#[derive(Debug)]
pub struct Parcel {
    /// Payload to deliver.
    pub payload: Payload,
    /// Its place in the queue, given back when it is settled.
    pub slot: OwnedSemaphorePermit,
    /// Points that the account still expects.
    pub debt: Debt,
    /// Since when it waits.
    pub queued: Instant,
    /// Told the outcome, where someone waits for it.
    pub done: Option<oneshot::Sender<Outcome>>,
}

/// Items the account counts as queued. Dropped unsettled, they are counted as lost: that is what
/// happens to whatever a shutdown's deadline leaves behind.
#[derive(Debug)]
pub struct Debt {
    account: Arc<Account>,
    items: u64,
}

impl Debt {
    /// Puts `items` on the account.
    pub fn new(account: &Arc<Account>, items: u64) -> Self {
        account.queued(items);
        Self { account: Arc::clone(account), items }
    }

    /// The destination took all but `rejected`.
    pub fn delivered(mut self, rejected: u64) {
        let rejected = rejected.min(self.items);
        self.settle(Settled { delivered: self.items - rejected, rejected, ..Settled::default() });
    }

    /// The destination refused all of it for good.
    pub fn rejected(mut self) {
        self.settle(Settled { rejected: self.items, ..Settled::default() });
    }

    /// The retries ran out.
    pub fn dropped(mut self) {
        self.settle(Settled { dropped: self.items, ..Settled::default() });
    }

    fn settle(&mut self, settled: Settled) {
        self.items = 0;
        self.account.settled(settled);
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        if self.items > 0 {
            self.settle(Settled { lost_shutdown: self.items, ..Settled::default() });
        }
    }
}
