//! Progress of an experiment: the agents of its step, and the last horizon of each.

use super::promoted::{Promoted, promoted};
use crate::clock::UnixMillis;
use crate::evidence::{Moment, evidence};
use crate::experiment::{AgentEvidence, Figures, Outcome, State};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::sessions;

/// See the module.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The agents of the step, and whether each is connected.
    pub agents: Vec<(AgentEvidence, bool)>,
    /// The last horizon of each, added up; nothing before the first.
    pub horizon: Option<Figures>,
    /// Begin of the step, or of the collecting of the last horizon.
    pub since: Option<UnixMillis>,
    /// Extent of its promotion, if it was promoted.
    pub promoted: Option<Promoted>,
}

/// Looks at an experiment.
///
/// # Errors
/// The store's.
pub async fn progress(state: &AppState, experiment: &Experiment) -> Result<Progress, Refusal> {
    let run = experiment.state.run();
    let agents = match run {
        Some(run) => {
            evidence(
                &mut *state.store.read(experiment.tenant_id).await?,
                &state.walks,
                experiment,
                run,
                None,
                Moment::now(state),
            )
            .await?
            .agents
        }
        None => Vec::new(),
    };
    let horizons: Vec<_> =
        agents.iter().filter_map(AgentEvidence::last).map(|found| &found.horizon).collect();
    let horizon = (!horizons.is_empty()).then(|| Figures::of(horizons.iter().copied()));
    let since = match &experiment.state {
        State::Analyzing { since, .. } => Some(*since),
        _ => run.map(|run| run.since),
    };
    let connected =
        sessions::connected(&mut *state.store.read(experiment.tenant_id).await?, experiment.tenant_id)
            .await?;
    let connected = |agent: &AgentEvidence| connected.contains(&agent.uid);
    let promoted = match experiment.state.outcome() {
        Some(Outcome::Promoted) => {
            let mut reader = state.store.read(experiment.tenant_id).await?;
            Some(promoted(&mut reader, experiment).await?)
        }
        _ => None,
    };
    let agents = agents.into_iter().map(|agent| (connected(&agent), agent)).map(|(on, agent)| (agent, on));
    Ok(Progress { agents: agents.collect(), horizon, since, promoted })
}
