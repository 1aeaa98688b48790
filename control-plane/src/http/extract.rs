//! Parts that a handler takes from a request. What cannot be taken is refused as a [`ProblemResponse`] like everything
//! else.

use axum::body::{Body, Bytes};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use serde::de::DeserializeOwned;

use super::{ProblemResponse, unreadable};
use crate::auth::Actor;
use crate::refusal::Refusal;

/// A body of JSON, in and out.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A body whose mistakes are all told where there are any.
impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let whole = whole.map_err(JsonRejection::from)?;
        let request = Request::from_parts(parts, Body::from(whole.clone()));
        match <axum::Json<T> as FromRequest<S>>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => {
                Err(unreadable::refusal::<T>(&whole, &error.body_text()).into())
            }
            Err(other) => Err(other.into()),
        }
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ProblemResponse> {
        let (parts, body) = request.into_parts();
        let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let whole = whole.map_err(JsonRejection::from)?;
        if whole.is_empty() {
            return Ok(None);
        }
        let request = Request::from_parts(parts, Body::from(whole));
        Ok(Some(<Self as FromRequest<S>>::from_request(request, state).await?))
    }
}

/// The parameters behind `?`.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ProblemResponse))]
pub struct Query<T>(pub T);

/// The parameters in the path. One that has no such shape names nothing: 404.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ProblemResponse))]
pub struct Path<T>(pub T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl From<JsonRejection> for ProblemResponse {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Refusal::invalid(rejection.body_text()).into(),
            StatusCode::BAD_REQUEST => Self::malformed(rejection.body_text()),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", rejection.body_text())
            }
            status => Self::new(status, "not-json", "Not JSON", rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for ProblemResponse {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<PathRejection> for ProblemResponse {
    fn from(rejection: PathRejection) -> Self {
        Refusal::NotFound(reason(rejection)).into()
    }
}

/// Mistake in the path, as the parameter's own type words it.
fn reason(rejection: PathRejection) -> String {
    let PathRejection::FailedToDeserializePathParams(failed) = &rejection else {
        return rejection.body_text();
    };
    match failed.kind() {
        ErrorKind::Message(message) | ErrorKind::DeserializeError { message, .. } => message.clone(),
        ErrorKind::ParseErrorAtKey { value, expected_type, .. }
        | ErrorKind::ParseErrorAtIndex { value, expected_type, .. }
        | ErrorKind::ParseError { value, expected_type } => {
            let expected = if *expected_type == "u32" { "a whole number" } else { expected_type };
            format!("{value:?} is not valid at its place in the path (expected {expected})")
        }
        _ => rejection.body_text(),
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get().cloned().ok_or_else(Refusal::unauthenticated)
    }
}
