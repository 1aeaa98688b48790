//! Bodies of requests: each is collected under the listener's limits before anything works on it.
//!
//! What always holds: bytes count as they come, for all and for who sends them; a body that comes too slowly ends; and a
//! place for work is taken when the last byte is here.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use gate::{Pace, Peer, Place, Progress};
use http_body_util::BodyExt as _;
use tonic::Status;

use super::ProblemResponse;
use super::limit::{Places, Purpose, is_grpc, peer, refusal};
use crate::refusal::Refusal;

/// Bytes that gRPC puts before a message.
const PREFIX: usize = 5;

/// A request whose body is whole, with its places.
pub struct Whole {
    /// The request.
    pub request: Request,
    _bytes: Place<Peer>,
    _work: Option<Place<Peer>>,
}

/// Reason for which a body is not taken.
enum Broken {
    TooLarge(usize),
    CutOff(String),
    Refused(Refusal),
}

/// Hands a request on once it is whole.
pub async fn whole(request: Request, next: Next) -> Response {
    match collect(request).await {
        Ok(Some(Whole { request, _bytes, _work })) => next.run(request).await,
        Ok(None) => Refusal::internal("a request came through no listener").into_response(),
        Err(response) => response,
    }
}

/// Collects a request. Nothing if it came through no listener, which would be our mistake.
///
/// # Errors
/// The answer to a body that is too large, too slow, cut off, or finds no room.
pub async fn collect(request: Request) -> Result<Option<Whole>, Response> {
    let Some(places) = request.extensions().get::<Arc<Places>>().map(Arc::clone) else { return Ok(None) };
    let (purpose, peer, grpc) = (Purpose::of(&request), peer(&request), is_grpc(request.headers()));
    let (parts, body) = request.into_parts();
    let mut held = places.bodies.stand(peer);
    let read = read(&places, body, &mut held, if grpc { PREFIX } else { 0 }).await;
    let bytes = read.map_err(|broken| broken.answer(grpc))?;
    let work = places.work(purpose, peer).map_err(|crowd| refusal(places.refuse(crowd, "requests"), grpc))?;
    Ok(Some(Whole { request: Request::from_parts(parts, bytes.into()), _bytes: held, _work: work }))
}

async fn read(
    places: &Places,
    mut body: Body,
    held: &mut Place<Peer>,
    prefix: usize,
) -> Result<Bytes, Broken> {
    let limit = places.limits.body + prefix;
    let announced = body.size_hint().exact().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    if announced.is_some_and(|size| size > limit) {
        return Err(Broken::TooLarge(limit - prefix));
    }
    let mut progress = Progress::begin(Pace::of(places.limits.answer));
    let mut bytes = Vec::new();
    loop {
        let frame = if progress.is_late() {
            None
        } else {
            tokio::time::timeout_at(progress.due(), body.frame()).await.ok()
        };
        let chunk = match frame {
            None => return Err(slow(places, &progress)),
            Some(None) => return Ok(bytes.into()),
            Some(Some(Err(error))) => return Err(Broken::CutOff(error.to_string())),
            Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        progress.came(chunk.len());
        let needed = bytes.len() + chunk.len();
        if needed > limit {
            return Err(Broken::TooLarge(limit - prefix));
        }
        if needed > bytes.capacity() {
            let capacity = needed.max((2 * bytes.len()).min(announced.unwrap_or(limit)));
            let half_here = announced.is_some_and(|size| 2 * needed > size);
            let grown = held.grow_to(capacity, half_here);
            grown.map_err(|crowd| Broken::Refused(places.refuse(crowd, "bytes of requests")))?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
}

fn slow(places: &Places, progress: &Progress) -> Broken {
    places.slow();
    let (bytes, time) = (progress.arrived(), progress.elapsed());
    Broken::Refused(Refusal::unavailable(format!(
        "the request's body came too slowly: {bytes} bytes in {time:?}"
    )))
}

impl Broken {
    fn answer(self, grpc: bool) -> Response {
        match self {
            Self::Refused(refused) => refusal(refused, grpc),
            Self::TooLarge(limit) if grpc => {
                Status::out_of_range(format!("the message is larger than {limit} bytes")).into_http()
            }
            Self::TooLarge(limit) => {
                let detail = format!("the body is larger than {limit} bytes");
                ProblemResponse::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
                    .into_response()
            }
            // It is gone.
            Self::CutOff(error) => {
                ProblemResponse::malformed(format!("the request was cut off: {error}")).into_response()
            }
        }
    }
}
