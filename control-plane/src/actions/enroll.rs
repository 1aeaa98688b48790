//! Enrollment of an agent, and the way in which it is known again.
//!
//! An enrollment token names a tenant and labels; it yields a credential bound to the uid that asked. A reply may be
//! lost, so the same token may ask again for the same uid, without a use being counted, **until the credential has been
//! presented once**: from then on the agent has it, and a second enrollment of that uid is refused while the agent is there,
//! whatever token comes with it. So nobody who holds a token (a whole DaemonSet shares one) takes over an agent that is at
//! work. One that lost its credential alone takes its own record over, as another agent of its node would: with the token that
//! let it in, and once nothing was heard of it for a while. One that lost its data directory has lost its uid as well and comes
//! in as a new one, in the place of the one before if that was on the same node (`nodes`). Else an operator who wants a uid
//! back deletes the agent first.
//!
//! A client certificate lets in without a token and is the credential: the agent enrolls by it at each coming, and its record
//! belongs to the certificate's name.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use thiserror::Error;

use super::nodes::{self, Claim};
use crate::audit::{self, By};
use crate::auth::secret::{self, Presented, Purpose};
use crate::auth::{Certificate, NotAnAgents};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::labels::{Attributes, LabelError, Labels};
use crate::node::{Node, NodeTimes};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::agents::{self, Agent, Credential};
use crate::store::enrollment_tokens::{self, EnrollmentToken};
use crate::store::{self, Across, Reader, StoreError, Tx, tenants};

/// Agent that wants to enroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// Its own name for itself.
    pub uid: AgentUid,
    /// Labels of its file; the token's labels beat these.
    pub labels: Labels,
    /// Name of its host.
    pub host: String,
    /// Its version.
    pub version: String,
    /// Identity of its node.
    pub node: Option<Node>,
}

/// A node that has an agent already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTaken {
    /// The node.
    pub node: String,
    /// The record that stands for it.
    pub agent: AgentUid,
    /// Time without a word of that one, after which this one takes its place.
    pub take_over: Duration,
    /// Time after which this one joins as a node of its own.
    pub joins_in: Duration,
}

impl fmt::Display for NodeTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, agent, take_over, joins_in } = self;
        let (take_over, joins_in) = (seconds(*take_over), seconds(*joins_in));
        write!(
            f,
            "node {node} has another agent, {agent}, which is connected or was only just heard of. If that one is being \
             replaced, stop it: this one comes in {take_over} after the last word of it at the earliest. If both are to run, \
             give each a host.id of its own in OTEL_RESOURCE_ATTRIBUTES; else this one joins as a node of its own in \
             {joins_in}"
        )
    }
}

/// Whole seconds, and one at least, as people write them.
fn seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs().max(1)))
}

/// Identity of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentIdentity {
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Id of its record.
    pub uid: AgentUid,
    /// Its name for itself, as OpAMP carries it.
    pub instance_uid: AgentUid,
    /// Labels that selectors choose it by.
    pub labels: Labels,
    /// Name of its host.
    pub host: String,
    /// False while it has none but the token that it came by over OpAMP: it is heard, and offered nothing to run.
    pub own_credential: bool,
}

impl AgentIdentity {
    /// Identity of the agent of a record.
    pub(super) fn of(tenant_id: TenantId, agent: Agent, own_credential: bool) -> Self {
        let (uid, instance_uid) = (agent.uid, agent.instance_uid);
        Self { tenant_id, uid, instance_uid, labels: agent.labels, host: agent.host, own_credential }
    }
}

