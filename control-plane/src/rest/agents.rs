//! `/api/v1/agents`: who is there, and what was last heard of them.

use std::collections::BTreeMap;

use api::{Agent, AgentGeneration, ConnectionSettings, Page, Problem, RefusedConfig};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::actions;
use crate::actions::agents::{Which as Named, find};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::selector::Selector;
use crate::state::AppState;
use crate::store::agents;
use crate::store::arrivals;
use crate::store::generations::{self as told, Offered, Status, Told};
use crate::store::sessions::QUARANTINED;

/// Form of the name of an agent.
const ABOUT: &str = "Its uid, or the name of its host where that has one agent.";
/// Reason of a conflict about a name.
const SEVERAL: &str = "Several agents are on that host; the answer lists them";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::AtLeast(Role::Viewer), __path_list, list)
        .add(Access::AtLeast(Role::Viewer), __path_get, get)
        .add(Access::AtLeast(Role::Viewer), __path_generations, generations)
        .add(Access::AtLeast(Role::Operator), __path_delete, delete)
        .add(Access::AtLeast(Role::Operator), __path_lift, lift)
}

impl From<agents::Agent> for Agent {
    fn from(agent: agents::Agent) -> Self {
        let mut health = agent.health;
        let quarantined =
            health.as_mut().and_then(Value::as_object_mut).and_then(|it| it.remove(QUARANTINED));
        Self {
            quarantined: quarantined.and_then(|all| serde_json::from_value(all).ok()).unwrap_or_default(),
            uid: agent.uid.into(),
            instance_uid: agent.instance_uid.into(),
            node: agent.node,
            labels: agent.labels.into(),
            attributes: agent.attributes.into(),
            host: agent.host,
            version: agent.version,
            enrolled_by: agent.enrolled_by,
            enrolled_at: agent.enrolled_at.into(),
            last_seen: agent.last_seen.map(Into::into),
            status: agent.status,
            health,
            offered_hash: agent.offered_hash,
            effective_hash: agent.effective_hash,
            local_override_pending: agent.local_override_pending,
            refused_config: None,
            waits: None,
            refuses_configs: agent.refuses_configs,
            own_credential: agent.own_credential,
            connection_settings: agent
                .settings_status
                .map(|status| ConnectionSettings { status, error: agent.settings_error }),
            effective_config: BTreeMap::new(),
            replaced_at: agent.replaced_at.map(Into::into),
            node_conflict_at: agent.conflict_at.map(Into::into),
            archived_at: agent.archived_at.map(Into::into),
        }
    }
}

