//! Form of every refusal over HTTP: `application/problem+json` (RFC 9457).

use api::{Mistake, Problem};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::refusal::{self, Refusal};

/// Answer of a refusal: its document, and what its headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemResponse {
    /// The document.
    pub problem: Problem,
    /// Seconds after which it may go well.
    pub retry_after: Option<u64>,
    /// The nonce of who asked, brought back.
    pub nonce: Option<HeaderValue>,
}

impl ProblemResponse {
    /// A problem of a kind: `kind` is the last part of its type.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
        };
        Self { problem, retry_after: None, nonce: None }
    }

    /// 400: the request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }
}

impl From<&refusal::Mistake> for Mistake {
    fn from(mistake: &refusal::Mistake) -> Self {
        let refusal::Mistake { place, field, message, expected, nearest } = mistake.clone();
        let (line, column) = place.unzip();
        Self { line, column, field, message, expected, nearest }
    }
}

impl From<Refusal> for ProblemResponse {
    fn from(refusal: Refusal) -> Self {
        let (status, kind, title) = match &refusal {
            Refusal::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated", "Not logged in"),
            Refusal::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Refusal::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Not possible now"),
            Refusal::Exists(_) => (StatusCode::CONFLICT, "exists", "Exists already"),
            Refusal::Changed(_) => (StatusCode::PRECONDITION_FAILED, "changed", "Changed meanwhile"),
            Refusal::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid"),
            Refusal::TooMany { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now"),
            Refusal::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Failed"),
        };
        let mut response = Self::new(status, kind, title, refusal.detail());
        response.problem.errors = refusal.mistakes().iter().map(Mistake::from).collect();
        response.retry_after = refusal.retry_after();
        response
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let Self { problem, retry_after, nonce } = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(nonce) = nonce {
            headers.insert(proto::unknown::NONCE, nonce);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        ProblemResponse::from(self).into_response()
    }
}
