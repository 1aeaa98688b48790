//! A payload whose record is on disk, while it is in memory to be sent.
//!
//! What always holds: before an attempt to send it begins, its record says so. So a process that dies in the midst of one
//! leaves a record of which the next start knows that it may be delivered twice.

use std::sync::Arc;

use segments::{Entry, Mark};

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
    /// A record that is handed to a sender; `is_doubtful` says that an attempt before may have got through.
    pub fn new(entry: Entry, size: Size, link: Arc<QueueLink>, is_doubtful: bool) -> Self {
        link.took(size);
        Self { entry: Some(entry), size, link, under_way: 0, is_doubtful, is_marked: is_doubtful }
    }

    /// Notes that an attempt begins. Returns false if the disk does not take that, so that a kill would leave it unknown.
    pub fn begin(&mut self) -> bool {
        self.under_way += 1;
        if !self.is_marked {
            self.is_marked = self.mark(Mark::Attempted);
        }
        self.is_marked
    }

    /// Notes that an attempt failed; `ambiguous` says that the destination may have the data all the same.
    pub fn failed(&mut self, ambiguous: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_doubtful |= ambiguous;
        if self.under_way == 0 && !self.is_doubtful && self.is_marked {
            self.is_marked = !self.mark(Mark::Waiting);
        }
    }

    /// Notes that a part of it is settled and another is not.
    pub fn settled_in_part(&mut self) {
        self.is_doubtful = true;
    }

    /// Settles it.
    pub fn settle(mut self) {
        self.mark(Mark::Settled);
        if let Some(entry) = self.entry.take() {
            self.link.send(Message::Settled(entry, self.size));
        }
    }

    fn mark(&self, mark: Mark) -> bool {
        let marked = self.entry.as_ref().map_or(Ok(()), |entry| entry.mark(mark));
        marked.inspect_err(|error| self.link.cannot_write(error)).is_ok()
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
