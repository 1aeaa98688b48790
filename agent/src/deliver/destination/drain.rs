//! The end of a destination: it delivers what it has, and leaves on disk what it cannot.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Destination;
use crate::deliver::disk_queue::DiskQueue;
use crate::deliver::queued::Part;

/// Time between two looks at a queue on disk that empties.
const LOOK: Duration = Duration::from_millis(20);

impl Destination {
    /// Waits until the queue is empty, or `deadline`. Nothing can be reserved afterward. What is on disk stays there as soon as
    /// an attempt fails.
    pub async fn drain(&self, deadline: Instant) {
        self.closing.send_replace(true);
        if let Some(disk) = &self.disk {
            let _what_is_left_stays = tokio::time::timeout_at(deadline, self.emptied(disk)).await;
            disk.counters().pause();
            // What is settled is marked, so that the next start does not send it again.
            let _counted_as_doubtful_else = tokio::time::timeout_at(deadline, disk.caught_up()).await;
        }
        let _what_is_left_is_lost = tokio::time::timeout_at(deadline, self.vacated()).await;
        self.slots.close();
    }

    /// Takes every place as it becomes free, and no more than are, so that those of what waits are told from them.
    async fn vacated(&self) {
        let all = self.queue.requests();
        let mut left = all;
        while left > 0 {
            let free = self.slots.available_permits().clamp(1, left);
            let Ok(places) = self.slots.acquire_many(free as u32).await else { return };
            places.forget();
            left -= free;
            self.vacant.store(all - left, Ordering::Relaxed);
        }
    }

    /// Returns once nothing of the queue is in memory any more, and nothing on disk or the destination fails.
    async fn emptied(&self, disk: &DiskQueue) {
        loop {
            if self.failing().is_some() {
                disk.counters().pause();
            }
            let all_written = self.slots.available_permits() == self.queue.requests();
            let rests = disk.counters().load().0 == 0 || disk.counters().is_paused();
            if all_written && rests && disk.counters().in_memory() == 0 {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells whether these are not tried any more: the agent ends or another destination goes on, an attempt has failed, and the
    /// disk has them.
    pub(super) fn is_left(&self, parcel: &[Part]) -> bool {
        let is_closing = *self.closing.borrow();
        is_closing && self.failing().is_some() && parcel.iter().all(|part| part.owed.is_stored())
    }

    /// Time until these are too old; without end where nothing on disk is.
    fn time_left(&self, parcel: &[Part]) -> Duration {
        let Some(age) = self.most_age.filter(|_| parcel.iter().all(|part| part.owed.is_stored())) else {
            return Duration::MAX;
        };
        let left = parcel.iter().map(|part| age.saturating_sub(part.owed.queued.elapsed())).max();
        // Past it, and not at it.
        left.unwrap_or_default() + Duration::from_millis(1)
    }

    /// Waits before the next attempt; not as long where the agent ends and the disk has these, or where they are too old before.
    pub(super) async fn rest(&self, wait: Duration, least: Duration, parcel: &[Part]) {
        let rest = self.recovery.rest(wait.min(self.time_left(parcel)), least);
        if !parcel.iter().all(|part| part.owed.is_stored()) {
            return rest.await;
        }
        let mut closing = self.closing.subscribe();
        tokio::select! {
            () = rest => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }
}
