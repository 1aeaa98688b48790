//! OpAMP over plain HTTP: one message and its answer a request.
//!
//! An agent that polls is there between two polls. What it was told and has said is remembered for as long, so that all is as it
//! is over a connection. Two agents of one name are told apart by their numbers: each goes on with its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prost::Message as _;
use proto::opamp::{AgentToServer, ServerToAgent};
use proto::unknown::MEDIA_TYPE;
use tokio::time::Instant;

use super::Fleet;
use super::comer::{Comer, arrive, asks_for_a_name, comer, url};
use super::gzip::{self, Inflating};
use super::opamp::{Malformed, Transport, host_and_version, message_of};
use super::socket::{MAX_MESSAGE, MAX_SESSIONS, SILENCE};
use super::talk::Talk;
use crate::actions::agents;
use crate::actions::enroll::{AgentIdentity, EnrollError};
use crate::actions::join::{self, Another, Arrival, Pass};
use crate::http::{ProblemResponse, collect};
use crate::hub::Session;
use crate::id::{AgentUid, TenantId};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Tenant, pass, and the name that came with it. An agent with a credential of its own has no pass, and its record's id.
type Key = (TenantId, Option<String>, AgentUid);

/// Agents that poll.
#[derive(Debug, Default)]
pub struct Polls {
    known: Mutex<HashMap<Key, Arc<Poller>>>,
}

/// An agent between its polls.
#[derive(Debug)]
struct Poller {
    record: (TenantId, AgentUid),
    talk: tokio::sync::Mutex<Talk>,
    session: Arc<Session>,
    heard: Mutex<Instant>,
    numbers: Mutex<Numbers>,
    /// The other agent of its name that was told apart last.
    other: Mutex<Option<Arc<Poller>>>,
}

/// Numbers of the messages that came under one name.
#[derive(Debug, Default)]
struct Numbers {
    last: Option<u64>,
    before: Option<u64>,
    /// Number of the last message of who came second.
    second: Option<u64>,
}

