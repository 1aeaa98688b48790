//! Form of every refusal over gRPC: a [`Problem`] as a status, with google.rpc details.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::rest::{Mistake, Problem};

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let mut details = ErrorDetails::new();
        if !problem.errors.is_empty() {
            let violations: Vec<_> = problem.errors.iter().map(violation).collect();
            details.set_bad_request(violations);
        }
        if let Some(seconds) = problem.retry_after {
            details.set_retry_info(Some(Duration::from_secs(seconds)));
        }
        Self::with_error_details(code(&problem), problem.detail, details)
    }
}

fn code(problem: &Problem) -> Code {
    match StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT if problem.is_exists() => Code::AlreadyExists,
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// The place in a text stands in the description, because a violation's field is a path in the request.
fn violation(mistake: &Mistake) -> FieldViolation {
    let mut said = String::new();
    if let (Some(line), Some(column)) = (mistake.line, mistake.column) {
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
