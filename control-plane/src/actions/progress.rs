//! Progress of an experiment: the agents of its step, and the last horizon of each. Of one that is over, those of its last step.

use std::collections::HashMap;

use observe::Comparison;
use proto::Findings;

use super::promoted::{Promoted, promoted};
use super::uncounted::{Uncounted, uncounted};
use crate::clock::UnixMillis;
use crate::evidence::{Moment, evidence};
use crate::experiment::{AgentEvidence, Figures, Outcome, Run, State};
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::generations::{self, Status};
use crate::store::{Connection, StoreError, sessions, sums, windows};

/// See the module.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The agents of the step.
    pub agents: Vec<AgentProgress>,
    /// The last horizon of each, added up; nothing before the first, and once it is over.
    pub horizon: Option<Figures>,
    /// Begin of the step, or of the collecting of the last horizon.
    pub since: Option<UnixMillis>,
    /// Extent of its promotion, if it was promoted.
    pub promoted: Option<Promoted>,
    /// What the candidate delivered and no figure has.
    pub uncounted: Option<Uncounted>,
}

/// Progress of one agent.
#[derive(Debug, Clone)]
pub struct AgentProgress {
    /// Its uid.
    pub uid: AgentUid,
    /// Name of its host.
    pub host: String,
    /// True if it is connected.
    pub connected: bool,
    /// True if it runs the step; of one that is over, if it ran it.
    pub applied: bool,
    /// The wave in which it was offered the step, while that is new to its version.
    pub wave: Option<u8>,
    /// Reason for which it does not run it.
    pub failed: Option<String>,
    /// Reason for which it cut the candidate out.
    pub cut: Option<String>,
    /// Horizons of the step in which something came in.
    pub horizons: u32,
    /// Horizons of the step in which nothing came in.
    pub idle: u32,
    /// Time at which it last told of the step.
    pub last_seen: Option<UnixMillis>,
    /// Its last horizon.
    pub horizon: Option<Comparison>,
}

impl AgentProgress {
    fn of(agent: AgentEvidence, connected: bool) -> Self {
        Self {
            connected,
            horizon: agent.last().map(|found| found.horizon.clone()),
            uid: agent.uid,
            host: agent.host,
            applied: agent.applied,
            wave: agent.wave,
            failed: agent.failed,
            cut: agent.cut,
            horizons: agent.count,
            idle: agent.idle,
            last_seen: agent.last_seen,
        }
    }
}

/// Looks at an experiment.
///
/// # Errors
/// The store's.
pub async fn progress(state: &AppState, experiment: &Experiment) -> Result<Progress, Refusal> {
    let mut reader = state.store.read(experiment.tenant_id).await?;
    let connected = sessions::connected(&mut reader, experiment.tenant_id).await?;
    let is_connected = |uid| connected.contains(&uid);
    let run = experiment.state.run();
    let (agents, horizon) = match run {
        Some(run) => under_way(state, &mut reader, experiment, run, is_connected).await?,
        None => (last(&mut reader, experiment, is_connected).await?, None),
    };
    let since = match &experiment.state {
        State::Analyzing { since, .. } => Some(*since),
        _ => run.map(|run| run.since),
    };
    let promoted = match experiment.state.outcome() {
        Some(Outcome::Promoted) => Some(promoted(&mut reader, experiment).await?),
        _ => None,
    };
    let uncounted = uncounted(&mut reader, experiment, state.clock.now()).await?;
    Ok(Progress { agents, horizon, since, promoted, uncounted })
}

async fn under_way(
    state: &AppState,
    reader: &mut Connection,
    experiment: &Experiment,
    run: &Run,
    is_connected: impl Fn(AgentUid) -> bool,
) -> Result<(Vec<AgentProgress>, Option<Figures>), StoreError> {
    let moment = Moment::now(state);
    let agents = evidence(reader, &state.walks, experiment, run, None, moment).await?.agents;
    let horizons: Vec<_> =
        agents.iter().filter_map(AgentEvidence::last).map(|found| &found.horizon).collect();
    let horizon = (!horizons.is_empty()).then(|| Figures::of(horizons.iter().copied()));
    let agents = agents.into_iter().map(|agent| (is_connected(agent.uid), agent));
    Ok((agents.map(|(connected, agent)| AgentProgress::of(agent, connected)).collect(), horizon))
}

/// Agents of the last step of an experiment that is over.
async fn last(
    reader: &mut Connection,
    experiment: &Experiment,
    is_connected: impl Fn(AgentUid) -> bool,
) -> Result<Vec<AgentProgress>, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let Some(step) = generations::last_step(reader, of).await? else { return Ok(Vec::new()) };
    let sums = sums::All::of(reader, of).await?;
    let members = sessions::of_tenant(reader, of.0).await?;
    let hosts: HashMap<AgentUid, &str> =
        members.iter().map(|member| (member.uid, member.host.as_str())).collect();
    let mut bodies: HashMap<AgentUid, Vec<u8>> =
        windows::last_of_each(reader, of.0, of.1).await?.into_iter().collect();
    let mut agents = Vec::new();
    for (uid, answered) in generations::of_step(reader, of, &step).await? {
        let counted = sums.counted(reader, of, (uid, &step), 0).await?;
        let body = bodies.remove(&uid).filter(|_| counted.counted + counted.idle > 0);
        let last = body.and_then(|body| {
            let digest = proto::generation::config_hash(&body);
            Findings::decode(&body, &digest).ok()
        });
        agents.push(AgentProgress {
            uid,
            host: hosts.get(&uid).map_or_else(|| uid.to_string(), |host| (*host).to_owned()),
            connected: is_connected(uid),
            applied: answered.status == Status::Applied,
            wave: None,
            failed: answered.error.filter(|_| answered.status == Status::Failed),
            cut: last.as_ref().and_then(|found| found.candidate_cut.clone()),
            horizons: counted.counted,
            idle: counted.idle,
            last_seen: counted.received_at,
            horizon: last.map(|found| found.horizon),
        });
    }
    Ok(agents)
}