/// Selector of agents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those that a selector means: `env=prod,region in (eu,us),!canary`.
    labels: Option<String>,
    /// True for those that are archived instead.
    #[serde(default)]
    archived: bool,
    /// The `next` of the page before.
    after: Option<String>,
    /// Number of items at most; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The agents of one's own tenant that are not archived, by uid.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", params(Which),
    responses((status = 200, body = Page<Agent>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(Which { labels, archived, after, limit }): Query<Which>,
) -> Result<Json<Page<Agent>>, Refusal> {
    let asked = PageQuery { after, limit };
    let selector: Selector = labels.as_deref().unwrap_or_default().parse().map_err(|error| {
        Refusal::invalid_field("labels", format!("{error}"), "for example env=prod,region in (eu,us),!canary")
    })?;
    let (after, limit) = (asked.after()?, asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found =
        agents::list(&mut reader, actor.tenant_id, (&selector, archived), after, limit as usize + 1).await?;
    let latest = told::latest_of(&mut reader, actor.tenant_id, &uids(&found)).await?;
    let mut shown: Page<Agent> = page(found, limit, |agent: &agents::Agent| agent.uid.to_string());
    for agent in &mut shown.items {
        agent.refused_config = latest.get(&AgentUid(agent.uid)).and_then(refused);
    }
    Ok(Json(shown))
}

fn uids(agents: &[agents::Agent]) -> Vec<AgentUid> {
    agents.iter().map(|agent| agent.uid).collect()
}

/// What an agent was told last, if it has refused that.
fn refused(latest: &Offered) -> Option<RefusedConfig> {
    let reason = latest.error.clone().unwrap_or_else(|| "it does not say why".to_owned());
    (latest.status == Status::Failed).then_some(RefusedConfig { generation: latest.generation, reason })
}

/// One agent, with what it says that it runs.
#[utoipa::path(
    get, path = "/api/v1/agents/{uid}", tag = "agents", params(("uid" = String, Path, description = ABOUT)),
    responses((status = 200, body = Agent), (status = 404, body = Problem), (status = 409, description = SEVERAL, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(named): Path<Named>,
) -> Result<Json<Agent>, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    let uid = find(&mut reader, actor.tenant_id, named).await?;
    let found = agents::get(&mut reader, actor.tenant_id, uid).await?;
    let agent: Agent = found.ok_or_else(|| Refusal::not_found("agent", uid))?.into();
    let files = arrivals::files(&mut reader, actor.tenant_id, uid).await?;
    let effective_config = files.and_then(|files| serde_json::from_str(&files).ok()).unwrap_or_default();
    let latest = told::latest_of(&mut reader, actor.tenant_id, &[uid]).await?;
    let waits = actions::staging::waits(&state, &mut reader, actor.tenant_id, uid).await?;
    let refused_config = latest.get(&uid).and_then(refused);
    Ok(Json(Agent { effective_config, refused_config, waits, ..agent }))
}

/// Generations that an agent was told to run, the newest first: each with what was pushed, what became of it, and whether it is
/// what the agent runs.
#[utoipa::path(
    get, path = "/api/v1/agents/{uid}/generations", tag = "agents", params(("uid" = String, Path, description = ABOUT), PageQuery),
    responses(
        (status = 200, body = Page<AgentGeneration>), (status = 404, body = Problem),
        (status = 409, description = SEVERAL, body = Problem), (status = 422, body = Problem)
    )
)]
async fn generations(
    State(state): State<AppState>,
    actor: Actor,
    Path(named): Path<Named>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<AgentGeneration>>, Refusal> {
    let (before, limit) = (asked.after()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let uid = find(&mut reader, actor.tenant_id, named).await?;
    let agent = agents::get(&mut reader, actor.tenant_id, uid).await?;
    let agent = agent.ok_or_else(|| Refusal::not_found("agent", uid))?;
    let found = told::history(&mut reader, (actor.tenant_id, uid), before, limit + 1).await?;
    let shown = found.into_iter().map(|Told { offered, told_at, applied_at }| AgentGeneration {
        generation: offered.generation,
        experiment_id: offered.experiment_id.map(Into::into),
        step: offered.step,
        status: offered.status.name().to_owned(),
        error: offered.error,
        in_force: agent.effective_hash.as_ref() == Some(&offered.config_hash),
        config_hash: offered.config_hash,
        body: offered.body,
        told_at: told_at.into(),
        applied_at: applied_at.map(Into::into),
    });
    Ok(Json(page(shown.collect(), limit, |one: &AgentGeneration| one.generation.to_string())))
}

/// Forgets an agent and ends its credential. It may come in again with an enrollment token that is still good.
#[utoipa::path(
    delete, path = "/api/v1/agents/{uid}", tag = "agents", params(("uid" = String, Path, description = ABOUT)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, description = SEVERAL, body = Problem))
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Path(named): Path<Named>,
) -> Result<StatusCode, Refusal> {
    let uid = find(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, named).await?;
    actions::agents::delete(&state, &actor, uid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts the quarantine of everything that an agent has in it. It is told at once, or when it comes back; until then it
/// is listed there still.
#[utoipa::path(
    post, path = "/api/v1/agents/{uid}/lift", tag = "agents", params(("uid" = String, Path, description = ABOUT)),
    responses((status = 200, body = Agent), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn lift(
    State(state): State<AppState>,
    actor: Actor,
    Path(named): Path<Named>,
) -> Result<Json<Agent>, Refusal> {
    let uid = find(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, named).await?;
    Ok(Json(actions::agents::lift(&state, &actor, uid).await?.into()))
}
