//! Who comes: an agent by its own credential or its certificate, or a visitor by a token or a certificate. It is known before a
//! message is read.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use proto::INSTANCE_UID;
use proto::opamp::{AgentToServer, AgentToServerFlags};
use proto::unknown::{KIND, MAX_NONCE, NONCE};

use super::enroll::turned_away;
use super::opamp::host_and_version;
use crate::actions::enroll::{self, AgentIdentity, EnrollError};
use crate::actions::join::{self, Another, Arrival, Pass};
use crate::auth::Certificate;
use crate::clock::UnixMillis;
use crate::http::{ProblemResponse, Shown, bearer};
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::StoreError;

/// Somebody who comes.
#[derive(Debug)]
pub enum Comer {
    /// An agent, by its credential or its certificate.
    Agent(AgentIdentity, Stay),
    /// An agent that has none of its own yet.
    Visitor(Visitor),
}

/// Agent that comes without a credential of its own.
#[derive(Debug)]
pub struct Visitor {
    /// What lets it in.
    pub pass: Pass,
    /// Time for which that does.
    pub stay: Stay,
}

/// Time for which somebody may stay.
#[derive(Debug)]
pub enum Stay {
    /// As long as it is enrolled: it is dismissed otherwise.
    Enrolled,
    /// As long as this token is good.
    Token(String),
    /// Until its certificate ends.
    Until(UnixMillis),
}

impl Stay {
    /// Waits for the end of a certificate; for ever where there is none.
    pub async fn ends(&self, state: &AppState) {
        match self {
            Self::Until(end) => tokio::time::sleep(state.clock.now().until(*end)).await,
            Self::Enrolled | Self::Token(_) => std::future::pending().await,
        }
    }

    /// The reason for which it is over, if it is. A store that fails says nothing of it.
    pub async fn is_over(&self, state: &AppState) -> Option<&'static str> {
        match self {
            Self::Enrolled => None,
            Self::Until(end) => (*end <= state.clock.now()).then_some("the certificate has ended"),
            Self::Token(bearer) => match join::pass(state, bearer).await {
                Err(EnrollError::Refused)
                | Err(EnrollError::Key(Refusal::Unauthenticated(_) | Refusal::Forbidden(_))) => {
                    Some("the token is good no more")
                }
                _ => None,
            },
        }
    }
}

/// Somebody, by what they bring: a token, or else a certificate.
///
/// # Errors
/// 401 for what nobody has; 403 for an API key that lets no agent in; 409 for an agent whose place was taken.
pub async fn comer(
    state: &AppState,
    headers: &HeaderMap,
    shown: Option<&Shown>,
) -> Result<Comer, ProblemResponse> {
    let Some(bearer) = bearer(headers) else {
        let Shown(certificate) = shown.ok_or_else(Refusal::unauthenticated)?;
        let certificate = certificate.as_ref().map_err(|error| turned_away(error.clone().into()))?;
        return certified(state, headers, certificate).await.map_err(turned_away);
    };
    if join::is_pass(bearer) {
        let pass = join::pass(state, bearer).await.map_err(turned_away)?;
        return Ok(Comer::Visitor(Visitor { pass, stay: Stay::Token(bearer.to_owned()) }));
    }
    let agent = enroll::authenticate(state, bearer).await.map_err(|error| match error {
        EnrollError::Unknown => unknown(headers),
        error => turned_away(error),
    })?;
    Ok(Comer::Agent(agent, Stay::Enrolled))
}

/// Somebody by a certificate: the agent that enrolled by it, if it says its name before its first message; else a visitor.
async fn certified(
    state: &AppState,
    headers: &HeaderMap,
    certificate: &Certificate,
) -> Result<Comer, EnrollError> {
    let stay = Stay::Until(certificate.until);
    if let Some(uid) = instance_uid(headers) {
        match enroll::certified(state, certificate, uid).await {
            Ok(agent) => return Ok(Comer::Agent(agent, stay)),
            Err(EnrollError::Unknown) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Comer::Visitor(Visitor { pass: join::certified(state, certificate).await?, stay }))
}

/// Name that an agent says before its first message (OpAMP, "Plain HTTP Transport").
pub fn instance_uid(headers: &HeaderMap) -> Option<AgentUid> {
    let uid = headers.get(INSTANCE_UID)?.to_str().ok()?;
    uid.parse().ok().map(AgentUid)
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

/// Tells whether the agent of this name is another one: it has a credential of its own, or it is there, on this replica or another.
/// Otherwise it is the same one, which has come back before its connection was seen to be gone.
async fn is_taken(state: &AppState, pass: &Pass, uid: AgentUid) -> Result<bool, StoreError> {
    let tenant = pass.tenant_id;
    let Some(holder) = join::holder(state, tenant, uid).await? else { return Ok(false) };
    if holder.own_credential {
        return Ok(true);
    }
    if state.hub.is_connected(tenant, holder.uid) {
        return Ok(state.hub.is_there(tenant, holder.uid, state.clock.now()).await);
    }
    // The store has which replica heard it last; that one asks it.
    let is_anothers = holder.replica.is_some_and(|replica| replica != state.replica.id);
    Ok(is_anothers && state.hub.is_there_elsewhere(tenant, holder.uid).await)
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
