//! The OpAMP session: a WebSocket that heals itself.
//!
//! The first message on a connection says everything, later ones what has changed. An offer is answered APPLYING at
//! once and APPLIED or FAILED when it is known; while one is being applied the next one waits.
//!
//! Each attempt tries the kept credentials in turn. An answer that turns the agent away changes nothing but the wait.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use prost::Message as _;
use proto::generation::{MAX_BODY, config_hash};
use proto::opamp::{
    AgentRemoteConfig, RemoteConfigStatus, RemoteConfigStatuses, ServerErrorResponseType, ServerToAgent,
    ServerToAgentFlags, server_error_response::Details,
};
use proto::preview::{PreviewAnswer, PreviewRequest, Previewed, Stretch, stopped};
use proto::{node_conflict, quarantine};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::credential::Proof;
use super::enroll::{EnrollError, enroll};
use super::keyring::Keyring;
use super::message::{self, Offered, State, StateEncoder};
use super::unknown::is_unknown;
use super::{Fleet, Offer, Outcome, PreviewAsked, RETRY, Request, pause};
use crate::net::{Backoff, Connector, Stream};
use crate::telemetry::{CONNECTED, Phase};

const HEARTBEAT: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// Time without a message after which the connection is dead.
const SILENCE: Duration = Duration::from_secs(75);
/// The most bytes of a message: a body and its wrapping.
const MAX_MESSAGE: usize = MAX_BODY + (64 << 10);

/// The most characters of a reason that are shown.
const LONGEST_REASON: usize = 600;

/// A problem document.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Reason for which there is no session, or no more.
#[derive(Debug, Error)]
enum SessionEnd {
    #[error("{0}")]
    NotEnrolled(#[from] EnrollError),
    #[error(
        "turned away with {0}, without the control plane's proof that it does not know this agent; the credential is \
         kept. Look for a proxy on the way, or for another control plane at this address"
    )]
    TurnedAway(StatusCode),
    #[error("{0}")]
    NodeConflict(String),
    #[error("the control plane does not know this agent's credential")]
    Unknown,
    #[error("the agent stops")]
    Stopping,
    #[error("the server asks to come back later")]
    Busy(Option<Duration>),
    #[error("nothing was heard for {SILENCE:?}")]
    Silence,
    #[error("{0}")]
    Broken(String),
}

impl From<WsError> for SessionEnd {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Http(answer) if !answer.status().is_server_error() => {
                node_conflict(&answer).unwrap_or(Self::TurnedAway(answer.status()))
            }
            error => Self::Broken(error.to_string()),
        }
    }
}

/// Words of an answer that another agent of the same node is in this one's place, if they are that.
fn node_conflict(answer: &http::Response<Option<Vec<u8>>>) -> Option<SessionEnd> {
    let problem: Problem = serde_json::from_slice(answer.body().as_deref()?).ok()?;
    let is_one = answer.status() == StatusCode::CONFLICT && problem.kind == node_conflict::PROBLEM;
    is_one.then(|| SessionEnd::NodeConflict(problem.detail.chars().take(LONGEST_REASON).collect()))
}

/// Keeps a session open; returns when the agent stops.
pub async fn keep(fleet: Arc<Fleet>, let_in: watch::Sender<Option<Proof>>) {
    let mut backoff = Backoff::new(RETRY);
    let mut keyring = Keyring::open(&fleet.data_dir);
    // What became of the last offer outlives a connection: a server that did not hear it hears it again.
    let refused = fleet.refused.clone().map(|(hash, why)| (hex::decode(hash).unwrap_or_default(), why));
    let mut last = refused.map(|(hash, why)| message::status(hash, RemoteConfigStatuses::Failed, Some(why)));
    let mut told = None;
    loop {
        let ended = match open(&fleet, &mut keyring).await {
            Ok((socket, proof)) => {
                backoff = Backoff::new(RETRY);
                told = None;
                let_in.send_replace(Some(proof));
                Session::new(&fleet, socket, &mut last).run().await
            }
            Err(ended) => ended,
        };
        tell_once(&fleet, &ended, &mut told);
        match ended {
            SessionEnd::Stopping => return std::future::pending().await,
            SessionEnd::Busy(asked) => pause(&mut backoff, asked).await,
            _ => pause(&mut backoff, None).await,
        }
    }
}

/// Says why there is no session: in the health always, in the log when it is another reason than before.
fn tell_once(fleet: &Fleet, ended: &SessionEnd, told: &mut Option<String>) {
    let reason = ended.to_string();
    if matches!(ended, SessionEnd::TurnedAway(_)) {
        fleet.turned_away.inc();
    }
    if told.as_ref() != Some(&reason) {
        tracing::warn!(reason, "not connected to the control plane");
        *told = Some(reason.clone());
    }
    fleet.health.update(|condition| condition.control_plane = Some(reason));
}

