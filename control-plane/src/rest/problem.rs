//! Form of every refusal: `application/problem+json` (RFC 9457).
//!
//! A refusal says what was wrong and what would have been right. What failed inside is logged here, once, and told to
//! nobody outside.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pipelines::yaml::Problems;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;

const EXISTS: &str = "exists";

/// One mistake in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mistake {
    /// Line in the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The field of the request, where it is not a text's line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Mistake.
    pub message: String,
    /// Expected value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The known name nearest to the unknown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Kind of problem, as a URI reference.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This one in words.
    pub detail: String,
    /// Each mistake with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Mistake>,
    /// Seconds after which it may go well.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem of a kind: `kind` is the last part of its type.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 400: the request cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 401: nobody, or nobody any more.
    pub fn unauthenticated() -> Self {
        let detail = "a valid bearer token is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not logged in", detail)
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 404: not there, or somebody else's, which is the same.
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("there is no {what} {name}"))
    }

    /// 409: not in this state.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Not possible now", detail)
    }

    /// 409: there is one of this name.
    pub fn exists(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, EXISTS, "Exists already", detail)
    }

    /// Tells whether it is in the way of a new one of its name.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.kind.ends_with(EXISTS)
    }

    /// 422: understood, and wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid", detail)
    }

    /// 422 about one field of the request.
    pub fn invalid_field(field: &str, message: impl Into<String>, expected: impl Into<String>) -> Self {
        let message = message.into();
        let mistake = Mistake {
            line: None,
            column: None,
            field: Some(field.to_owned()),
            message: message.clone(),
            expected: Some(expected.into()),
            nearest: None,
        };
        Self { errors: vec![mistake], ..Self::invalid(format!("{field}: {message}")) }
    }

    /// 429: too often.
    pub fn too_many(detail: impl Into<String>, retry_after: u64) -> Self {
        let problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail);
        Self { retry_after: Some(retry_after.max(1)), ..problem }
    }

    /// 503: not now, try again.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail);
        Self { retry_after: Some(1), ..problem }
    }

    /// 500: our fault. What it was is in the log.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        let detail = "the control plane failed; its log says how";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Failed", detail)
    }
}

/// 422, with every mistake of a config and its place.
impl From<Problems> for Problem {
    fn from(problems: Problems) -> Self {
        let errors: Vec<Mistake> = problems
            .problems
            .into_iter()
            .map(|problem| Mistake {
                line: Some(problem.location.line),
                column: Some(problem.location.column),
                field: None,
                message: problem.message,
                expected: problem.expected,
                nearest: problem.suggestion,
            })
            .collect();
        let detail = match errors.first() {
            Some(first) => format!("{}: {}", problems.file, first.message),
            None => format!("{} is not valid", problems.file),
        };
        Self { errors, ..Self::invalid(detail) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_busy() { Self::unavailable("the store is busy") } else { Self::internal(error) }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
