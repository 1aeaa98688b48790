//! Failures on demand, without a clock or a random source of their own: which request fails is decided by
//! counting, so a test that asks for a third gets exactly every third.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Failure of a request that is to fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// Refused with `UNAVAILABLE`, which a client may retry.
    Unavailable,
    /// Refused with `INVALID_ARGUMENT`, which a client must not retry.
    InvalidArgument,
    /// Refused with `RESOURCE_EXHAUSTED`: retryable only with a `RetryInfo` that says when.
    ResourceExhausted {
        /// The `RetryInfo`'s delay; without one there is no `RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// Accepted and answered, but only after this long.
    Delay(Duration),
    /// Neither accepted nor answered until the client gives up or the sink stops.
    Stall,
    /// Accepted and counted, but not answered until the client gives up or the sink stops: to the client
    /// the same as `Stall`.
    AcceptThenStall,
}

/// Choice of the requests that fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// The next so many, of every signal.
    Next(u64),
    /// This share of them, 0 to 1, evenly spread.
    Fraction(f64),
}

#[derive(Debug, Default)]
pub(super) struct Failures(Option<Injection>);

#[derive(Debug)]
struct Injection {
    failure: Failure,
    when: When,
    /// Grows by the fraction with each request; a whole one is a failure.
    due: f64,
}

impl Failures {
    pub fn inject(&mut self, failure: Failure, when: When) {
        self.0 = Some(Injection { failure, when, due: 0.0 });
    }

    pub fn heal(&mut self) {
        self.0 = None;
    }

    /// Decision about the request that has just arrived.
    pub fn next(&mut self) -> Option<Failure> {
        let injection = self.0.as_mut()?;
        let fails = match &mut injection.when {
            When::Next(left) => {
                let fails = *left > 0;
                *left = left.saturating_sub(1);
                fails
            }
            When::Fraction(fraction) => {
                injection.due += *fraction;
                let fails = injection.due >= 1.0;
                injection.due -= f64::from(u8::from(fails));
                fails
            }
        };
        fails.then_some(injection.failure)
    }
}

/// The refusal a failure answers with at once, if it is one.
pub(super) fn refusal(failure: Failure) -> Option<Status> {
    let message = "refused on demand";
    match failure {
        Failure::Unavailable => Some(Status::unavailable(message)),
        Failure::InvalidArgument => Some(Status::invalid_argument(message)),
        Failure::ResourceExhausted { retry_after: None } => Some(Status::resource_exhausted(message)),
        Failure::ResourceExhausted { retry_after } => {
            let details = ErrorDetails::with_retry_info(retry_after);
            Some(Status::with_error_details(Code::ResourceExhausted, message, details))
        }
        Failure::Delay(_) | Failure::Stall | Failure::AcceptThenStall => None,
    }
}
