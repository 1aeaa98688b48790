//! Form of every refusal over gRPC: a status, with google.rpc details.

use std::fmt::Write as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::refusal::{Mistake, Refusal};

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        if !refusal.mistakes().is_empty() {
            let violations: Vec<_> = refusal.mistakes().iter().map(violation).collect();
            details.set_bad_request(violations);
        }
        if let Some(seconds) = refusal.retry_after() {
            details.set_retry_info(Some(Duration::from_secs(seconds)));
        }
        Self::with_error_details(code(&refusal), refusal.detail(), details)
    }
}

fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Invalid { .. } => Code::InvalidArgument,
        Refusal::Unauthenticated(_) => Code::Unauthenticated,
        Refusal::Forbidden(_) => Code::PermissionDenied,
        Refusal::NotFound(_) => Code::NotFound,
        Refusal::Exists(_) => Code::AlreadyExists,
        Refusal::Changed(_) => Code::Aborted,
        Refusal::Conflict(_) => Code::FailedPrecondition,
        Refusal::TooMany { .. } => Code::ResourceExhausted,
        Refusal::Unavailable(_) => Code::Unavailable,
        Refusal::Internal => Code::Internal,
    }
}

/// The place in a text stands in the description, because a violation's field is a path in the request.
fn violation(mistake: &Mistake) -> FieldViolation {
    let mut said = String::new();
    if let Some((line, column)) = mistake.place {
        let _always_fits = write!(said, "line {line}, column {column}: ");
    }
    said.push_str(&mistake.message);
    if let Some(expected) = &mistake.expected {
        let _always_fits = write!(said, "; expected {expected}");
    }
    if let Some(nearest) = &mistake.nearest {
        let _always_fits = write!(said, "; did you mean {nearest:?}?");
    }
    FieldViolation::new(mistake.field.clone().unwrap_or_default(), said)
}
