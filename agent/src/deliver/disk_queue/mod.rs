//! A queue on disk: payloads are records of a log until they are settled.
//!
//! One thread for each queue, its keeper, writes, marks, reads and removes, so that no disk holds up a thread that serves. What
//! always holds: a payload whose record is written is in memory only while it is its turn to be sent, and payloads are handed
//! to senders in the order of their records. The queue outlives its destination: where a config changes the exporter, the
//! next destination goes on with it.

mod keeper;
mod settings;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};

use segments::{Entry, Mark};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::batcher::BatchRule;
use super::destination::Destination;
use super::queued::{Awaited, OwedItems};
use super::stored::Size;
use crate::admission::Budget;
use crate::request::Payload;

pub use settings::StorageSettings;

/// Bytes of payloads in memory from which on no other is taken to be sent; nor from an eighth of the memory there is for data.
const MOST_IN_MEMORY: u64 = 16 << 20;
/// Number of payloads that are in memory to be sent.
const MOST_PAYLOADS: u64 = 4_096;

/// A payload to be written.
#[derive(Debug)]
pub struct Incoming {
    /// Destination that it is for.
    pub destination: Arc<Destination>,
    /// The payload.
    pub payload: Payload,
    /// Rule of its pipeline by which it becomes requests.
    pub rule: Option<BatchRule>,
    /// Its items, where they are owed already.
    pub owed: Option<OwedItems>,
    /// Its place in the queue until it is written.
    pub slot: OwnedSemaphorePermit,
    /// Those who wait for it.
    pub awaited: Awaited,
}

/// Order to the keeper.
#[derive(Debug)]
pub enum Message {
    /// Write a payload.
    Append(Box<Incoming>),
    /// Mark a record as settled, and forget it.
    Settled(Entry, Size),
    /// Mark a record, and say whether the disk has taken that.
    Mark(Entry, Mark, Option<oneshot::Sender<bool>>),
    /// Hand a record out once more that was not settled.
    Again(Entry),
    /// Hand what waits to this destination from now on.
    Attach(Weak<Destination>, bool),
    /// See whether there is room to read more.
    Wake,
    /// Say that all orders before this one have been followed.
    Caught(oneshot::Sender<()>),
    /// Forget a state of stages that is marked as settled.
    Gone(Entry),
    /// Write a state of stages, and say how that went.
    Save(Vec<u8>, oneshot::Sender<io::Result<()>>),
}

/// Way to a queue's keeper, and its counters. The keeper ends with the last of them.
#[derive(Debug)]
pub struct QueueLink {
    messages: mpsc::Sender<Message>,
    counters: Arc<QueueCounters>,
}

/// Counters of a queue.
#[derive(Debug)]
pub struct QueueCounters {
    requests: AtomicU64,
    items: AtomicU64,
    bytes: AtomicU64,
    /// Bytes and number of the payloads in memory.
    in_memory: [AtomicU64; 2],
    disk_bytes: AtomicU64,
    is_full: AtomicBool,
    /// The most bytes of a payload for which there is room; all of them where the disk is not short of it.
    room: AtomicU64,
    is_paused: AtomicBool,
    trouble: Mutex<Option<String>>,
    damaged_bytes: AtomicU64,
    unwritten_items: AtomicU64,
    expired_items: AtomicU64,
    budget: Budget,
}

/// State of a queue on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StorageStatus {
    /// Payloads that are not settled.
    pub requests: u64,
    /// Their items.
    pub items: u64,
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// Reason for which the disk cannot be written now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Bytes that could not be read, since the start.
    pub damaged_bytes: u64,
    /// Items that were accepted and could not be written, since the start.
    pub unwritten_items: u64,
    /// Items that were dropped because they were too old, since the start.
    pub expired_items: u64,
}

impl QueueLink {
    /// Sends an order.
    pub fn send(&self, message: Message) {
        let _it_hears_as_long_as_this_is_there = self.messages.send(message);
    }

    /// Counters.
    pub fn counters(&self) -> &QueueCounters {
        &self.counters
    }

