//! OpAMP over a WebSocket.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use prost::Message as _;
use proto::opamp::{AgentToServer, ServerToAgent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Fleet;
use super::comer::{Comer, Stay, Visitor, arrive, comer, url};
use super::opamp::{Malformed, Transport, framed};
use super::talk::{Read, Talk, failed};
use crate::actions::agents;
use crate::actions::enroll::EnrollError;
use crate::http::{ProblemResponse, Shown};
use crate::hub::Session;
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The most bytes of a message; an agent's largest, an effective config, is far below.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Bytes that are read at once. Each connection has a buffer of so many, whatever it says; what is longer takes more of them.
const BUFFER: usize = 2 << 10;
/// The most agents that are there at once.
pub const MAX_SESSIONS: usize = 20_000;
/// Nothing heard for this long: the agent is gone.
pub const SILENCE: Duration = Duration::from_secs(100);
/// Nothing heard for this long: it is asked for a sign of life. Many send no heartbeats.
const QUIET: Duration = Duration::from_secs(40);
/// Time for which a visitor may be silent before its first message.
const FIRST: Duration = Duration::from_secs(15);
/// Time for the other side to end a connection.
const GOODBYE: Duration = Duration::from_secs(5);
/// Time between two looks at whether somebody may stay, where nothing wakes it.
const PERIOD: Duration = Duration::from_secs(60);

/// `GET /v1/opamp`: a WebSocket, for an agent with a credential or a certificate, or a visitor.
///
/// # Errors
/// 401 before the upgrade; what is wrong with a request that is no upgrade; 503 when there are too many.
pub async fn upgrade(
    State(fleet): State<Fleet>,
    headers: HeaderMap,
    shown: Option<Extension<Shown>>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ProblemResponse> {
    let comer = comer(&fleet.state, &headers, shown.as_ref().map(|Extension(shown)| shown)).await?;
    let upgrade = upgrade.map_err(|wrong| {
        let (status, said) = (wrong.status(), wrong.body_text());
        ProblemResponse::new(status, "no-upgrade", "Not a WebSocket", said)
    })?;
    if fleet.state.hub.count() >= MAX_SESSIONS {
        return Err(Refusal::unavailable("too many agents are connected").into());
    }
    let place = match &comer {
        Comer::Agent(..) => None,
        Comer::Visitor(_) => Some(fleet.arriving().map_err(ProblemResponse::from)?),
    };
    let url = url(&headers, &uri, "ws", fleet.own_port);
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    let upgrade = upgrade.read_buffer_size(BUFFER).write_buffer_size(0);
    Ok(upgrade.on_upgrade(move |socket| converse(fleet.state, comer, (url, place), socket)))
}

/// End of a conversation.
enum End {
    /// The other side closes, or is gone.
    Theirs,
    /// We close, with this.
    Ours(CloseFrame),
}

async fn converse(
    state: AppState,
    comer: Comer,
    (url, place): (Option<String>, Option<OwnedSemaphorePermit>),
    mut socket: WebSocket,
) {
    let (mut talk, first, stay) = match comer {
        Comer::Agent(agent, stay) => {
            let came = agent.instance_uid;
            (Talk::new(agent, came, Transport::Socket, url), None, stay)
        }
        Comer::Visitor(visitor) => match Box::pin(introduced(&state, &visitor, url, &mut socket)).await {
            Ok((talk, first)) => (talk, Some(Ok(first)), visitor.stay),
            Err(end) => return close(&mut socket, end).await,
        },
    };
    drop(place);
    let (tenant, uid) = (talk.agent.tenant_id, talk.agent.uid);
    let session = state.hub.connected(tenant, uid);
    tracing::info!(agent = %uid, "an agent is connected");
    let end = match Box::pin(greeted(&state, &mut talk, first, &mut socket)).await {
        Ok(left) => hear_out(&state, &mut talk, &stay, (&mut socket, left), &session).await,
        Err(end) => end,
    };
    if state.hub.disconnected(tenant, uid, &session)
        && let Err(error) = Box::pin(agents::disconnected(&state, &talk.agent)).await
    {
        tracing::warn!(%error, "cannot note that an agent has left");
    }
    tracing::info!(agent = %uid, "an agent has left");
    close(&mut socket, end).await;
}

/// Closes a connection, and waits for the other side to do so, too.
async fn close(socket: &mut WebSocket, end: End) {
    if let End::Ours(frame) = end {
        let _it_may_be_gone = socket.send(Message::Close(Some(frame))).await;
    }
    let the_rest = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _it_may_never = tokio::time::timeout(GOODBYE, the_rest).await;
}

/// A visitor's first message that says who it is.
async fn introduced(
    state: &AppState,
    visitor: &Visitor,
    url: Option<String>,
    socket: &mut WebSocket,
) -> Result<(Talk, (AgentUid, AgentToServer)), End> {
    let due = Instant::now() + FIRST;
    loop {
        let read = match tokio::time::timeout_at(due, socket.recv()).await {
            Ok(message) => match frame_of(message)? {
                Some(read) => read,
                None => continue,
            },
            Err(_) => return Err(ours(close_code::POLICY, "nothing was said")),
        };
        let (uid, message) = match read {
            Ok(read) => read,
            Err(malformed) => {
                send(socket, &malformed.answer(&state.metrics, None)).await?;
                continue;
            }
        };
        match arrive(state, &visitor.pass, (uid, &message)).await {
            Ok(agent) => return Ok((Talk::new(agent, uid, Transport::Socket, url), (uid, message))),
            Err(EnrollError::Store(error)) => send(socket, &failed(uid, &error)).await?,
            Err(error) => {
                let refused = Malformed::NotLetIn(error.to_string(), uid);
                send(socket, &refused.answer(&state.metrics, None)).await?;
                return Err(ours(close_code::POLICY, "not let in"));
            }
        }
    }
}

/// Answers the message by which a visitor was let in; tells whether it leaves with that.
async fn greeted(
    state: &AppState,
    talk: &mut Talk,
    first: Option<Read>,
    socket: &mut WebSocket,
) -> Result<bool, End> {
    let Some(first) = first else { return Ok(false) };
    let leaves = is_goodbye(&first);
    send(socket, &talk.hear(state, first).await).await?;
    Ok(leaves)
}

/// Until it ends. What takes in a message is on the heap for as long as that takes, so that a connection at rest holds none of it.
async fn hear_out(
    state: &AppState,
    talk: &mut Talk,
    stay: &Stay,
    (socket, mut leaves): (&mut WebSocket, bool),
    session: &Session,
) -> End {
    let (mut heard, mut asked) = (Instant::now(), false);
    session.alive.send_replace(Some(state.clock.now()));
    let mut departures = state.hub.departures.subscribe();
    let mut looked = Instant::now();
    loop {
        let due = match (leaves, asked) {
            (true, _) => heard + GOODBYE,
            (false, true) => heard + SILENCE,
            (false, false) => heard + QUIET,
        };
        let answer = tokio::select! {
            message = socket.recv() => {
                (heard, asked) = (Instant::now(), false);
                session.alive.send_replace(Some(state.clock.now()));
                match frame_of(message) {
                    Ok(Some(read)) => {
                        leaves |= is_goodbye(&read);
                        Box::pin(talk.hear(state, read)).await
                    }
                    Ok(None) => continue,
                    Err(end) => return end,
                }
            }
            () = session.offer.notified() => match Box::pin(talk.conversation.unasked(state, &talk.agent, session.take_offer())).await {
                Ok(Some(offer)) => offer,
                Ok(None) => continue,
                Err(error) => failed(talk.agent.instance_uid, &error),
            },
            () = session.preview.notified() => match Box::pin(talk.conversation.preview(state, &talk.agent)).await {
                Ok(Some(question)) => question,
                Ok(None) => continue,
                Err(error) => failed(talk.agent.instance_uid, &error),
            },
            () = session.probe.notified() => {
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return End::Theirs;
                }
                continue;
            }
            changed = departures.changed(), if matches!(stay, Stay::Token(_)) => {
                if changed.is_ok() && let Some(why) = Box::pin(stay.is_over(state)).await {
                    return ours(close_code::POLICY, why);
                }
                continue;
            }
            () = stay.ends(state) => return ours(close_code::POLICY, "the certificate has ended"),
            () = session.superseded.notified() => return ours(close_code::POLICY, "connected elsewhere"),
            () = session.dismissed.notified() => return ours(close_code::POLICY, "enrolled no more"),
            () = state.stopped() => return ours(close_code::RESTART, "restarting"),
            () = tokio::time::sleep_until(due) => {
                if leaves {
                    return ours(close_code::NORMAL, "goodbye");
                }
                if asked || socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return ours(close_code::AWAY, "nothing heard");
                }
                asked = true;
                continue;
            }
        };
        if let Err(end) = send(socket, &answer).await {
            return end;
        }
        if looked.elapsed() >= PERIOD {
            looked = Instant::now();
            if let Some(why) = Box::pin(stay.is_over(state)).await {
                return ours(close_code::POLICY, why);
            }
        }
    }
}

