//! Staging: agents that a wave has not come to yet are held back from a content that is new to their version.
//!
//! What was known, and how far each agent is, stands in the store, so that a restart goes on where it was. What an agent
//! has applied before is never held back from it: a rollback comes to all at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use proto::generation::Baseline;

use super::{Goal, Told, Wanted};
use crate::actions::generations::{Begun, Changes};
use crate::clock::UnixMillis;
use crate::experiment::wave::{self, Assigned, Content, Next, Trial, WAITING};
use crate::experiment::{ExperimentId, SILENCE};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::generations::{self, Offered, Status};
use crate::store::trials::{self, AgentTrial};
use crate::store::{Connection, StoreError};

/// Takes out of what agents are to run that which they have to wait for; what that changes in the store.
///
/// # Errors
/// The store's.
pub async fn hold_back(
    state: &AppState,
    reader: &mut Connection,
    told: &mut [Told],
    frozen: &HashMap<TenantId, UnixMillis>,
) -> Result<Changes, StoreError> {
    let known = Known::of(trials::known(reader).await?);
    let mut before: Trials =
        trials::under_way(reader).await?.into_iter().map(|of| ((of.tenant_id, of.agent), of)).collect();
    state.metrics.agents_wait(before.values().filter(|of| of.trial.wave == WAITING).count());
    // Where it is frozen, no wave begins, and each agent stays in the one that it is in.
    before.retain(|(tenant, _), _| !frozen.contains_key(tenant));
    let (mut changes, mut held, now) = (Changes::default(), 0, state.clock.now());
    for ((tenant, content), agents) in on_trial(reader, told, &known, &before).await? {
        if frozen.contains_key(&tenant) {
            continue;
        }
        let assigned = agents.iter().map(|&at| {
            let trial = before.get(&(tenant, told[at].member.uid)).filter(|of| of.content == content);
            assigned(&told[at], trial, now)
        });
        let assigned: Vec<Assigned> = assigned.collect();
        let Next { trials, known, stopped } = wave::next(&assigned, state.trial, now);
        held += trials.iter().filter(|trial| stopped && trial.wave == WAITING).count();
        changes.begun.extend(begun(told, &agents, &assigned, &trials));
        if known {
            changes.known.push((tenant, content));
            continue;
        }
        for (&at, trial) in agents.iter().zip(trials) {
            let agent = told[at].member.uid;
            if trial.wave == WAITING {
                wait(&mut told[at]);
            }
            let due = trial.alive_since.map(|since| since.plus(state.trial)).filter(|due| *due > now);
            changes.due = sooner(changes.due, due);
            let next = AgentTrial { tenant_id: tenant, agent, content: content.clone(), trial };
            if before.remove(&(tenant, agent)).as_ref() != Some(&next) {
                changes.tries.push(next);
            }
        }
    }
    state.metrics.agents_are_held(held);
    for (tenant, agent) in before.into_keys() {
        changes.ended.entry(tenant).or_default().push(agent);
    }
    Ok(changes)
}

fn sooner(one: Option<UnixMillis>, other: Option<UnixMillis>) -> Option<UnixMillis> {
    one.into_iter().chain(other).min()
}

/// Contents that are known, by tenant and version.
struct Known(HashMap<(TenantId, String), Vec<Content>>);

impl Known {
    fn of(all: Vec<(TenantId, Content)>) -> Self {
        let mut known: HashMap<_, Vec<Content>> = HashMap::new();
        for (tenant, content) in all {
            known.entry((tenant, content.version.clone())).or_default().push(content);
        }
        Self(known)
    }

    fn has(&self, tenant: TenantId, content: &Content) -> bool {
        let of_version = self.0.get(&(tenant, content.version.clone()));
        of_version.is_some_and(|known| known.iter().any(|one| content.is_known_by(one)))
    }
}

type Trials = HashMap<(TenantId, AgentUid), AgentTrial>;
type ByContent = BTreeMap<(TenantId, Content), Vec<usize>>;