/// A connection under the first of the kept credentials that is let in; under a new one, or a certificate, if the control plane
/// proves that it knows none of them.
async fn open(fleet: &Fleet, keyring: &mut Keyring) -> Result<(Socket, Proof), SessionEnd> {
    let mut turned_away = None;
    for credential in keyring.kept() {
        let proof = Proof::Credential(credential.clone());
        match connect(fleet, &proof).await {
            Ok(socket) => {
                keyring.let_in(&credential);
                return Ok((socket, proof));
            }
            Err(SessionEnd::Unknown) => {}
            Err(SessionEnd::TurnedAway(status)) if status == StatusCode::UNAUTHORIZED => {
                turned_away = Some(SessionEnd::TurnedAway(status));
            }
            Err(ended) => return Err(ended),
        }
    }
    if let Some(turned_away) = turned_away {
        return Err(turned_away);
    }
    let proof = enroll(fleet).await?;
    if let Proof::Credential(credential) = &proof {
        keyring.add(credential.clone()).map_err(EnrollError::Disk)?;
        tracing::info!(uid = fleet.identity.uid, "enrolled with the control plane");
    }
    let socket = connect(fleet, &proof).await?;
    if let Proof::Credential(credential) = &proof {
        keyring.let_in(credential);
    }
    Ok((socket, proof))
}

async fn connect(fleet: &Fleet, proof: &Proof) -> Result<Socket, SessionEnd> {
    match (upgrade(fleet, proof).await, proof) {
        (Err(SessionEnd::TurnedAway(StatusCode::UNAUTHORIZED)), Proof::Credential(credential))
            if is_unknown(fleet, credential).await =>
        {
            Err(SessionEnd::Unknown)
        }
        (answer, _) => answer,
    }
}

async fn upgrade(fleet: &Fleet, proof: &Proof) -> Result<Socket, SessionEnd> {
    let broken = |error: &dyn std::fmt::Display| SessionEnd::Broken(error.to_string());
    let control_plane = &fleet.control_plane;
    let connector = Connector::new(control_plane.endpoint.clone(), "http/1.1").map_err(|e| broken(&e))?;
    let url = format!("ws://{}{}", connector.authority(), control_plane.path);
    let mut request = url.into_client_request()?;
    proof.put(request.headers_mut()).map_err(|error| broken(&error))?;
    let limits =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let opening = async {
        let stream = connector.connect().await.map_err(|error| broken(&error))?;
        Ok(client_async_with_config(request, stream, Some(limits)).await?.0)
    };
    tokio::time::timeout(CONNECT, opening)
        .await
        .map_err(|_| SessionEnd::Broken("no answer in time".into()))?
}

struct Session<'a> {
    fleet: &'a Fleet,
    socket: Socket,
    encoder: StateEncoder,
    /// Outcome of the last offer.
    last: &'a mut Option<RemoteConfigStatus>,
    /// The offer being applied: its hash, and where the outcome will come.
    applying: Option<(Vec<u8>, oneshot::Receiver<Outcome>)>,
    /// The preview that was asked for: its id, and where the answer will come. It stops once nobody waits there.
    previewing: Option<(String, oneshot::Receiver<PreviewAnswer>)>,
}

impl<'a> Session<'a> {
    fn new(fleet: &'a Fleet, socket: Socket, last: &'a mut Option<RemoteConfigStatus>) -> Self {
        Self {
            fleet,
            socket,
            encoder: StateEncoder::new(&fleet.identity.uid),
            last,
            applying: None,
            previewing: None,
        }
    }