/// Reason for which an agent stays outside.
#[derive(Debug, Error)]
pub enum EnrollError {
    /// Not a token, an unknown, a revoked or an expired one; which, is not told.
    #[error("a valid token is needed: `phoenix token create` makes one that lets agents in")]
    Refused,
    /// A credential of the right form that no agent here has.
    #[error("no agent here has this credential")]
    Unknown,
    /// A certificate that is no agent's.
    #[error(transparent)]
    Certificate(#[from] NotAnAgents),
    /// A certificate of no tenant here.
    #[error(
        "the client's certificate names the tenant {0:?} (O of its subject), and there is none of that name here"
    )]
    Tenant(String),
    /// The token has let in as many as it may.
    #[error(
        "this enrollment token has no uses left: it has let in as many agents as it may. Make another one with the same labels \
         (`phoenix token create`; with `--max-uses 5` it lets in five agents, with `--max-uses unlimited` any number)"
    )]
    UsedUp,
    /// Somebody else has that name.
    #[error("agent {0} is enrolled; to enroll it anew, delete it first")]
    Enrolled(AgentUid),
    /// The agent of that name was let in by the certificate of another.
    #[error(
        "agent {uid} was let in by a certificate of {holder:?}, and this one is of {name:?} (CN of its subject). If this is that \
         agent, show a certificate of {holder:?}, or delete it first (`phoenix agent delete {uid}`), so that it is let in under \
         its new name; if it is another one, give it a data_dir of its own, and with that a name of its own"
    )]
    AnotherName {
        /// The agent's name for itself.
        uid: AgentUid,
        /// Name in the certificate that let it in.
        holder: String,
        /// Name in the certificate that is shown.
        name: String,
    },
    /// An agent of that name, let in by the same token, is there.
    #[error(
        "agent {uid} is enrolled, and is connected or was only just heard of. If this is the same one and it has lost its \
         credential, it comes in {} after the last word of it; if another one runs under this name, stop one of them and \
         delete its agent_uid", seconds(*.take_over)
    )]
    StillThere {
        /// The name.
        uid: AgentUid,
        /// Time without a word of it, after which it is let in.
        take_over: Duration,
    },
    /// Its node has an agent.
    #[error("{0}")]
    NodeTaken(NodeTaken),
    /// Another agent of its node has taken its place.
    #[error(
        "another agent of node {node} has taken the place of this one as agent {agent}, and both are there: nothing that \
         they report counts. Stop one of them. If both are to run, give each a host.id of its own in \
         OTEL_RESOURCE_ATTRIBUTES"
    )]
    Replaced {
        /// The node.
        node: String,
        /// The record.
        agent: AgentUid,
    },
    /// An API key that lets no agent in.
    #[error("{}", .0.detail())]
    Key(Refusal),
    /// Its labels and the token's together are too many.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Self {
        let said = error.to_string();
        match error {
            EnrollError::Refused
            | EnrollError::Unknown
            | EnrollError::Certificate(_)
            | EnrollError::Tenant(_) => Self::Unauthenticated(said),
            EnrollError::UsedUp => Self::forbidden(said),
            EnrollError::Enrolled(_)
            | EnrollError::AnotherName { .. }
            | EnrollError::StillThere { .. }
            | EnrollError::NodeTaken(_)
            | EnrollError::Replaced { .. } => Self::conflict(said),
            EnrollError::Key(refusal) => refusal,
            EnrollError::Labels(_) => Self::invalid_field("labels", said, "fewer labels"),
            EnrollError::Store(error) => error.into(),
        }
    }
}

/// What lets an agent in: a token, or a certificate.
struct Entrance {
    tenant_id: TenantId,
    /// What stands in the agent's record.
    id: String,
    /// Labels that it gives.
    labels: Labels,
    /// Counter of its uses, if they are counted.
    token: Option<EnrollmentToken>,
}

/// Lets an agent in: its own token, which is shown this once.
///
/// # Errors
/// [`EnrollError`].
pub async fn enroll(state: &AppState, bearer: &str, request: Enrollment) -> Result<String, EnrollError> {
    let presented = Presented::parse(bearer, Purpose::Enrollment).ok_or(EnrollError::Refused)?;
    let now = state.clock.now();
    // Whose it is, before anybody waits for the lock.
    let known =
        enrollment_tokens::presented(&mut *state.store.read(Across::Credential).await?, &presented.id)
            .await?;
    let (known, _) = known.filter(|(_, hash)| presented.is(hash)).ok_or(EnrollError::Refused)?;
    let mut tx = state.store.begin(known.tenant_id).await?;
    let known = enrollment_tokens::presented(&mut tx, &presented.id).await?;
    let (token, hash) = known.ok_or(EnrollError::Refused)?;
    if !presented.is(&hash) || !token.is_good(now) {
        return Err(EnrollError::Refused);
    }
    let (tenant_id, id, labels) = (token.tenant_id, token.id.clone(), token.labels.clone());
    let_in(state, tx, &Entrance { tenant_id, id, labels, token: Some(token) }, request, now).await
}

/// Lets an agent in by its certificate, as often as it comes: it needs no token from then on.
///
/// # Errors
/// [`EnrollError`].
pub async fn certify(
    state: &AppState,
    certificate: &Certificate,
    request: Enrollment,
) -> Result<(), EnrollError> {
    let now = state.clock.now();
    let tenant_id = tenant_of(&mut state.store.read(Across::Credential).await?, certificate).await?;
    let tx = state.store.begin(tenant_id).await?;
    let entrance = Entrance { tenant_id, id: certificate.pass(), labels: Labels::default(), token: None };
    let_in(state, tx, &entrance, request, now).await.map(drop)
}

