//! Findings of the agents of an experiment, and those to come.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use observe::Comparison;
use proto::Findings;

use super::watch::{Stream, Watcher};
use super::{Named, find};
use crate::auth::Actor;
use crate::evidence::{Baselines, totals};
use crate::experiment::{ExperimentId, Figures};
use crate::id::{AgentUid, TenantId};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};
use crate::store::{Connection, sessions, slices, windows};

/// Agents in one report of a stream, and by default in a page: their comparisons make a few megabytes at most.
pub const AGENTS_AT_ONCE: usize = 50;
/// A stream's reports are at least so far apart.
const PAUSE: Duration = Duration::from_secs(1);

/// Findings of one agent.
#[derive(Debug, Clone)]
pub struct AgentFindings {
    /// Its uid.
    pub uid: AgentUid,
    /// Name of its host.
    pub host: String,
    /// Its last report.
    pub findings: Findings,
    /// All that its processes before this one have measured.
    pub earlier: Vec<Comparison>,
    /// True if some series of the experiment come through several agents.
    pub overlaps: bool,
    digest: [u8; 32],
}

/// Report of a stream: findings of an experiment's agents.
#[derive(Debug, Clone)]
pub struct Drift {
    /// By which experiment.
    pub experiment: Experiment,
    /// All that all its agents have measured, added up.
    pub total: Figures,
    /// Agents, all or some, by uid.
    pub agents: Vec<AgentFindings>,
}

/// The last report of each agent, by uid, all as of one moment.
///
/// # Errors
/// The store's.
pub async fn found(state: &AppState, experiment: &Experiment) -> Result<Vec<AgentFindings>, Refusal> {
    found_by(&mut *state.store.snapshot(experiment.tenant_id).await?, experiment).await
}

/// The same by a connection, as it sees them.
///
/// # Errors
/// The store's.
pub async fn found_by(
    reader: &mut Connection,
    experiment: &Experiment,
) -> Result<Vec<AgentFindings>, Refusal> {
    let members = sessions::of_tenant(reader, experiment.tenant_id).await?;
    let bodies = windows::last_of_each(reader, experiment.tenant_id, experiment.id).await?;
    let baselines = Baselines::of(reader, experiment).await?;
    let mut totals = totals(reader, experiment, false, &baselines).await?;
    let across = slices::across(reader, (experiment.tenant_id, experiment.id)).await?;
    let overlaps = across.overlaps();
    let mut read = |(uid, body): (AgentUid, Vec<u8>)| {
        let digest = proto::generation::config_hash(&body);
        let findings = Findings::decode(&body, &digest).map_err(Refusal::internal)?;
        let host = members.iter().find(|member| member.uid == uid).map(|member| member.host.clone());
        // The last of the totals is this report's.
        let mut earlier = totals.remove(&uid).unwrap_or_default();
        earlier.pop();
        Ok(AgentFindings {
            uid,
            host: host.unwrap_or_else(|| uid.to_string()),
            findings,
            earlier,
            overlaps,
            digest,
        })
    };
    bodies.into_iter().map(&mut read).collect()
}

/// Everything that agents have measured, added up over their processes.
#[must_use]
pub fn total(found: &[AgentFindings]) -> Figures {
    let last = Figures::of(found.iter().map(|found| &found.findings.total));
    Figures::over_processes(
        last,
        found.iter().flat_map(AgentFindings::totals),
        found.iter().any(|found| !found.earlier.is_empty()),
    )
    .overlapping(overlap(found))
}

/// Tells whether some series of these agents come through several of them. Of one agent alone each counts once.
#[must_use]
pub fn overlap(found: &[AgentFindings]) -> bool {
    found.len() > 1 && found.iter().any(|found| found.overlaps)
}

impl AgentFindings {
    fn totals(&self) -> impl Iterator<Item = &Comparison> {
        self.earlier.iter().chain([&self.findings.total])
    }
}

/// Findings now, and again whenever something changed, until the experiment is over. The first report has all
/// agents, a later one those that found something since; many come in several reports.
///
/// # Errors
/// 404, 503 for too many streams, and the store's.
pub async fn drift(state: &AppState, actor: &Actor, named: &Named) -> Result<Stream<Drift>, Refusal> {
    let id = find(state, actor, named).await?.id;
    let (mut watcher, stream) = Watcher::open(state, actor)?;
    let (state, tenant) = (state.clone(), actor.tenant_id);
    tokio::spawn(async move {
        let ended = follow(&state, tenant, id, &mut watcher).await;
        watcher.end(ended);
    });
    Ok(stream)
}

async fn follow(
    state: &AppState,
    tenant: TenantId,
    id: ExperimentId,
    watcher: &mut Watcher<Drift>,
) -> Result<(), Refusal> {
    let mut sent = HashMap::new();
    let mut before = None;
    loop {
        let known = experiments::get(&mut *state.store.read(tenant).await?, tenant, id).await?;
        let Some(experiment) = known else { return Ok(()) };
        let over = experiment.state.end().is_some();
        let mut agents = found(state, &experiment).await?;
        let total = total(&agents);
        agents.retain(|agent| sent.insert(agent.uid, agent.digest) != Some(agent.digest));
        let now = (experiment.version, experiment.verdict.clone());
        if before.as_ref() != Some(&now) || !agents.is_empty() {
            send(watcher, Drift { experiment, total, agents }).await?;
            before = Some(now);
        }
        if over {
            return Ok(());
        }
        watcher.rest(PAUSE).await?;
        watcher.wait().await?;
    }
}

async fn send(watcher: &Watcher<Drift>, mut drift: Drift) -> Result<(), Refusal> {
    while drift.agents.len() > AGENTS_AT_ONCE {
        let rest = drift.agents.split_off(AGENTS_AT_ONCE);
        let agents = mem::replace(&mut drift.agents, rest);
        watcher.send(Drift { agents, ..drift.clone_without_agents() }).await?;
    }
    watcher.send(drift).await
}

impl Drift {
    fn clone_without_agents(&self) -> Self {
        Self { experiment: self.experiment.clone(), total: self.total.clone(), agents: Vec::new() }
    }
}