    /// Counts a payload that is in memory to be sent.
    pub fn took(&self, size: Size) {
        self.counters.in_memory[0].fetch_add(size.bytes, Ordering::Relaxed);
        self.counters.in_memory[1].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that is not any more.
    pub fn gave_back(&self, size: Size) {
        self.counters.in_memory[0].fetch_sub(size.bytes, Ordering::Relaxed);
        self.counters.in_memory[1].fetch_sub(1, Ordering::Relaxed);
        self.send(Message::Wake);
    }
}

impl QueueCounters {
    /// Payloads, items and bytes that are not settled.
    pub fn load(&self) -> (u64, Size) {
        let [requests, items, bytes] =
            [&self.requests, &self.items, &self.bytes].map(|counter| counter.load(Ordering::Relaxed));
        (requests, Size { items, bytes })
    }

    /// Payloads in memory.
    pub fn in_memory(&self) -> u64 {
        self.in_memory[1].load(Ordering::Relaxed)
    }

    /// Counts items that are dropped because they are too old.
    pub fn expired(&self, items: u64) {
        self.expired_items.fetch_add(items, Ordering::Relaxed);
    }

    /// Hands nothing out any more: what is on disk stays there.
    pub fn pause(&self) {
        self.is_paused.store(true, Ordering::Relaxed);
    }

    /// Tells whether nothing is handed out any more.
    pub fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// Reason for which a request of so many bytes is not taken, if that is so.
    pub fn refusal(&self, bytes: u64) -> Option<String> {
        if let Some(why) = &*self.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(format!("the disk cannot be written: {why}"));
        }
        let room = self.room.load(Ordering::Relaxed);
        if bytes > room {
            return Some(format!("the disk has room for a request of {room} bytes, and not of {bytes}"));
        }
        let full =
            || format!("its files have the {} bytes that they may", self.disk_bytes.load(Ordering::Relaxed));
        self.is_full.load(Ordering::Relaxed).then(full)
    }

    fn set_trouble(&self, trouble: Option<&str>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != trouble {
            *known = trouble.map(str::to_owned);
        }
    }

    /// State.
    pub fn status(&self) -> StorageStatus {
        let (requests, Size { items, .. }) = self.load();
        StorageStatus {
            requests,
            items,
            disk_bytes: self.disk_bytes.load(Ordering::Relaxed),
            trouble: self.refusal(0),
            damaged_bytes: self.damaged_bytes.load(Ordering::Relaxed),
            unwritten_items: self.unwritten_items.load(Ordering::Relaxed),
            expired_items: self.expired_items.load(Ordering::Relaxed),
        }
    }

    /// Tells whether another payload may be in memory to be sent: whatever its size, as that is known once it is read.
    fn has_room(&self) -> bool {
        let [held, payloads] = [0, 1].map(|at: usize| self.in_memory[at].load(Ordering::Relaxed));
        let most = MOST_IN_MEMORY.min(self.budget.limit() as u64 / 8);
        payloads == 0 || (payloads < MOST_PAYLOADS && held < most)
    }

    fn stored(&self, size: Size) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.items.fetch_add(size.items, Ordering::Relaxed);
        self.bytes.fetch_add(size.bytes, Ordering::Relaxed);
    }

    fn forget(&self, size: Size) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.items.fetch_sub(size.items, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }
}

/// A queue on disk, open until the process ends.
#[derive(Clone, Debug)]
pub struct DiskQueue {
    link: Arc<QueueLink>,
}

impl DiskQueue {
    /// Counters.
    pub fn counters(&self) -> &QueueCounters {
        self.link.counters()
    }

    /// Way to the keeper.
    pub fn link(&self) -> &Arc<QueueLink> {
        &self.link
    }

    /// Returns once all orders have been followed that were given before.
    pub async fn caught_up(&self) {
        let (done, caught) = oneshot::channel();
        self.link.send(Message::Caught(done));
        let _an_error_is_the_end_of_it = caught.await;
    }

    /// Hands what waits to `destination` from now on; `fsync` says whether a power loss is to cost nothing either.
    pub fn attach(&self, destination: &Arc<Destination>, fsync: bool) {
        self.link.send(Message::Attach(Arc::downgrade(destination), fsync));
    }
}