fn is_goodbye(read: &Read) -> bool {
    read.as_ref().is_ok_and(|(_, message)| message.agent_disconnect.is_some())
}

/// What a WebSocket message has for us; nothing if it is one of the transport's own.
fn frame_of(message: Option<Result<Message, axum::Error>>) -> Result<Option<Read>, End> {
    match message {
        Some(Ok(Message::Binary(frame))) => Ok(Some(framed(&frame))),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Text(_))) => Err(ours(close_code::UNSUPPORTED, "binary messages only")),
        Some(Err(error)) => Err(broken(&error)),
        Some(Ok(Message::Close(_))) | None => Err(End::Theirs),
    }
}

/// A header that is always 0, then the protobuf.
async fn send(socket: &mut WebSocket, message: &ServerToAgent) -> Result<(), End> {
    let mut frame = vec![0];
    frame.extend(message.encode_to_vec());
    socket.send(Message::binary(frame)).await.map_err(|_| End::Theirs)
}

fn ours(code: u16, reason: &'static str) -> End {
    End::Ours(CloseFrame { code, reason: reason.into() })
}

/// A message past the bound is told by 1009, and one that is no WebSocket's by 1002 or 1007; else the other side is gone.
fn broken(error: &axum::Error) -> End {
    let words = error.to_string().to_lowercase();
    let says = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if says(&["too long", "too large", "too big"]) {
        ours(close_code::SIZE, "the message is too large")
    } else if says(&["utf-8", "utf8"]) {
        ours(close_code::INVALID, "a text is no UTF-8")
    } else if says(&["protocol error"]) && !says(&["reset without"]) {
        ours(close_code::PROTOCOL, "no WebSocket frame")
    } else {
        End::Theirs
    }
}