/// The tenant of a certificate.
///
/// # Errors
/// [`EnrollError::Tenant`] and the store's.
pub(super) async fn tenant_of(
    reader: &mut Reader,
    certificate: &Certificate,
) -> Result<TenantId, EnrollError> {
    let known = tenants::named(reader, &certificate.tenant).await?;
    known.ok_or_else(|| EnrollError::Tenant(certificate.tenant.clone()))
}

/// Lets an agent in, in the place of another where it is to: a credential of its own.
async fn let_in(
    state: &AppState,
    mut tx: Tx,
    entrance: &Entrance,
    request: Enrollment,
    now: UnixMillis,
) -> Result<String, EnrollError> {
    let minted = secret::mint(&state.entropy, Purpose::Agent);
    let credential = Credential { id: &minted.id, hash: &minted.hash };
    let admitted = admit(state, &mut tx, entrance, (request, credential), now).await?;
    // A claim that waits is kept, too.
    tx.commit().await?;
    match admitted {
        Admitted::In => Ok(minted.text),
        Admitted::InPlaceOf(record) => {
            state.hub.dismiss(entrance.tenant_id, record);
            state.hub.wake_analyze();
            Ok(minted.text)
        }
        Admitted::Waits(taken) => Err(EnrollError::NodeTaken(taken)),
    }
}

/// Outcome of an enrollment.
enum Admitted {
    In,
    InPlaceOf(AgentUid),
    Waits(NodeTaken),
}

