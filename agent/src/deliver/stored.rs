//! A payload whose record is on disk, while it is in memory to be sent.
//!
//! What always holds: before an attempt to send it begins, its record says so, or the disk has not taken that for a second and the
//! doubt is counted at once. So a process that dies in the midst of one leaves a record of which the next start knows that it may
//! be delivered twice.

use std::sync::Arc;

use segments::{Entry, Mark};
use tokio::sync::oneshot;

use super::disk_queue::{Message, QueueLink};

/// Size of a payload, as queues count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Points, spans or log records.
    pub items: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
}

/// A record of which the payload is in memory. Its bytes count as such until this is dropped.
///
/// One that is dropped unsettled is handed out once more: to the destination that goes on with the queue, or by the next process.
#[derive(Debug)]
pub struct StoredPayload {
    entry: Option<Entry>,
    size: Size,
    link: Arc<QueueLink>,
    /// Attempts under way, of any part.
    under_way: u32,
    /// True if the destination may have some of it.
    is_doubtful: bool,
    is_marked: bool,
}

impl StoredPayload {
    /// A record that is handed to a sender; `is_doubtful` says that an attempt before may have got through, and `is_marked` that it
    /// says already that one has begun.
    pub fn new(entry: Entry, size: Size, link: Arc<QueueLink>, [is_doubtful, is_marked]: [bool; 2]) -> Self {
        link.took(size);
        Self {
            entry: Some(entry),
            size,
            link,
            under_way: 0,
            is_doubtful,
            is_marked: is_marked || is_doubtful,
        }
    }

    /// Notes that an attempt begins. Returns what is to be waited for before it does, if the record does not say so yet: whether
    /// the disk has taken that.
    pub fn begin(&mut self) -> Option<oneshot::Receiver<bool>> {
        self.under_way += 1;
        let entry = self.entry.clone().filter(|_| !self.is_marked)?;
        self.is_marked = true;
        let (done, marked) = oneshot::channel();
        self.link.send(Message::Mark(entry, Mark::Attempted, Some(done)));
        Some(marked)
    }

    /// Notes that the record does not say that an attempt has begun.
    pub fn is_unmarked(&mut self) {
        self.is_marked = false;
    }

    /// Notes that an attempt failed; `ambiguous` says that the destination may have the data all the same.
    pub fn failed(&mut self, ambiguous: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_doubtful |= ambiguous;
        if self.under_way == 0
            && !self.is_doubtful
            && self.is_marked
            && let Some(entry) = self.entry.clone()
        {
            self.is_marked = false;
            self.link.send(Message::Mark(entry, Mark::Waiting, None));
        }
    }

    /// Notes that a part of it is settled and another is not.
    pub fn settled_in_part(&mut self) {
        self.is_doubtful = true;
    }

    /// Settles it.
    pub fn settle(mut self) {
        if let Some(entry) = self.entry.take() {
            self.link.send(Message::Settled(entry, self.size));
        }
    }
}

impl Drop for StoredPayload {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.link.send(Message::Again(entry));
        }
        self.link.gave_back(self.size);
    }
}
