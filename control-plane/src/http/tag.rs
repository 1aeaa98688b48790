//! Versions of a thing as entity tags (RFC 9110 §8.8.3): an answer has one, and a request may say the one that it is about.

use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Json, ProblemResponse};
use crate::refusal::Refusal;

/// Version that a request is about, by its `If-Match`; nothing where any will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemResponse> {
        let Some(said) = parts.headers.get(IF_MATCH) else { return Ok(Self(None)) };
        let said = said.to_str().unwrap_or_default().trim();
        if said == "*" {
            return Ok(Self(None));
        }
        let version = said.strip_prefix('"').and_then(|said| said.strip_suffix('"')).map(str::parse);
        let Some(Ok(version)) = version else {
            let expected = "* or one entity tag as an answer has it, such as \"3\"";
            return Err(Refusal::invalid_field("If-Match", "it is no version", expected).into());
        };
        Ok(Self(Some(version)))
    }
}

/// Answer with a document and the tag of its version.
#[derive(Debug, Clone, Copy)]
pub struct Tagged<T> {
    /// Version.
    pub version: i64,
    /// Document.
    pub document: T,
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = format!("\"{}\"", self.version);
        ([(ETAG, tag)], Json(self.document)).into_response()
    }
}