async fn admit(
    state: &AppState,
    tx: &mut Tx,
    entrance: &Entrance,
    (request, credential): (Enrollment, Credential<'_>),
    now: UnixMillis,
) -> Result<Admitted, EnrollError> {
    let (tenant, by, uid) = (entrance.tenant_id, entrance.id.as_str(), request.uid);
    let before = agents::of_instance(tx, tenant, uid).await?;
    let claim = match &before {
        Some(_) => Claim::Joins(None),
        None => nodes::claim(state, tx, (tenant, by), &request, now).await?,
    };
    let comes_back = before.as_ref().is_some_and(|before| nodes::comes_back(before, by, &request));
    let agent = Agent {
        uid,
        instance_uid: uid,
        node: None,
        attributes: Attributes::default(),
        replaced_at: None,
        conflict_at: None,
        archived_at: None,
        labels: request.labels.overlaid(&entrance.labels)?,
        host: request.host,
        version: request.version,
        enrolled_by: by.to_owned(),
        enrolled_at: now,
        credential_used_at: None,
        last_seen: None,
        status: "enrolled".to_owned(),
        replica: None,
        health: None,
        offered_hash: None,
        effective_hash: None,
        local_override_pending: false,
        refuses_configs: false,
        own_credential: true,
        settings_status: None,
        settings_error: None,
    };
    let (record, verb, admitted) = match (before, claim) {
        // A certificate is shown at each coming.
        (Some(before), _) if entrance.token.is_none() && before.enrolled_by == by => {
            let is_as_before = (&before.labels, &before.host, &before.version)
                == (&agent.labels, &agent.host, &agent.version);
            if is_as_before && before.own_credential {
                return Ok(Admitted::In);
            }
            let agent = Agent { uid: before.uid, ..agent.clone() };
            agents::replace_credential(tx, tenant, &agent, credential).await?;
            agents::credential_used(tx, tenant, credential.id, now).await?;
            (agent.uid, "agent.enroll", Admitted::In)
        }
        (Some(before), _) if before.enrolled_by == by && before.credential_used_at.is_none() => {
            let agent = Agent { uid: before.uid, ..agent.clone() };
            agents::replace_credential(tx, tenant, &agent, credential).await?;
            (agent.uid, "agent.enroll", Admitted::In)
        }
        (Some(before), _) if comes_back => {
            if nodes::is_there(state, tenant, &before, now) {
                return Err(EnrollError::StillThere { uid, take_over: state.nodes.take_over });
            }
            take_over(tx, tenant, (&agent, before.uid), credential, now).await?
        }
        (Some(before), _) => return Err(enrolled(uid, &before, by)),
        (None, Claim::Taken(taken)) => return Ok(Admitted::Waits(taken)),
        (None, Claim::TakesOver(holder)) => {
            take_over(tx, tenant, (&agent, holder.uid), credential, now).await?
        }
        (None, Claim::Joins(node)) if entrance.token.as_ref().is_none_or(EnrollmentToken::has_uses_left) => {
            // An agent whose place was taken has left its uid to the record.
            let taken = agents::get(tx, tenant, uid).await?.is_some();
            let record = if taken { AgentUid(state.entropy.uuid(now)) } else { uid };
            let node = node.map(|node| node.to_string());
            if let Some(token) = &entrance.token {
                enrollment_tokens::used(tx, token).await?;
            }
            agents::insert(tx, tenant, &Agent { uid: record, node, ..agent.clone() }, credential).await?;
            (record, "agent.enroll", Admitted::In)
        }
        (None, Claim::Joins(_)) => return Err(EnrollError::UsedUp),
    };
    let let_in_by = if entrance.token.is_some() { "enrollment_token" } else { "certificate" };
    let detail = json!({ let_in_by: by, "labels": agent.labels, "instance_uid": uid });
    audit::record(tx, now, tenant, By::Agent(uid), verb, &format!("agent/{record}"), &detail).await?;
    Ok(admitted)
}

/// Reason for which somebody let in `by` this is not the agent of a record.
fn enrolled(uid: AgentUid, record: &Agent, by: &str) -> EnrollError {
    match (Certificate::holder(&record.enrolled_by), Certificate::holder(by)) {
        (Some(holder), Some(name)) => {
            EnrollError::AnotherName { uid, holder: holder.to_owned(), name: name.to_owned() }
        }
        _ => EnrollError::Enrolled(uid),
    }
}

/// Gives an agent the record of the one before it.
async fn take_over(
    tx: &mut Tx,
    tenant: TenantId,
    (agent, record): (&Agent, AgentUid),
    credential: Credential<'_>,
    now: UnixMillis,
) -> Result<(AgentUid, &'static str, Admitted), StoreError> {
    let of_record = Agent { uid: record, ..agent.clone() };
    let times = (now, now.plus(NodeTimes::FORMER));
    store::nodes::take_over(tx, tenant, (&of_record, agent.uid), credential, times).await?;
    Ok((record, "agent.take_over", Admitted::InPlaceOf(record)))
}

/// Holder of this credential. One indexed look-up; the first time, also one row written.
///
/// # Errors
/// [`EnrollError::Refused`], [`EnrollError::Unknown`], [`EnrollError::Replaced`] and the store's.
pub async fn authenticate(state: &AppState, bearer: &str) -> Result<AgentIdentity, EnrollError> {
    let presented = Presented::parse(bearer, Purpose::Agent).ok_or(EnrollError::Refused)?;
    let known =
        agents::by_credential(&mut *state.store.read(Across::Credential).await?, &presented.id).await?;
    let Some((tenant_id, agent, hash)) = known else { return Err(nodes::replaced(state, &presented).await) };
    if !presented.is(&hash) {
        return Err(EnrollError::Refused);
    }
    if agent.credential_used_at.is_none() {
        let (now, uid) = (state.clock.now(), agent.uid);
        let mut tx = state.store.begin(tenant_id).await?;
        agents::credential_used(&mut tx, tenant_id, &presented.id, now).await?;
        if !agent.own_credential {
            let (by, object) = (By::Agent(agent.instance_uid), format!("agent/{uid}"));
            audit::record(&mut tx, now, tenant_id, by, "agent.own_credential", &object, &json!({})).await?;
        }
        tx.commit().await?;
        if !agent.own_credential {
            // It may be offered something from now on.
            state.hub.wake_push();
        }
    }
    Ok(AgentIdentity::of(tenant_id, agent, true))
}

/// The agent of this name, by the certificate that let it in.
///
/// # Errors
/// [`EnrollError::Tenant`]; [`EnrollError::Unknown`] if this certificate let in no such agent; and the store's.
pub async fn certified(
    state: &AppState,
    certificate: &Certificate,
    instance: AgentUid,
) -> Result<AgentIdentity, EnrollError> {
    let mut reader = state.store.read(Across::Credential).await?;
    let tenant = tenant_of(&mut reader, certificate).await?;
    let known = agents::of_instance(&mut reader, tenant, instance).await?;
    let known = known.filter(|agent| agent.own_credential && agent.enrolled_by == certificate.pass());
    known.map(|agent| AgentIdentity::of(tenant, agent, true)).ok_or(EnrollError::Unknown)
}
