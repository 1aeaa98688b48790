//! Push: what each agent is to run, written down under a number of its own, and offered.
//!
//! An agent is in at most one experiment: the oldest that is under way and matches it. Outside of experiments it runs
//! the last deployment that matches it, and without one its own file. One whose owner wants nothing pushed is passed
//! over. A content that an agent has refused is not written down again; a number that it could not take is, and what it had
//! in quarantine until that was lifted.
//!
//! Content that is new to agents of its version comes in waves ([`staging`]). In a tenant that is frozen no agent is offered
//! anything new ([`freeze`]).

mod contents;
mod freeze;
mod staging;

use std::time::Duration;

use pipelines::split::{Split, Splitter, Unit, Weight};
use proto::generation::{Baseline, Fragment, Generation, config_hash};
use proto::quarantine::QUARANTINED;

use super::PERIOD;
use crate::actions::{self, generations::Changes};
use crate::clock::UnixMillis;
use crate::experiment::wave::Content;
use crate::experiment::{ExperimentId, Run};
use crate::id::{AgentUid, TenantId};
use crate::labels::PIPELINE;
use crate::state::AppState;
use crate::store::deployments::{self, Deployment};
use crate::store::experiments::{self, Experiment};
use crate::store::freezes;
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError};
use contents::Contents;

/// What an agent is to run.
enum Goal {
    /// What it was told last.
    Kept,
    /// What its own file says.
    Own,
    /// A generation.
    Run(Box<Wanted>),
}

/// Generation that an agent is to run, but for its number.
struct Wanted {
    generation: Generation,
    of: Option<(ExperimentId, String)>,
    /// Its plans; nothing where they are the file's own, which is nobody else's to try.
    content: Option<Content>,
    /// Generation that it runs without the experiment.
    otherwise: Generation,
}

/// An agent, what it was told last and what it is to run.
struct Told {
    member: Member,
    latest: Option<Offered>,
    goal: Goal,
    /// True if a deployment was changed for it since its tenant was frozen, which only a rollback does.
    restored: bool,
}

/// Looks at every agent once; the time until there may be something to do by itself.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    let due = actions::generations::offer(state, changed).await?;
    let now = state.clock.now();
    Ok(due.map_or(PERIOD, |due| now.until(due).clamp(Duration::from_millis(1), PERIOD)))
}

/// Agents that are to run something else than they were told last.
async fn changed(state: &AppState, reader: &mut Connection) -> Result<Changes, StoreError> {
    let under_way = experiments::under_way(reader).await?;
    let frozen = freezes::all(reader).await?;
    let contents = Contents::of(&state.plans, &under_way).await;
    let mut deployed: Option<(TenantId, Vec<(Deployment, String)>)> = None;
    let mut told = Vec::new();
    let members = sessions::everybody(reader).await?;
    for member in members.into_iter().filter(|member| !member.refuses_configs) {
        let tenant = member.tenant_id;
        if deployed.as_ref().is_none_or(|(of, _)| *of != tenant) {
            let latest = deployments::latest(reader, tenant).await?;
            deployed = Some((tenant, contents::digested(&state.plans, latest).await));
        }
        let deployments = deployed.as_ref().map(|(_, all)| all.as_slice()).unwrap_or_default();
        let goal = wanted(&member, &under_way, deployments, &contents)
            .map_or(Goal::Own, |wanted| Goal::Run(Box::new(wanted)));
        let latest = generations::latest(reader, tenant, member.uid).await?;
        let since = frozen.get(&tenant);
        let restored = |since: &UnixMillis| {
            deployments.iter().any(|(one, _)| one.created_at >= *since && is_for(&member, one))
        };
        let restored = since.is_some_and(restored);
        told.push(Told { member, latest, goal, restored });
    }
    let mut changes = staging::hold_back(state, reader, &mut told, &frozen).await?;
    freeze::hold(reader, &mut told, &frozen).await?;
    for Told { member, latest, goal, .. } in told {
        if let Some(next) = differs(&member, latest, goal) {
            changes.offers.push((member.tenant_id, member.uid, next));
        }
    }
    Ok(changes)
}

