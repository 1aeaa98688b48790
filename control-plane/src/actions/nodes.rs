//! Nodes: who may take the place of a node's agent, what a conflict is, and which agents are archived.
//!
//! The name of a node is only claimed, and a whole DaemonSet shares one token. So the place of an agent is taken only with
//! the token that let it in, and once nothing was heard of it for a while. If it comes back, both are in conflict: what
//! they report counts for nothing, and what they run stays.

use std::time::Duration;

use serde_json::{Value, json};

use super::enroll::{EnrollError, Enrollment, NodeTaken};
use crate::audit::{self, By};
use crate::auth::secret::Presented;
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::node::{Node, NodeTimes};
use crate::state::AppState;
use crate::store::agents::{self, Agent};
use crate::store::deliveries::{self, News};
use crate::store::nodes::{self, Former};
use crate::store::{Across, StoreError, Tx};

/// Time that an agent may let pass between two claims, besides what it waits for anyway.
const STALE: Duration = Duration::from_secs(60);
/// The most agents that are archived in one transaction.
const AT_ONCE: u32 = 200;

/// Answer to an agent's claim to a node.
#[derive(Debug)]
pub(super) enum Claim {
    /// It joins, as the agent of this node, if it named one.
    Joins(Option<Node>),
    /// It takes the place of this one.
    TakesOver(Box<Agent>),
    /// The node has an agent.
    Taken(NodeTaken),
}

/// Answers a claim.
///
/// # Errors
/// The store's.
pub(super) async fn claim(
    state: &AppState,
    tx: &mut Tx,
    (tenant, by): (TenantId, &str),
    request: &Enrollment,
    now: UnixMillis,
) -> Result<Claim, StoreError> {
    let times = state.nodes;
    let Some(node) = request.node.clone() else { return Ok(Claim::Joins(None)) };
    let Some(holder) = agents::of_node(tx, tenant, &node).await? else { return Ok(Claim::Joins(Some(node))) };
    if is_there(state, tenant, &holder, now) {
        return waits(tx, (tenant, node, times), request, &holder, now).await;
    }
    if holder.enrolled_by == by {
        return Ok(Claim::TakesOver(Box::new(holder)));
    }
    // The name passes on, and with it nothing of the record that another token let in. Nobody waits for that one: until it
    // is heard of again it is in no new step.
    nodes::rename(tx, tenant, holder.uid, &node.of_its_own(holder.uid)).await?;
    let detail = json!({ "node": node.as_str(), "node_taken_by": request.uid });
    archive(tx, (tenant, holder.uid), now, now, &detail).await?;
    Ok(Claim::Joins(Some(node)))
}

/// Tells whether an agent of a name that is enrolled may be the same one, without its credential: the token let it in, and
/// it is on the node that it was on, as far as that is known.
pub(super) fn comes_back(before: &Agent, by: &str, request: &Enrollment) -> bool {
    let is_of_node = |node: &Node| {
        let own = node.of_its_own(before.uid);
        before.node.as_deref().is_none_or(|known| known == node.as_str() || known == own.as_str())
    };
    before.enrolled_by == by && request.node.as_ref().map_or(before.node.is_none(), is_of_node)
}

/// Tells whether a node's agent is connected, or may come back yet.
pub(super) fn is_there(state: &AppState, tenant: TenantId, holder: &Agent, now: UnixMillis) -> bool {
    let last = state.nodes.heard(holder.heard());
    is_connected(state, tenant, holder) || last.plus(state.nodes.take_over) > now
}

/// Tells whether an agent is connected, here or to another replica.
pub(super) fn is_connected(state: &AppState, tenant: TenantId, agent: &Agent) -> bool {
    let elsewhere = agent.replica.as_ref().is_some_and(|replica| *replica != state.replica.id);
    elsewhere || state.hub.is_connected(tenant, agent.uid)
}

/// An agent whose node has one waits, and joins as a node of its own if that stays.
async fn waits(
    tx: &mut Tx,
    (tenant, node, times): (TenantId, Node, NodeTimes),
    request: &Enrollment,
    holder: &Agent,
    now: UnixMillis,
) -> Result<Claim, StoreError> {
    let stale = now.before(times.patience() + STALE);
    let since = nodes::claim(tx, (tenant, &node, request.uid), now, stale).await?;
    let joins_at = since.unwrap_or(now).plus(times.patience());
    if joins_at <= now {
        return Ok(Claim::Joins(Some(node.of_its_own(request.uid))));
    }
    if since == Some(now) {
        let (object, detail) = (format!("agent/{}", holder.uid), json!({ "node": node.as_str() }));
        audit::record(tx, now, tenant, By::Agent(request.uid), "agent.node_claim", &object, &detail).await?;
    }
    Ok(Claim::Taken(NodeTaken {
        node: node.to_string(),
        agent: holder.uid,
        take_over: times.take_over,
        joins_in: now.until(joins_at),
    }))
}

