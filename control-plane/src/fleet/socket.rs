//! OpAMP's two transports: a WebSocket, and plain HTTP for who polls.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost::Message as _;
use proto::opamp::ServerToAgent;
use proto::unknown::{KIND, MAX_NONCE, MEDIA_TYPE, NONCE};
use tokio::time::Instant;

use super::enroll::turned_away;
use super::opamp::{self, Conversation};
use crate::actions::agents;
use crate::actions::enroll::{self, AgentIdentity, EnrollError};
use crate::http::{ProblemResponse, bearer, collect};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::StoreError;

/// The most bytes of a message; an agent's largest, an effective config, is far below.
pub const MAX_MESSAGE: usize = 4 << 20;
/// The most connections of agents at once.
const MAX_SESSIONS: usize = 20_000;
/// Nothing heard for this long: the connection is dead. Agents send a heartbeat every 30 s.
const SILENCE: Duration = Duration::from_secs(100);

/// `GET /v1/opamp`: a WebSocket, for an agent with a credential.
///
/// # Errors
/// 401 before the upgrade; 503 when there are too many.
pub async fn upgrade(
    State(state): State<AppState>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ProblemResponse> {
    let agent = authenticated(&state, &headers).await?;
    if state.hub.count() >= MAX_SESSIONS {
        return Err(Refusal::unavailable("too many agents are connected").into());
    }
    // A little more than is taken, so that what is too large is seen, and told by its own close code.
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| converse(state, agent, socket)))
}

/// `POST /v1/opamp`: one message and its answer. Nothing of it is read before its sender is known.
pub async fn poll(State(state): State<AppState>, request: Request) -> Response {
    let agent = match authenticated(&state, request.headers()).await {
        Ok(agent) => agent,
        Err(problem) => return problem.into_response(),
    };
    match collect(request).await {
        Ok(Some(whole)) => {
            heard(&state, &agent, whole.request).await.unwrap_or_else(IntoResponse::into_response)
        }
        Ok(None) => Refusal::internal("a request came through no listener").into_response(),
        Err(response) => response,
    }
}

/// The answer to one message.
///
/// # Errors
/// 415 for what is no protobuf; 503 when the store is busy.
async fn heard(
    state: &AppState,
    agent: &AgentIdentity,
    request: Request,
) -> Result<Response, ProblemResponse> {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some(MEDIA_TYPE) {
        let detail = format!("the body is of type {media_type:?}, expected {MEDIA_TYPE}");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ProblemResponse::new(status, "media-type", "Not protobuf", detail));
    }
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|error| ProblemResponse::malformed(error.body_text()))?;
    let answer = match opamp::read(&body, agent) {
        Ok(message) => Conversation::default().heard(state, agent, message).await.map_err(Refusal::from)?,
        Err(malformed) => malformed.answer(agent),
    };
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], answer.encode_to_vec()).into_response())
}

async fn authenticated(state: &AppState, headers: &HeaderMap) -> Result<AgentIdentity, ProblemResponse> {
    let bearer = bearer(headers).ok_or_else(Refusal::unauthenticated)?;
    enroll::authenticate(state, bearer).await.map_err(|error| match error {
        EnrollError::Unknown => unknown(headers),
        error => turned_away(error),
    })
}

/// The only answer on which an agent may give up its credential: it brings the agent's own nonce back, so that it cannot
/// be anybody else's, or an old one.
fn unknown(headers: &HeaderMap) -> ProblemResponse {
    let detail = EnrollError::Unknown.to_string();
    let problem =
        ProblemResponse::new(StatusCode::UNAUTHORIZED, KIND, "Not an agent of this control plane", detail);
    let nonce = headers.get(NONCE).filter(|nonce| nonce.len() <= MAX_NONCE).cloned();
    ProblemResponse { nonce, ..problem }
}

async fn converse(state: AppState, agent: AgentIdentity, mut socket: WebSocket) {
    let session = state.hub.connected(agent.tenant_id, agent.uid);
    tracing::info!(agent = %agent.uid, "an agent is connected");
    let ended = talk(&state, &agent, &mut socket, &session).await;
    if let Some(frame) = ended {
        let _it_may_be_gone = socket.send(Message::Close(Some(frame))).await;
    }
    if state.hub.disconnected(agent.tenant_id, agent.uid, &session)
        && let Err(error) = agents::disconnected(&state, &agent).await
    {
        tracing::warn!(%error, "cannot note that an agent has left");
    }
    tracing::info!(agent = %agent.uid, "an agent has left");
}

/// Until it ends; what to close it with, if the other side is still there.
async fn talk(
    state: &AppState,
    agent: &AgentIdentity,
    socket: &mut WebSocket,
    session: &crate::hub::Session,
) -> Option<CloseFrame> {
    let mut conversation = Conversation::default();
    let mut heard = Instant::now();
    loop {
        let answer = tokio::select! {
            message = socket.recv() => {
                heard = Instant::now();
                match message? {
                    Ok(Message::Binary(frame)) => answer(state, agent, &mut conversation, &frame).await,
                    Ok(Message::Close(_)) => return None,
                    Ok(Message::Text(_)) => return Some(close(close_code::UNSUPPORTED, "binary messages only")),
                    Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                    Err(error) => return too_large(&error),
                }
            }
            () = session.offer.notified() => match conversation.unasked(state, agent).await {
                Ok(Some(offer)) => Ok(offer),
                Ok(None) => continue,
                Err(error) => Err(error),
            },
            () = session.superseded.notified() => return Some(close(close_code::POLICY, "connected elsewhere")),
            () = session.dismissed.notified() => return Some(close(close_code::POLICY, "enrolled no more")),
            () = state.stopped() => return Some(close(close_code::RESTART, "restarting")),
            () = tokio::time::sleep_until(heard + SILENCE) => return Some(close(close_code::AWAY, "nothing heard")),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "an agent's message could not be taken in");
                return Some(close(close_code::AGAIN, "try again"));
            }
        };
        if socket.send(Message::binary(frame(&answer))).await.is_err() {
            return None;
        }
    }
}

async fn answer(
    state: &AppState,
    agent: &AgentIdentity,
    conversation: &mut Conversation,
    frame: &[u8],
) -> Result<ServerToAgent, StoreError> {
    let message = match frame.strip_prefix(&[0]) {
        Some(message) => opamp::read(message, agent),
        None => Err(opamp::Malformed::Encoding("it does not begin with the header 0".into())),
    };
    match message {
        Ok(message) => conversation.heard(state, agent, message).await,
        Err(malformed) => Ok(malformed.answer(agent)),
    }
}

/// A header that is always 0, then the protobuf.
fn frame(message: &ServerToAgent) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(message.encode_to_vec());
    frame
}

fn close(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

/// A message past the bound is told by 1009; whatever else broke, the other side is gone.
fn too_large(error: &axum::Error) -> Option<CloseFrame> {
    let words = error.to_string().to_lowercase();
    (words.contains("too long") || words.contains("too large") || words.contains("too big"))
        .then(|| close(close_code::SIZE, "the message is too large"))
}
