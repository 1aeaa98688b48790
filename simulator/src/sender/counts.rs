//! Account of every point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Exact counts of a sender. Always: `scraped = acknowledged + refused + ambiguous + in_flight()`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderCounts {
    /// Scrapes, each sent as one request.
    pub scrapes: u64,
    /// Scrapes that were due while an earlier request was still being delivered, and did not happen.
    pub missed_scrapes: u64,
    /// Attempts to send a request.
    pub attempts: u64,
    /// Attempts beyond each request's first.
    pub retries: u64,
    /// Attempts whose outcome at the receiver is unknown: time-out, reset, closed before an answer.
    pub ambiguous_attempts: u64,
    /// Failed attempts by gRPC code, as far as there was an answer, else `transport` or `timeout`.
    pub failures: BTreeMap<String, u64>,
    /// Bytes of all requests as uncompressed protobuf, each counted once.
    pub bytes: u64,
    /// Points scraped.
    pub scraped: u64,
    /// Points of requests of which at least one attempt reached a connection.
    pub sent: u64,
    /// Points the receiver took, by its own word.
    pub acknowledged: u64,
    /// Points that certainly did not arrive: refused for good, rejected in a partial success, given up after
    /// refusals or without a connection.
    pub refused: u64,
    /// Points given up after an attempt whose outcome is unknown: they may have arrived.
    pub ambiguous: u64,
    /// Acknowledged points that an earlier, ambiguous attempt may have delivered already.
    pub maybe_doubled: u64,
}

impl SenderCounts {
    /// Points whose request is under way.
    pub fn in_flight(&self) -> u64 {
        self.scraped - self.acknowledged - self.refused - self.ambiguous
    }
}