/// Turns away an agent whose place was taken, and notes that both are there. If the other one is not, it is unknown, and
/// may enroll to take its place back.
///
/// # Errors
/// [`EnrollError::Replaced`] if it is one, [`EnrollError::Unknown`] if not; and the store's.
pub(super) async fn replaced(state: &AppState, presented: &Presented) -> EnrollError {
    match note(state, presented).await {
        Ok(Some(former)) => EnrollError::Replaced { node: former.node, agent: former.agent },
        Ok(None) => EnrollError::Unknown,
        Err(error) => error.into(),
    }
}

async fn note(state: &AppState, presented: &Presented) -> Result<Option<Former>, StoreError> {
    let now = state.clock.now();
    let known = nodes::former(&mut *state.store.read(Across::Credential).await?, &presented.id, now).await?;
    let Some(former) = known.filter(|former| presented.is(&former.hash)) else { return Ok(None) };
    let mut reader = state.store.read(former.tenant_id).await?;
    let holder = agents::get(&mut reader, former.tenant_id, former.agent).await?;
    drop(reader);
    if !holder.is_some_and(|holder| is_there(state, former.tenant_id, &holder, now)) {
        return Ok(None);
    }
    // It asks every few seconds; that is written down less often.
    if former.conflict_at.is_some_and(|at| at.plus(NodeTimes::CONFLICT / 4) > now) {
        return Ok(Some(former));
    }
    let (tenant, uid) = (former.tenant_id, former.agent);
    let mut tx = state.store.begin(tenant).await?;
    nodes::conflict(&mut tx, tenant, uid, now).await?;
    if former.conflict_at.is_none() {
        let (object, detail) =
            (format!("agent/{uid}"), json!({ "node": former.node, "replaced_at": former.replaced_at }));
        audit::record(&mut tx, now, tenant, By::Agent(uid), "agent.node_conflict", &object, &detail).await?;
    }
    tx.commit().await?;
    state.hub.wake_analyze();
    Ok(Some(former))
}

/// Archives the agents of which nothing was heard for long, ends conflicts that are over.
///
/// # Errors
/// The store's.
pub async fn sweep(state: &AppState) -> Result<(), StoreError> {
    let (now, times) = (state.clock.now(), state.nodes);
    let silent_since = now.before(times.archive);
    let mut reader = state.store.read(Across::Reconcile).await?;
    let settled = nodes::old_conflicts(&mut reader, now.before(NodeTimes::CONFLICT)).await?;
    // After a start agents have time to come back.
    let waits = times.started.plus(times.archive.min(NodeTimes::FORMER)) > now;
    let unseen = if waits { Vec::new() } else { nodes::unseen(&mut reader, silent_since, AT_ONCE).await? };
    drop(reader);
    if settled.is_empty() && unseen.is_empty() {
        return Ok(());
    }
    let mut tx = state.store.begin(Across::Reconcile).await?;
    if !state.decides(&mut tx).await? {
        return Ok(());
    }
    for (tenant, agent) in &settled {
        nodes::settle(&mut tx, *tenant, *agent).await?;
    }
    for (tenant, agent) in &unseen {
        archive(&mut tx, (*tenant, *agent), silent_since, now, &json!({})).await?;
    }
    tx.commit().await?;
    state.hub.wake_analyze();
    state.hub.wake_push();
    Ok(())
}

/// Archives a record of which nothing was heard since `before`, and tells of it; does nothing if it was heard of meanwhile.
async fn archive(
    tx: &mut Tx,
    (tenant, agent): (TenantId, AgentUid),
    before: UnixMillis,
    now: UnixMillis,
    detail: &Value,
) -> Result<(), StoreError> {
    if !nodes::archive(tx, (tenant, agent), before, now).await? {
        return Ok(());
    }
    let host = agents::get(tx, tenant, agent).await?.map(|known| known.host);
    let about = json!({ "agent": { "uid": agent, "host": host } });
    deliveries::tell(tx, tenant, News { event: "agent.archive", at: now, about: &about, detail }).await?;
    audit::record(tx, now, tenant, By::ControlPlane, "agent.archive", &format!("agent/{agent}"), detail)
        .await?;
    Ok(())
}
