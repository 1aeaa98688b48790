//! Meaning of a failed attempt: whether to repeat it, when, and whether it may have been received.

use std::error::Error;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use super::RetryPolicy;

/// A failed attempt, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedAttempt {
    /// The gRPC code by name, or `transport`, `connect` or `timeout` where no answer came.
    pub reason: String,
    pub retryable: bool,
    /// The receiver may have taken the request.
    pub ambiguous: bool,
    /// True if the request can have left this process.
    pub connected: bool,
    /// Reason in words, as the system or the receiver says it.
    pub why: String,
    /// The shortest wait that the receiver asked for.
    pub throttle: Option<Duration>,
}

impl FailedAttempt {
    /// No answer within the attempt's time.
    pub fn timeout() -> Self {
        let why = "no answer in time".into();
        Self {
            reason: "timeout".into(),
            retryable: true,
            ambiguous: true,
            connected: true,
            why,
            throttle: None,
        }
    }

    /// Reads a status. One with a source was made on this side, when the transport failed.
    pub fn of(status: &Status) -> Self {
        if status.source().is_some() {
            return Self::transport(status);
        }
        let throttle = status.get_details_retry_info().and_then(|info| info.retry_delay);
        Self {
            reason: format!("{:?}", status.code()),
            retryable: is_retryable(status.code(), throttle.is_some()),
            // The others are the receiver's word that it did not take the request.
            ambiguous: matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded | Code::DataLoss),
            connected: true,
            why: format!("{:?}: {}", status.code(), status.message()),
            throttle,
        }
    }

    fn transport(status: &Status) -> Self {
        let (mut cause, mut connected, mut why) = (status.source(), true, String::new());
        while let Some(error) = cause {
            connected &= !error.is::<ConnectError>();
            why = error.to_string();
            cause = error.source();
        }
        let reason = if connected { "transport" } else { "connect" }.into();
        Self { reason, retryable: true, ambiguous: connected, connected, why, throttle: None }
    }
}

/// The OTLP specification's table, "Failures" under OTLP/gRPC.
fn is_retryable(code: Code, has_retry_info: bool) -> bool {
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => has_retry_info,
        _ => false,
    }
}

/// The waits between the attempts of one request after another.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: RetryPolicy,
    rng: Pcg64,
}

impl Backoff {
    pub fn new(policy: RetryPolicy) -> Self {
        let rng = Pcg64::seed_from_u64(policy.jitter_seed);
        Self { policy, rng }
    }

    pub fn attempt_timeout(&self) -> Duration {
        self.policy.attempt_timeout
    }

    /// Time for which a request is tried on, this long after it was sent first.
    pub fn left(&self, elapsed: Duration) -> Duration {
        self.policy.max_elapsed.saturating_sub(elapsed)
    }

    /// The wait before retry number `retry` (from 0), half to one and a half times the nominal one and no
    /// shorter than `throttle`; `None` when it would end past the request's time.
    pub fn wait(&mut self, retry: i32, throttle: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        let policy = &self.policy;
        let nominal = policy.initial.as_secs_f64() * policy.multiplier.powi(retry);
        let jittered = nominal.min(policy.max.as_secs_f64()) * self.rng.random_range(0.5..1.5);
        let wait =
            Duration::try_from_secs_f64(jittered).unwrap_or(policy.max).max(throttle.unwrap_or_default());
        (elapsed.saturating_add(wait) <= policy.max_elapsed).then_some(wait)
    }
}