/// The generation to write down, if what the agent was told last is not what is wanted.
fn differs(member: &Member, latest: Option<Offered>, goal: Goal) -> Option<Offered> {
    let (generation, of) = match (goal, &latest) {
        // Never told anything, and to run what its own file says: it does.
        (Goal::Kept, _) | (Goal::Own, None) => return None,
        (Goal::Own, Some(_)) => (plain(None, Baseline::Current), None),
        (Goal::Run(wanted), _) => {
            let Wanted { generation, of, .. } = *wanted;
            (generation, of)
        }
    };
    let content = generation.content();
    let (experiment_id, step) = of.unzip();
    if let Some(latest) = &latest {
        let same = latest.content == content && latest.experiment_id == experiment_id && latest.step == step;
        let number_taken = latest.status == Status::Failed && member.generation >= latest.generation;
        if same && !number_taken && !is_lifted(member, latest) {
            return None;
        }
    }
    let number = latest.map_or(0, |latest| latest.generation).max(member.generation) + 1;
    let body = Generation { number: number.unsigned_abs(), ..generation }.write();
    Some(Offered {
        generation: number,
        content,
        config_hash: hex::encode(config_hash(body.as_bytes())),
        body,
        experiment_id,
        step,
        status: Status::Pending,
        error: None,
    })
}

/// Tells whether an agent refused it because it was in quarantine, and nothing is any more.
fn is_lifted(member: &Member, latest: &Offered) -> bool {
    let quarantined = latest.error.as_deref().is_some_and(|error| error.starts_with(QUARANTINED));
    latest.status == Status::Failed && quarantined && member.quarantined.is_empty()
}

fn wanted(
    member: &Member,
    under_way: &[Experiment],
    deployments: &[(Deployment, String)],
    contents: &Contents,
) -> Option<Wanted> {
    let matches = |experiment: &&Experiment| {
        experiment.tenant_id == member.tenant_id
            && experiment.spec.selector.matches(&member.labels, &member.attributes)
    };
    let mut deployed = deployments.iter().rev().filter(|(one, _)| is_for(member, one));
    let deployed = deployed
        .find_map(|(one, digest)| Some((Fragment::new(one.config.as_ref()?), one.pipeline.clone(), digest)));
    let in_charge = deployed.as_ref().map(|(.., digest)| digest.as_str());
    let otherwise = deployed.map_or_else(
        || plain(None, Baseline::Current),
        |(config, pipeline, _)| plain(pipeline, Baseline::Given(config)),
    );
    let Some((experiment, run)) = under_way.iter().filter(matches).find_map(|e| Some((e, e.state.run()?)))
    else {
        let content = in_charge.map(|digest| contents::alone(member, digest))?;
        let generation = otherwise.clone();
        return Some(Wanted { generation, of: None, content: Some(content), otherwise });
    };
    let spec = &experiment.spec;
    let baseline = spec.baseline.as_ref().map(|config| Baseline::Given(Fragment::new(config)));
    let id = experiment.id.to_string();
    let weight = weight(spec.unit(), &id, run, member.uid);
    let in_place = baseline.as_ref().unwrap_or(&otherwise.baseline);
    let mut generation = spec.generation(&id, in_place, run.step, weight);
    if baseline.is_none() {
        // What was promoted on a pipeline is no baseline of another.
        generation.pipeline = generation.pipeline.or_else(|| otherwise.pipeline.clone());
    }
    let content = contents.of_experiment(member, experiment.id, in_charge, run.step);
    Some(Wanted { generation, of: Some((experiment.id, run.step.to_string())), content, otherwise })
}

/// Tells whether a deployment is for an agent.
fn is_for(member: &Member, one: &Deployment) -> bool {
    let (own, wanted) = (member.attributes.get(PIPELINE), one.pipeline.as_deref());
    let other = own.zip(wanted).is_some_and(|(own, wanted)| own != wanted);
    !other && one.selector.matches(&member.labels, &member.attributes)
}

fn plain(pipeline: Option<String>, baseline: Baseline) -> Generation {
    Generation { number: 0, pipeline, baseline, experiment: None }
}

/// A unit finer than a host is shared out by each agent. Hosts are shared out here: in the order of their hashes, the
/// first ⌈w · n⌉ of the step's agents are the candidate's, so that 5 % of 20 hosts is one host, not perhaps none.
fn weight(unit: Unit, salt: &str, run: &Run, agent: AgentUid) -> u16 {
    let weight = run.step.weight_bp();
    if unit != Unit::Host {
        return weight;
    }
    let hash = |uid: &AgentUid| {
        let split = Split { unit: Unit::Host, weight: Weight::NONE, salt: salt.to_owned() };
        Splitter::new(split, &uid.to_string()).agent()
    };
    let mut ranked: Vec<(u64, AgentUid)> = run.agents.iter().map(|uid| (hash(uid), *uid)).collect();
    ranked.sort_unstable();
    let taken = (u64::from(weight) * ranked.len() as u64).div_ceil(10_000) as usize;
    if ranked.iter().take(taken).any(|(_, uid)| *uid == agent) { Weight::ALL.bp() } else { Weight::NONE.bp() }
}

#[cfg(test)]
mod tests;
