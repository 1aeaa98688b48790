//! Settlement of the points that left: applied is not stored.

use drift::{Latency, LatencySummary};
use serde::{Deserialize, Serialize};

/// Settlement of one variant's points by the destinations, in the window in which that became known.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Points that a destination confirmed.
    pub confirmed: u64,
    /// Points that it did not take, though it took others of their request (partial success).
    pub rejected: u64,
    /// Points of requests that it refused for good, or that were given up.
    pub failed: u64,
    /// Points of attempts that ended without saying how; they may have arrived twice.
    pub doubtful: u64,
    /// Attempts that had to be made again.
    pub retries: u64,
    /// Bytes as they were sent, compressed, every attempt counted.
    pub wire_bytes: u64,
    /// From being queued to being settled, nanoseconds a request.
    pub latency: Latency,
}

impl Delivery {
    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.confirmed += other.confirmed;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.doubtful += other.doubtful;
        self.retries += other.retries;
        self.wire_bytes += other.wire_bytes;
        self.latency.merge(&other.latency);
    }

    /// It in numbers.
    #[must_use]
    pub fn report(&self) -> DeliveryReport {
        let Self { confirmed, rejected, failed, doubtful, retries, wire_bytes, latency } = self;
        DeliveryReport {
            confirmed: *confirmed,
            rejected: *rejected,
            failed: *failed,
            doubtful: *doubtful,
            retries: *retries,
            wire_bytes: *wire_bytes,
            latency: latency.summary(),
        }
    }
}

/// A [`Delivery`] in numbers. Points are counted once for each destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryReport {
    /// Points that a destination confirmed.
    pub confirmed: u64,
    /// Points that it did not take of requests that it took.
    pub rejected: u64,
    /// Points of requests that it refused for good, or that were given up.
    pub failed: u64,
    /// Points of attempts that ended without saying how.
    pub doubtful: u64,
    /// Attempts that had to be made again.
    pub retries: u64,
    /// Bytes as they were sent, compressed.
    pub wire_bytes: u64,
    /// From being queued to being settled, nanoseconds.
    pub latency: LatencySummary,
}

impl DeliveryReport {
    /// Points that are settled, and those of them that did not arrive.
    #[must_use]
    pub fn settled_and_lost(&self) -> [u64; 2] {
        let lost = self.rejected + self.failed;
        [self.confirmed + lost, lost]
    }
}
