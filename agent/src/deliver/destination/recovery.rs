//! The return of a destination that failed: one of those that wait to try again looks for it, and tells the others.
//!
//! Where many have failed often, each of them waits for long. One of them does not: it tries as soon as after its first failure,
//! and once an attempt succeeds all others go on at once. So a destination gets no more attempts than before while it fails, but
//! for one, and all that it can take as soon as it is back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::net::RetrySettings;

/// The longest time between two attempts of the one that looks.
const PROBE: Duration = Duration::from_secs(5);

/// Meeting point of those that wait to try again.
#[derive(Debug)]
pub struct Recovery {
    probe: Semaphore,
    back: Notify,
    resting: AtomicUsize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { probe: Semaphore::new(1), back: Notify::new(), resting: AtomicUsize::new(0) }
    }
}

impl Recovery {
    /// The order to look for the return, as long as it is held; nothing if another has it.
    pub fn probe(&self) -> Option<SemaphorePermit<'_>> {
        self.probe.try_acquire().ok()
    }

    /// Tells all that wait that an attempt has succeeded.
    pub fn tell(&self) {
        if self.resting.load(Ordering::Relaxed) > 0 {
            self.back.notify_waiters();
        }
    }

    /// Waits for so long, or until another's attempt succeeds, which is not heard before `least` has passed: the destination asked
    /// for that.
    pub async fn rest(&self, wait: Duration, least: Duration) {
        let began = Instant::now();
        self.resting.fetch_add(1, Ordering::Relaxed);
        let _one_less = Resting(&self.resting);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.back.notified() => tokio::time::sleep_until(began + least.min(wait)).await,
        }
    }
}

struct Resting<'a>(&'a AtomicUsize);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RetrySettings {
    /// Wait of the one that looks, after an attempt that took `spent`, where the destination asked for `throttle`: attempts begin
    /// as far apart as after the first failure.
    pub fn probes_after(&self, spent: Duration, throttle: Option<Duration>) -> Duration {
        self.initial_interval.min(PROBE).saturating_sub(spent).max(throttle.unwrap_or_default())
    }
}