/// Agents of each content that is new to their version. Who has applied it in a trial that still goes on stays in that: the others
/// wait for how it fares.
async fn on_trial(
    reader: &mut Connection,
    told: &[Told],
    known: &Known,
    before: &Trials,
) -> Result<ByContent, StoreError> {
    let mut new: Vec<(usize, TenantId, AgentUid, &Wanted, &Content)> = Vec::new();
    for (at, Told { member, goal, .. }) in told.iter().enumerate() {
        let (Goal::Run(wanted), tenant) = (goal, member.tenant_id) else { continue };
        let content = wanted.content.as_ref().filter(|content| !known.has(tenant, content));
        new.extend(content.map(|content| (at, tenant, member.uid, wanted, content)));
    }
    // Who has run it before is told it at once, outside of experiments.
    let mut alone: BTreeMap<(TenantId, &str), Vec<AgentUid>> = BTreeMap::new();
    let tries = |tenant, agent, content: &Content| {
        before.get(&(tenant, agent)).is_some_and(|of| of.content == *content)
    };
    for &(_, tenant, agent, wanted, content) in &new {
        if wanted.of.is_some() || tries(tenant, agent, content) {
            continue;
        }
        alone.entry((tenant, &wanted.plan.content)).or_default().push(agent);
    }
    let mut again = HashSet::new();
    for ((tenant, content), agents) in alone {
        let applied = generations::have_applied(reader, tenant, &agents, content).await?;
        again.extend(applied.into_iter().map(|agent| (tenant, agent)));
    }
    let mut of = ByContent::new();
    for (at, tenant, agent, _, content) in new {
        if !again.contains(&(tenant, agent)) {
            of.entry((tenant, content.clone())).or_default().push(at);
        }
    }
    Ok(of)
}

fn assigned(
    Told { member, latest, goal, .. }: &Told,
    trial: Option<&AgentTrial>,
    now: UnixMillis,
) -> Assigned {
    let content = match goal {
        Goal::Run(wanted) => wanted.plan.content.as_str(),
        Goal::Kept | Goal::Own => "",
    };
    let latest = latest.as_ref().filter(|latest| latest.content == content);
    let runs =
        latest.filter(|latest| latest.status == Status::Applied && latest.generation == member.generation);
    Assigned {
        trial: trial.map(|of| of.trial.clone()),
        connected: member.connected.is_some_and(|heard| heard.plus(SILENCE) > now),
        // One that does not name its process cannot be seen to have died.
        runs: runs.map(|_| member.boot_id.clone().unwrap_or_default()),
        refused: latest.is_some_and(|latest| latest.status == Status::Failed),
        quarantined: latest.is_some_and(Offered::is_quarantined),
    }
}

/// An agent that waits stays where it is, unless that is in an experiment that is over.
fn wait(told: &mut Told) {
    let Goal::Run(wanted) = std::mem::replace(&mut told.goal, Goal::Kept) else { return };
    let Wanted { of, promoted, otherwise, .. } = wanted;
    let experiment = of.map(|(id, _)| id);
    let before = told.latest.as_ref().and_then(Offered::in_experiment);
    if experiment.is_some() && before.is_some() && before != experiment {
        told.goal = match otherwise.generation.baseline {
            Baseline::Current => Goal::Own,
            Baseline::Given(_) => {
                let plan = Arc::clone(&otherwise);
                Goal::Run(Wanted { plan, of: None, promoted, content: None, otherwise })
            }
        };
    }
}

/// Waves that begin now, for who watches experiments, and for the log.
fn begun(told: &[Told], agents: &[usize], before: &[Assigned], after: &[Trial]) -> Vec<Begun> {
    let mut begun: BTreeMap<(Option<ExperimentId>, u8), Begun> = BTreeMap::new();
    for ((&at, before), after) in agents.iter().zip(before).zip(after) {
        let was = before.trial.as_ref().map_or(WAITING, |trial| trial.wave);
        let Goal::Run(wanted) = &told[at].goal else { continue };
        let id = wanted.of.as_ref().map(|(id, _)| *id);
        if was != WAITING || after.wave == WAITING || before.runs.is_some() {
            continue;
        }
        let (tenant_id, experiment_id, wave) = (told[at].member.tenant_id, id, after.wave);
        let new = Begun { tenant_id, experiment_id, wave, hosts: Vec::new(), of: agents.len() };
        begun.entry((id, wave)).or_insert(new).hosts.push(told[at].member.host.clone());
    }
    begun.into_values().collect()
}
