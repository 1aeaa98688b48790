//! A destination whose queue is on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Destination;
use crate::deliver::batcher::BatchRule;
use crate::deliver::disk_queue::{Message, StorageStatus};
use crate::deliver::queued::{Outcome, OwedItems, OwedPayload, Part, SendOutcome};
use crate::deliver::saved_stages::StageStates;
use crate::deliver::settings::Sizer;
use crate::deliver::stored::{Size, StoredPayload};
use crate::request::Payload;

/// The longest that an attempt waits for a disk.
const PATIENCE: Duration = Duration::from_secs(1);

impl Destination {
    /// Goes on with the queue on disk, if it has one; `fsync` says whether a power loss is to cost nothing either.
    pub fn lead(self: &Arc<Self>, fsync: bool) {
        if let Some(disk) = &self.disk {
            self.is_followed.store(false, Ordering::Relaxed);
            disk.attach(self, fsync);
        }
    }

    /// Notes that `next` goes on with the queue, if it has the same one. What this one does not deliver is `next`'s to send.
    pub fn followed_by(&self, next: &Self) {
        let same = self.disk.as_ref().zip(next.disk.as_ref());
        if same.is_some_and(|(one, other)| Arc::ptr_eq(one.link(), other.link())) {
            self.is_followed.store(true, Ordering::Relaxed);
            self.closing.send_replace(true);
        }
    }

    /// State of its queue on disk, if it has one.
    pub fn storage(&self) -> Option<StorageStatus> {
        Some(self.disk.as_ref()?.counters().status())
    }

    /// Writes states of stages to the queue on disk, behind all that was queued before; false if it has none.
    ///
    /// # Errors
    /// Says why they could not be written.
    pub async fn save(&self, states: &StageStates) -> Result<bool, String> {
        let Some(disk) = &self.disk else { return Ok(false) };
        let states = states.encode().ok_or("there are too many series")?;
        let (done, written) = oneshot::channel();
        disk.link().send(Message::Save(states, done));
        let written = written.await.map_err(|_| "its thread is gone".to_owned())?;
        written.map(|()| true).map_err(|error| error.to_string())
    }

    pub(super) fn requests_on_disk(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.counters().load().0)
    }

    /// Load of the queue on disk, in what its size counts.
    pub(super) fn load_on_disk(&self) -> u64 {
        let Some(disk) = &self.disk else { return 0 };
        let (requests, Size { items, bytes }) = disk.counters().load();
        match self.queue.sizer {
            Sizer::Requests => requests,
            Sizer::Items => items,
            Sizer::Bytes => bytes,
        }
    }

    /// Sends a payload whose record has been written or read, and that was queued at a time.
    pub(in crate::deliver) fn hand_over(
        self: &Arc<Self>,
        (payload, rule): (Payload, Option<BatchRule>),
        stored: StoredPayload,
        queued: Instant,
        done: Option<oneshot::Sender<Outcome>>,
    ) {
        let owed = OwedItems::on_disk(&self.ledger, payload.items);
        self.batch((payload, rule), OwedPayload::stored(owed, stored, queued, done));
    }

    /// Puts items on the ledger that have been written.
    pub(in crate::deliver) fn owe_on_disk(&self, items: u64) {
        self.ledger.queued_on_disk(items);
    }

    /// Counts items that were written and cannot be read any more.
    pub(in crate::deliver) fn lose_on_disk(&self, items: u64) {
        self.ledger.damaged(items);
    }

    /// Counts a payload of which a process before may have delivered some.
    pub fn may_double(&self, payload: &Payload) {
        self.metrics.maybe_doubled(payload);
    }

    /// Tells whether all of these are on disk and older than `age`.
    pub(super) fn is_older(&self, parcel: &[Part], age: Duration) -> bool {
        parcel.iter().all(|part| part.owed.is_stored() && part.owed.queued.elapsed() > age)
    }

    /// Drops what is too old.
    pub(super) fn expire(&self, parcel: &[Part], age: Duration) -> SendOutcome {
        if let Some(disk) = &self.disk {
            disk.counters().expired(parcel.iter().map(|part| part.payload.items).sum());
        }
        let age = humantime::format_duration(age);
        SendOutcome::GaveUp(format!("it waited on disk for longer than max_queue_age, which is {age}"))
    }

    /// Notes that an attempt to send these begins. Where the disk does not take that, or not in time, a kill would leave a doubt
    /// that nobody knows of: it is counted now, and the attempt does not wait for the disk.
    pub(super) async fn begins(&self, parcel: &[Part]) {
        let end = Instant::now() + PATIENCE;
        let waits = parcel.iter().filter_map(|part| Some((part, part.owed.begins()?)));
        for (part, marked) in waits.collect::<Vec<_>>() {
            let marked = tokio::time::timeout_at(end, marked).await;
            if marked == Ok(Ok(true)) {
                continue;
            }
            if marked == Ok(Ok(false)) {
                part.owed.is_unmarked();
            }
            self.metrics.maybe_doubled(&part.payload);
        }
    }

    /// Tells whether a payload that is handed over now is attempted at once.
    pub(in crate::deliver) fn has_turn(&self) -> bool {
        self.queue.batch.is_none() && self.consumers.available_permits() > 0
    }
}
