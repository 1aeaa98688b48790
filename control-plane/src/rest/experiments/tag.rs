//! Versions of an experiment as entity tags (RFC 9110 §8.8.3): an answer has one, and a request may say the one that it is about.
//!
//! A version is that of the specification and the phase. A verdict makes no new one.

use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::{Experiment, Json, Named, Path, Refusal, Stored};
use crate::http::ProblemResponse;

/// Experiment that a request is about, at the version of its `If-Match` if it has one.
pub struct Target(pub Named);

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let Path(named) = Path::<Named>::from_request_parts(parts, state).await?;
        let Some(said) = parts.headers.get(IF_MATCH) else { return Ok(Self(named)) };
        let said = said.to_str().unwrap_or_default().trim();
        if said == "*" {
            return Ok(Self(named));
        }
        let version = said.strip_prefix('"').and_then(|said| said.strip_suffix('"')).map(str::parse);
        let Some(Ok(version)) = version else {
            let expected = "* or one entity tag as an answer has it, such as \"3\"";
            return Err(
                Refusal::invalid_field("If-Match", "it is no version of an experiment", expected).into()
            );
        };
        Ok(Self(named.at(version)))
    }
}

/// Answer with an experiment and its tag.
pub struct Tagged(pub Stored);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = format!("\"{}\"", self.0.version);
        ([(ETAG, tag)], Json(Experiment::from(self.0))).into_response()
    }
}
