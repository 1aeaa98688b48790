//! Scrapes a source and delivers over OTLP/gRPC, accounting for every point.
//!
//! Always: `scraped = acknowledged + refused + ambiguous + in flight`. One request is under way at a time; it
//! is encoded once and the same bytes are sent at every attempt. Retries follow the OTLP specification.

mod codec;
mod config;
mod counts;
mod delivery;
mod retry;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;
use tokio::sync::watch;
use tokio::time::Instant;

pub use config::{Pace, RetryPolicy, SenderConfig, SenderError};
pub use counts::SenderCounts;

use crate::live::Live;
use crate::scrape::{Source, point_count};
use delivery::Delivery;

/// An OTLP/gRPC client that scrapes and sends until it is told to stop.
#[derive(Debug)]
pub struct Sender {
    pace: Pace,
    max_requests: Option<u64>,
    max_duration: Option<Duration>,
    delivery: Delivery,
    counts: Live<SenderCounts>,
}

impl Sender {
    /// A sender that connects at its first request, and again whenever it must.
    ///
    /// # Errors
    /// When the endpoint is no URL, or when full speed has no bound.
    pub fn new(config: SenderConfig) -> Result<Self, SenderError> {
        if config.pace == Pace::FullSpeed && config.max_requests.is_none() && config.max_duration.is_none() {
            return Err(SenderError::Unbounded);
        }
        let counts = Live::default();
        Ok(Self {
            delivery: Delivery::new(&config, counts.clone())?,
            pace: config.pace,
            max_requests: config.max_requests,
            max_duration: config.max_duration,
            counts,
        })
    }

    /// A handle on the counts, readable while [`Sender::run`] runs.
    pub fn counts(&self) -> Live<SenderCounts> {
        self.counts.clone()
    }

    /// Scrapes and sends until a bound of the configuration is reached or `stop` turns true (or its sender is
    /// gone). The attempt under way then is finished, within its time-out; it is not retried.
    ///
    /// # Errors
    /// When the source cannot be scraped at all.
    pub async fn run(
        &mut self,
        source: &mut dyn Source,
        mut stop: watch::Receiver<bool>,
    ) -> Result<SenderCounts, SenderError> {
        let end = self.max_duration.map(|duration| Instant::now() + duration);
        let mut due = Instant::now();
        let mut now_unix_nanos = 0;
        loop {
            let scrapes = self.counts.update(|counts| counts.scrapes);
            if self.max_requests.is_some_and(|max| scrapes >= max) || !wait_until(due, end, &mut stop).await {
                return Ok(self.counts.snapshot());
            }
            now_unix_nanos = later_than(now_unix_nanos);
            let request = source.collect(now_unix_nanos)?;
            let points = point_count(&request);
            self.counts.update(|counts| {
                counts.scrapes += 1;
                counts.scraped += points;
            });
            self.delivery.deliver(request.encode_to_vec().into(), points, end, &mut stop).await;
            due = self.next_due(due);
        }
    }

    /// The next tick in the future. Ticks that passed during a slow delivery are counted, not made up for.
    fn next_due(&self, mut due: Instant) -> Instant {
        let now = Instant::now();
        let Pace::Every(interval) = self.pace else { return now };
        due += interval;
        while due < now {
            due += interval;
            self.counts.update(|counts| counts.missed_scrapes += 1);
        }
        due
    }
}

/// Waits for the next scrape; false when there is to be none.
async fn wait_until(due: Instant, end: Option<Instant>, stop: &mut watch::Receiver<bool>) -> bool {
    if *stop.borrow() || stop.has_changed().is_err() || end.is_some_and(|end| end <= due) {
        return false;
    }
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep_until(due) => true,
    }
}

/// Now, but later than the scrape before: two points of a series never share a timestamp.
fn later_than(last_unix_nanos: u64) -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX);
    now.max(last_unix_nanos + 1)
}
