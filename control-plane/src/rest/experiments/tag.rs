//! Versions of an experiment as entity tags: that of the specification and the phase. A verdict makes no new one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::{Experiment, Named, Path, Stored};
use crate::http::{self, IfMatch, ProblemResponse};

/// Experiment that a request is about, at the version of its `If-Match` if it has one.
pub struct Target(pub Named);

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemResponse> {
        let Path(named) = Path::<Named>::from_request_parts(parts, state).await?;
        let IfMatch(version) = IfMatch::from_request_parts(parts, state).await?;
        Ok(Self(match version {
            Some(version) => named.at(version),
            None => named,
        }))
    }
}

/// Answer with an experiment and its tag.
pub struct Tagged(pub Stored);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        http::Tagged { version: self.0.version, document: Experiment::from(self.0) }.into_response()
    }
}