    async fn run(mut self) -> SessionEnd {
        tracing::info!("connected to the control plane");
        self.fleet.health.update(|condition| condition.control_plane = Some(CONNECTED.to_owned()));
        match self.converse().await {
            Ok(never) => match never {},
            Err(ended) => {
                if matches!(ended, SessionEnd::Stopping) {
                    let disconnect = self.encoder.disconnect();
                    let _it_is_over = self.socket.send(Message::binary(disconnect)).await;
                    let _it_is_over = self.socket.close(None).await;
                }
                ended
            }
        }
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        let mut in_force = self.fleet.in_force.clone();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.reset();
        let mut heard = tokio::time::Instant::now();
        loop {
            self.tell().await?;
            let idle = self.applying.is_none();
            let outcome = async {
                match &mut self.applying {
                    Some((_, outcome)) => outcome.await,
                    None => std::future::pending().await,
                }
            };
            let previewed = async {
                match &mut self.previewing {
                    Some((_, answer)) => answer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                answer = previewed => {
                    self.previewing = None;
                    // Without one the agent ends.
                    if let Ok(answer) = answer {
                        self.answer(&answer).await?;
                    }
                }
                outcome = outcome => {
                    let outcome = outcome.unwrap_or_else(|_| Err("the agent could not apply it".into()));
                    self.applied(outcome);
                }
                message = self.socket.next(), if idle => {
                    heard = tokio::time::Instant::now();
                    match message.ok_or_else(|| SessionEnd::Broken("the connection closed".into()))?? {
                        Message::Binary(frame) => self.hear(&frame).await?,
                        Message::Close(why) => return Err(SessionEnd::Broken(format!("closed: {why:?}"))),
                        Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Frame(_) => {}
                    }
                }
                _ = in_force.changed() => {}
                () = self.fleet.health.changed() => {}
                _ = heartbeat.tick() => {
                    let beat = self.encoder.heartbeat();
                    self.socket.send(Message::binary(beat)).await?;
                }
                () = tokio::time::sleep_until(heard + SILENCE) => return Err(SessionEnd::Silence),
            }
        }
    }

    /// Sends what has changed since the last message.
    async fn tell(&mut self) -> Result<(), SessionEnd> {
        let condition = self.fleet.health.condition();
        let in_force = self.fleet.in_force.borrow().clone();
        let state = State::of(&self.fleet.identity, &condition, &in_force, self.last.as_ref());
        if let Some(frame) = self.encoder.changes(&state) {
            self.socket.send(Message::binary(frame)).await?;
        }
        if condition.phase == Phase::Draining { Err(SessionEnd::Stopping) } else { Ok(()) }
    }

    async fn hear(&mut self, frame: &[u8]) -> Result<(), SessionEnd> {
        let message =
            frame.strip_prefix(&[0]).ok_or_else(|| SessionEnd::Broken("an unknown header".into()))?;
        let message =
            ServerToAgent::decode(message).map_err(|error| SessionEnd::Broken(error.to_string()))?;
        if let Some(error) = message.error_response {
            let asked = |Details::RetryInfo(retry)| Duration::from_nanos(retry.retry_after_nanoseconds);
            let retry = error.details.map(asked);
            return Err(match error.r#type() {
                ServerErrorResponseType::Unavailable => SessionEnd::Busy(retry),
                _ => SessionEnd::Broken(format!("the server objects: {}", error.error_message)),
            });
        }
        if message.flags & ServerToAgentFlags::ReportFullState as u64 != 0 {
            self.encoder.reset();
        }
        if let Some(ids) = message.custom_message.as_ref().and_then(quarantine::lifted)
            && self.fleet.requests.send(Request::Lift(ids)).await.is_err()
        {
            return Err(SessionEnd::Stopping);
        }
        if let Some(request) = message.custom_message.as_ref().and_then(PreviewRequest::of) {
            self.preview(request).await?;
        }
        if let Some(id) = message.custom_message.as_ref().and_then(stopped) {
            self.previewing.take_if(|(asked, _)| *asked == id);
        }
        match message.remote_config {
            Some(offer) => self.offered(offer).await,
            None => Ok(()),
        }
    }

    /// Has a preview run, one at a time.
    async fn preview(&mut self, request: PreviewRequest) -> Result<(), SessionEnd> {
        if self.previewing.is_some() {
            let why = "another preview runs on this agent; ask again in a few seconds".to_owned();
            let (id, stretch, previewed) = (request.id, Stretch::default(), Previewed::Busy(why));
            return self.answer(&PreviewAnswer { id, stretch, previewed }).await;
        }
        let (answer, previewing) = oneshot::channel();
        let id = request.id.clone();
        let asked = PreviewAsked { request, answer };
        if self.fleet.requests.send(Request::Preview(asked)).await.is_err() {
            return Err(SessionEnd::Stopping);
        }
        self.previewing = Some((id, previewing));
        Ok(())
    }

    async fn answer(&mut self, answer: &PreviewAnswer) -> Result<(), SessionEnd> {
        let frame = self.encoder.custom(answer.message());
        Ok(self.socket.send(Message::binary(frame)).await?)
    }

    async fn offered(&mut self, offer: AgentRemoteConfig) -> Result<(), SessionEnd> {
        let Offered { hash, body, compared_with } = match message::offered(offer) {
            Ok(offer) => offer,
            Err((hash, why)) => {
                self.refused(hash, why);
                return Ok(());
            }
        };
        let running = self.fleet.in_force.borrow().body.as_ref().map(|body| config_hash(body.as_bytes()));
        if running.is_some_and(|running| running.as_slice() == hash) {
            *self.last = Some(message::status(hash, RemoteConfigStatuses::Applied, None));
            return Ok(());
        }
        *self.last = Some(message::status(hash.clone(), RemoteConfigStatuses::Applying, None));
        self.tell().await?;
        let (answer, outcome) = oneshot::channel();
        let offer = Offer { body, compared_with, answer };
        if self.fleet.requests.send(Request::Offer(offer)).await.is_err() {
            return Err(SessionEnd::Stopping);
        }
        self.applying = Some((hash, outcome));
        Ok(())
    }

    fn applied(&mut self, outcome: Outcome) {
        let Some((hash, _)) = self.applying.take() else { return };
        match outcome {
            Ok(()) => *self.last = Some(message::status(hash, RemoteConfigStatuses::Applied, None)),
            Err(why) => self.refused(hash, why),
        }
    }

    fn refused(&mut self, hash: Vec<u8>, why: String) {
        tracing::error!(why, "what the control plane offers is not taken");
        *self.last = Some(message::status(hash, RemoteConfigStatuses::Failed, Some(why)));
    }
}
