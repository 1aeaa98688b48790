//! Who comes: an agent by its own credential, or a visitor by a token. It is known before a message is read.

use std::sync::Arc;
use std::time::Duration;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use proto::opamp::{AgentToServer, AgentToServerFlags};
use proto::unknown::{KIND, MAX_NONCE, NONCE};

use super::enroll::turned_away;
use super::opamp::host_and_version;
use crate::actions::enroll::{self, AgentIdentity, EnrollError};
use crate::actions::join::{self, Another, Arrival, Pass};
use crate::http::{ProblemResponse, bearer};
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::StoreError;

/// Time in which an agent that is there gives a sign of life.
const SIGN: Duration = Duration::from_secs(2);
/// Time after a sign of life in which an agent is there, although it gives no other.
const JUST_NOW: Duration = Duration::from_secs(10);

/// Somebody who comes.
#[derive(Debug)]
pub enum Comer {
    /// An agent, by its credential.
    Agent(AgentIdentity),
    /// An agent that has none of its own yet.
    Visitor(Visitor),
}

/// Agent that comes by a token.
#[derive(Debug)]
pub struct Visitor {
    /// What lets it in.
    pub pass: Pass,
    bearer: String,
}

impl Visitor {
    /// Tells whether its token is good still. A store that fails says nothing of it.
    pub async fn may_stay(&self, state: &AppState) -> bool {
        let pass = join::pass(state, &self.bearer).await;
        !matches!(
            pass,
            Err(EnrollError::Refused | EnrollError::Key(Refusal::Unauthenticated(_) | Refusal::Forbidden(_)))
        )
    }
}

/// Somebody, by what they bring.
///
/// # Errors
/// 401 for what nobody has; 403 for an API key that lets no agent in; 409 for an agent whose place was taken.
pub async fn comer(state: &AppState, headers: &HeaderMap) -> Result<Comer, ProblemResponse> {
    let bearer = bearer(headers).ok_or_else(Refusal::unauthenticated)?;
    if join::is_pass(bearer) {
        let pass = join::pass(state, bearer).await.map_err(turned_away)?;
        return Ok(Comer::Visitor(Visitor { pass, bearer: bearer.to_owned() }));
    }
    let agent = enroll::authenticate(state, bearer).await.map_err(|error| match error {
        EnrollError::Unknown => unknown(headers),
        error => turned_away(error),
    })?;
    Ok(Comer::Agent(agent))
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

/// Lets a visitor in by its first message. One whose name is another's, who is there, gets another name.
///
/// # Errors
/// [`EnrollError`].
pub async fn arrive(
    state: &AppState,
    pass: &Pass,
    (uid, message): (AgentUid, &AgentToServer),
) -> Result<AgentIdentity, EnrollError> {
    let another = if asks_for_a_name(message) {
        Some(Another::Asked)
    } else {
        is_taken(state, pass, uid).await?.then_some(Another::Taken)
    };
    let (host, version) = host_and_version(message);
    join::join(state, pass, &Arrival { uid, another, host, version }).await
}

/// Tells whether an agent asks for another name for itself.
pub fn asks_for_a_name(message: &AgentToServer) -> bool {
    message.flags & AgentToServerFlags::RequestInstanceUid as u64 != 0
}

/// Tells whether the agent of this name is another one: it has a credential of its own, or it is there. It is there if it gives a
/// sign of life when it is asked, or gave one just now and its connection has not ended. Otherwise it is the same one, which has
/// come back before its connection was seen to be gone.
async fn is_taken(state: &AppState, pass: &Pass, uid: AgentUid) -> Result<bool, StoreError> {
    let tenant = pass.tenant_id;
    let Some(holder) = join::holder(state, tenant, uid).await? else { return Ok(false) };
    if holder.own_credential {
        return Ok(true);
    }
    let Some(session) = state.hub.session(tenant, holder.uid) else { return Ok(false) };
    let now = state.clock.now();
    if session.answers(SIGN).await {
        return Ok(true);
    }
    let just_now = session.alive.borrow().is_some_and(|last| last.plus(JUST_NOW) > now);
    let is_open = state.hub.session(tenant, holder.uid).is_some_and(|open| Arc::ptr_eq(&open, &session));
    Ok(just_now && is_open)
}

/// URL of the control plane, as an agent reached it. Nothing unless it came to our own port, without TLS: an agent that takes new
/// settings forgets whom it trusted, and what a proxy before us speaks, we do not know.
pub fn url(headers: &HeaderMap, uri: &Uri, scheme: &str, own_port: Option<u16>) -> Option<String> {
    let forwarded = ["x-forwarded-proto", "forwarded"].iter().any(|name| headers.contains_key(*name));
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let host = named.or_else(|| uri.authority().cloned()).filter(|host| !host.as_str().contains('@'))?;
    let is_ours = !forwarded && own_port.is_some() && host.port_u16().unwrap_or(80) == own_port?;
    is_ours.then(|| format!("{scheme}://{host}{}", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_known_only_where_nobody_stands_between() {
        let uri: Uri = "/v1/opamp".parse().unwrap();
        let of = |headers: &[(&'static str, &str)], port| {
            let headers = headers
                .iter()
                .map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()));
            url(&headers.collect(), &uri, "ws", port)
        };
        assert_eq!(of(&[("host", "cp:4320")], Some(4320)).as_deref(), Some("ws://cp:4320/v1/opamp"));
        assert_eq!(of(&[("host", "[::1]:4320")], Some(4320)).as_deref(), Some("ws://[::1]:4320/v1/opamp"));
        for (headers, port) in [
            (&[("host", "cp:4320")][..], None),
            (&[("host", "cp")], Some(4320)),
            (&[("host", "cp:443")], Some(4320)),
            (&[("host", "cp:4320"), ("x-forwarded-proto", "https")], Some(4320)),
            (&[("host", "cp:4320"), ("forwarded", "proto=https")], Some(4320)),
            (&[("host", "me@cp:4320")], Some(4320)),
            (&[("host", "no host")], Some(4320)),
            (&[], Some(4320)),
        ] {
            assert_eq!(of(headers, port), None, "{headers:?}");
        }
    }
}