impl Numbers {
    /// Tells whether a message is of another agent than those before: both were seen to go on with numbers of their own.
    fn is_of_another(&mut self, number: u64) -> bool {
        let follows = |last: Option<u64>| last.and_then(|last| last.checked_add(1)) == Some(number);
        if self.last == Some(number) || follows(self.last) {
            self.last = Some(number);
            return false;
        }
        if follows(self.second) {
            self.second = None;
            return true;
        }
        if follows(self.before) {
            // The first one goes on; whoever came between is the second.
            self.second = self.last;
            self.before = None;
        } else {
            self.before = self.last;
        }
        self.last = Some(number);
        false
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `POST /v1/opamp`: one message and its answer. Nothing of it is read before its sender is known.
pub async fn poll(State(fleet): State<Fleet>, request: Request) -> Response {
    let comer = match comer(&fleet.state, request.headers(), request.extensions().get()).await {
        Ok(comer) => comer,
        Err(problem) => return problem.into_response(),
    };
    match collect(request).await {
        Ok(Some(whole)) => {
            answered(&fleet, comer, whole.request).await.unwrap_or_else(IntoResponse::into_response)
        }
        Ok(None) => Refusal::internal("a request came through no listener").into_response(),
        Err(response) => response,
    }
}

/// The answer to one message.
///
/// # Errors
/// 415 for what is no protobuf; 413 for what is too large once it is inflated; 503 when the store is busy.
async fn answered(fleet: &Fleet, comer: Comer, request: Request) -> Result<Response, ProblemResponse> {
    let headers = request.headers().clone();
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        let detail = format!("the body is of type {media_type:?}, expected {MEDIA_TYPE}");
        return Err(unsupported(detail));
    }
    let url = url(&headers, request.uri(), "http", fleet.own_port);
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|error| ProblemResponse::malformed(error.body_text()))?;
    let read = match gzip::inflated(&headers, &body, MAX_MESSAGE) {
        Ok(body) => message_of(&body),
        Err(Inflating::Broken(error)) => Err(Malformed::Encoding(format!("it is no gzip: {error}"))),
        Err(error @ Inflating::Unknown(_)) => return Err(unsupported(error.to_string())),
        Err(error @ Inflating::TooLarge(_)) => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(ProblemResponse::new(status, "too-large", "Too large", error.to_string()));
        }
    };
    let answer = match read {
        Ok((uid, message)) => heard(fleet, comer, url, uid, message).await?,
        Err(malformed) => {
            let known = match &comer {
                Comer::Agent(agent, _) => Some(agent.instance_uid),
                Comer::Visitor(_) => None,
            };
            malformed.answer(&fleet.state.metrics, known)
        }
    };
    let body = answer.encode_to_vec();
    let mut response = if gzip::is_accepted(&headers) {
        let body = gzip::deflated(&body).map_err(Refusal::internal)?;
        ([(header::CONTENT_ENCODING, "gzip")], body).into_response()
    } else {
        body.into_response()
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

fn unsupported(detail: String) -> ProblemResponse {
    ProblemResponse::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not protobuf", detail)
}

async fn heard(
    fleet: &Fleet,
    comer: Comer,
    url: Option<String>,
    uid: AgentUid,
    message: AgentToServer,
) -> Result<ServerToAgent, ProblemResponse> {
    let state = &fleet.state;
    let poller = match comer {
        Comer::Agent(agent, _) => {
            let key = (agent.tenant_id, None, agent.uid);
            match fleet.polls.of(&key) {
                Some(poller) => poller,
                None => {
                    let came = agent.instance_uid;
                    begin(fleet, agent, came, url, [Some(key), None])?
                }
            }
        }
        Comer::Visitor(visitor) => match visiting(fleet, &visitor.pass, url, (uid, &message)).await? {
            Ok(poller) => poller,
            Err(refused) => return Ok(refused.answer(&state.metrics, None)),
        },
    };
    *lock(&poller.heard) = Instant::now();
    let leaves = message.agent_disconnect.is_some();
    let mut talk = poller.talk.lock().await;
    let answer = talk.hear(state, Ok((uid, message))).await;
    if answer.error_response.as_ref().is_some_and(|error| error.details.is_some()) {
        return Err(Refusal::unavailable("the message could not be taken in; try again later").into());
    }
    if leaves {
        // It need not be waited for.
        poller.session.superseded.notify_one();
    }
    Ok(answer)
}

/// A visitor between its polls, as it is known or as it is let in now.
async fn visiting(
    fleet: &Fleet,
    pass: &Pass,
    url: Option<String>,
    (uid, message): (AgentUid, &AgentToServer),
) -> Result<Result<Arc<Poller>, Malformed>, ProblemResponse> {
    let key = |uid| (pass.tenant_id, Some(pass.id.clone()), uid);
    // A name that is none was made up by many.
    let first = fleet.polls.of(&key(uid)).filter(|_| !asks_for_a_name(message));
    let numbered = message.sequence_num != 0 || message.capabilities != 0;
    if let Some(first) = &first {
        if !(numbered && lock(&first.numbers).is_of_another(message.sequence_num)) {
            return Ok(Ok(Arc::clone(first)));
        }
        let other = lock(&first.other).clone();
        if let Some(other) = other.filter(|other| fleet.polls.has(other))
            && !other.talk.lock().await.at_home
        {
            // It was told its name, and has not taken it yet.
            return Ok(Ok(other));
        }
    }
    let let_in = match &first {
        None => arrive(&fleet.state, pass, (uid, message)).await,
        Some(_) => {
            let (host, version) = host_and_version(message);
            let arrival = Arrival { uid, another: Some(Another::Taken), host, version };
            join::join(&fleet.state, pass, &arrival).await
        }
    };
    let agent = match let_in {
        Ok(agent) => agent,
        Err(EnrollError::Store(error)) => return Err(Refusal::from(error).into()),
        Err(error) => return Ok(Err(Malformed::NotLetIn(error.to_string(), uid))),
    };
    let own = agent.instance_uid;
    // Who came first keeps the name that both came with.
    let came = (first.is_none() && own != uid && !asks_for_a_name(message)).then(|| key(uid));
    let poller = begin(fleet, agent, uid, url, [Some(key(own)), came])?;
    lock(&poller.numbers).last = numbered.then_some(message.sequence_num);
    if let Some(first) = first {
        *lock(&first.other) = Some(Arc::clone(&poller));
    }
    Ok(Ok(poller))
}

/// An agent that polls for the first time, or again after it was gone.
fn begin(
    fleet: &Fleet,
    agent: AgentIdentity,
    came: AgentUid,
    url: Option<String>,
    keys: [Option<Key>; 2],
) -> Result<Arc<Poller>, Refusal> {
    let state = fleet.state.clone();
    if state.hub.count() >= MAX_SESSIONS {
        return Err(Refusal::unavailable("too many agents are connected"));
    }
    let record = (agent.tenant_id, agent.uid);
    let poller = Arc::new(Poller {
        record,
        session: state.hub.connected(record.0, record.1),
        talk: tokio::sync::Mutex::new(Talk::new(agent.clone(), came, Transport::Polls, url)),
        heard: Mutex::new(Instant::now()),
        numbers: Mutex::default(),
        other: Mutex::default(),
    });
    lock(&fleet.polls.known).extend(keys.into_iter().flatten().map(|key| (key, Arc::clone(&poller))));
    tokio::spawn(stay(state, Arc::clone(&fleet.polls), agent, Arc::clone(&poller)));
    Ok(poller)
}

/// Until nothing was heard of it for too long, or it is elsewhere.
async fn stay(state: AppState, polls: Arc<Polls>, agent: AgentIdentity, poller: Arc<Poller>) {
    loop {
        let due = *lock(&poller.heard) + SILENCE;
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                if *lock(&poller.heard) + SILENCE <= Instant::now() {
                    break;
                }
            }
            () = poller.session.superseded.notified() => break,
            () = poller.session.dismissed.notified() => break,
            () = state.stopped() => break,
        }
    }
    lock(&polls.known).retain(|_, known| !Arc::ptr_eq(known, &poller));
    *lock(&poller.other) = None;
    let (tenant, uid) = poller.record;
    if state.hub.disconnected(tenant, uid, &poller.session)
        && let Err(error) = agents::disconnected(&state, &agent).await
    {
        tracing::warn!(%error, "cannot note that an agent has left");
    }
}

impl Polls {
    fn of(&self, key: &Key) -> Option<Arc<Poller>> {
        lock(&self.known).get(key).map(Arc::clone)
    }

    fn has(&self, poller: &Arc<Poller>) -> bool {
        lock(&self.known).values().any(|known| Arc::ptr_eq(known, poller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_another(numbers: &[u64]) -> Vec<bool> {
        let mut seen = Numbers::default();
        numbers.iter().map(|number| seen.is_of_another(*number)).collect()
    }

    #[test]
    fn two_that_go_on_by_turns_are_two_and_the_second_is_told_apart() {
        assert_eq!(of_another(&[5, 0, 6, 1, 7]), [false, false, false, true, false]);
    }

    #[test]
    fn one_that_starts_anew_repeats_or_skips_is_one() {
        for numbers in [&[5, 0, 1, 2][..], &[0, 1, 1, 2], &[0, 1, 7, 8, 20, 21], &[3, 0, 0, 1, 0, 1]] {
            assert!(!of_another(numbers).contains(&true), "{numbers:?}");
        }
    }
}
