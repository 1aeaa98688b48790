//! Settings of a sender.

use std::time::Duration;

use crate::scrape::ScrapeError;

/// Schedule of scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One per interval, the first at once.
    Every(Duration),
    /// The next as soon as the one before is settled, for load; needs a bound.
    FullSpeed,
}

/// Destination, interval and duration.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// The receiver's URL, such as `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Schedule of scrapes.
    pub pace: Pace,
    /// Stops after so many scrapes.
    pub max_requests: Option<u64>,
    /// Stops after so long.
    pub max_duration: Option<Duration>,
    /// Compresses requests.
    pub gzip: bool,
    /// Policy of repeated attempts.
    pub retry: RetryPolicy,
    /// Told of each failed attempt at once, in a sentence.
    pub tell: fn(&str),
}

impl SenderConfig {
    /// A scrape every ten seconds, without a bound, uncompressed, with the default retries.
    pub fn to(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            pace: Pace::Every(Duration::from_secs(10)),
            max_requests: None,
            max_duration: None,
            gzip: false,
            retry: RetryPolicy::default(),
            tell: |_| {},
        }
    }
}

/// Exponential backoff with jitter; the defaults are the Collector's.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The first wait.
    pub initial: Duration,
    /// No computed wait is longer; a `RetryInfo` may ask for more.
    pub max: Duration,
    /// Each wait's ratio to the one before.
    pub multiplier: f64,
    /// A request is given up when its next attempt would start later than this after its first.
    pub max_elapsed: Duration,
    /// An attempt is ambiguous when it is not answered within this.
    pub attempt_timeout: Duration,
    /// Seeds the jitter.
    pub jitter_seed: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            max: Duration::from_secs(30),
            multiplier: 1.5,
            max_elapsed: Duration::from_secs(300),
            attempt_timeout: Duration::from_secs(5),
            jitter_seed: 0,
        }
    }
}

/// Reason for which a sender could not be made or go on.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The endpoint is not a URL of a gRPC server.
    #[error("endpoint {endpoint:?}: expected a URL such as http://127.0.0.1:4317: {source}")]
    Endpoint {
        /// Value that was given.
        endpoint: String,
        /// Mistake in it.
        source: tonic::transport::Error,
    },
    /// Full speed without an end would run until the machine is full.
    #[error("full speed needs a bound: a number of requests or a duration")]
    Unbounded,
    /// The source failed as a whole.
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
}
