//! Requests with an `Idempotency-Key`: each is done once, and whoever sends it again has the same answer.
//!
//! An answer of success is kept; a request that was refused did nothing, and may be sent again under its key. One that is being
//! done is waited for. It goes on where who asked is gone, so that they find the answer when they come back.
//! What it changes says so in the same transaction: one that changed something and whose answer was lost is not done again.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use crate::actions::idempotency::{self, Standing};
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::{self, idempotency::RequestKey};

/// Header with the key.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The most characters of a key.
const LONGEST: usize = 255;
/// The most bytes of an answer that is kept.
const LARGEST: usize = 1 << 20;
/// Time between two looks at a request that is being done, and the number of them.
const PAUSE: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// Answer that is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    kind: Option<String>,
    tag: Option<String>,
    body: String,
}

/// Does a request with a key once, and one without as ever.
pub async fn once(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, Refusal> {
    let Some(said) = request.headers().get(KEY) else { return Ok(next.run(request).await) };
    let said = said
        .to_str()
        .ok()
        .filter(|said| (1..=LONGEST).contains(&said.len()) && said.bytes().all(|c| c.is_ascii_graphic()));
    let said = said.ok_or_else(|| {
        let expected = format!("1 to {LONGEST} visible characters, such as a UUID");
        Refusal::invalid_field("Idempotency-Key", "it is no key", expected)
    })?;
    let actor = request.extensions().get::<Actor>().ok_or_else(Refusal::unauthenticated)?;
    let key = idempotency::key(actor, said);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(Refusal::internal)?.to_bytes();
    let what = format!("{} {}\n", parts.method, parts.uri);
    // Of a body with a password, perhaps.
    let digest = state.seal.digest(&[what.as_bytes(), &body].concat());
    for _ in 0..LOOKS {
        match idempotency::begin(&state, &key, &digest).await? {
            Standing::Done(answer) => return replayed(&answer),
            Standing::Running => tokio::time::sleep(PAUSE).await,
            Standing::New(begun_at) => {
                let request = Request::from_parts(parts, Body::from(body));
                let done = done(state, key, begun_at, next, request).in_current_span();
                return tokio::spawn(done).await.map_err(Refusal::internal);
            }
        }
    }
    Err(Refusal::unavailable(
        "a request with this Idempotency-Key is still being done; send it again in a moment",
    ))
}

async fn done(
    state: AppState,
    key: RequestKey,
    begun_at: UnixMillis,
    next: Next,
    request: Request,
) -> Response {
    let work = store::idempotency::doing(key.clone(), begun_at, next.run(request));
    let (parts, body) = work.await.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Refusal::internal(error).into_response(),
    };
    let text =
        |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let kept = parts.status.is_success() && body.len() <= LARGEST;
    let answer = kept.then(|| Answer {
        status: parts.status.as_u16(),
        kind: text(&CONTENT_TYPE),
        tag: text(&ETAG),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let answer = answer.and_then(|answer| serde_json::to_string(&answer).ok());
    idempotency::end(&state, &key, begun_at, answer).await;
    Response::from_parts(parts, Body::from(body))
}

fn replayed(kept: &str) -> Result<Response, Refusal> {
    let answer: Answer = serde_json::from_str(kept).map_err(Refusal::internal)?;
    let mut response = Response::new(Body::from(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(Refusal::internal)?;
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    for (name, value) in [(CONTENT_TYPE, answer.kind), (ETAG, answer.tag)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
