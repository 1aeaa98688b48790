//! Push: what each agent is to run, written down under a number of its own, and offered.
//!
//! An agent is in at most one experiment: the oldest that is under way and matches it. Outside of experiments it runs
//! the last deployment that matches it, and without one its own file. One whose owner wants nothing pushed is passed
//! over. A content that an agent has refused is not
//! written down again; a number that it could not take is.

use pipelines::split::{Split, Splitter, Unit, Weight};
use proto::generation::{Baseline, Fragment, Generation, config_hash};

use crate::actions::{self, generations::Changes};
use crate::experiment::{ExperimentId, Run};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::deployments::{self, Deployment};
use crate::store::experiments::{self, Experiment};
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError};

/// Generation that an agent is to run, but for its number.
struct Wanted {
    generation: Generation,
    of: Option<(ExperimentId, String)>,
}

/// Looks at every agent once.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<(), StoreError> {
    actions::generations::offer(state, changed).await
}

/// Agents that are to run something else than they were told last.
async fn changed(reader: &mut Connection) -> Result<Changes, StoreError> {
    let under_way = experiments::under_way(reader).await?;
    let members = sessions::everybody(reader).await?;
    let mut deployed: Option<(TenantId, Vec<Deployment>)> = None;
    let mut changed = Vec::new();
    for member in members.into_iter().filter(|member| !member.refuses_configs) {
        let tenant = member.tenant_id;
        if deployed.as_ref().is_none_or(|(of, _)| *of != tenant) {
            deployed = Some((tenant, deployments::latest(reader, tenant).await?));
        }
        let deployments = deployed.as_ref().map(|(_, all)| all.as_slice()).unwrap_or_default();
        let wanted = wanted(&member, &under_way, deployments);
        if let Some(next) = differs(reader, &member, wanted).await? {
            changed.push((tenant, member.uid, next));
        }
    }
    Ok(changed)
}

/// The generation to write down, if what the agent was told last is not what is wanted.
async fn differs(
    reader: &mut Connection,
    member: &Member,
    wanted: Option<Wanted>,
) -> Result<Option<Offered>, StoreError> {
    let latest = generations::latest(reader, member.tenant_id, member.uid).await?;
    let wanted = match (wanted, &latest) {
        // Never told anything, and to run what its own file says: it does.
        (None, None) => return Ok(None),
        (None, Some(_)) => Wanted { generation: plain(Baseline::Current), of: None },
        (Some(wanted), _) => wanted,
    };
    let content = wanted.generation.content();
    let (experiment_id, step) = wanted.of.unzip();
    if let Some(latest) = &latest {
        let same = latest.content == content && latest.experiment_id == experiment_id && latest.step == step;
        let number_taken = latest.status == Status::Failed && member.generation >= latest.generation;
        if same && !number_taken {
            return Ok(None);
        }
    }
    let generation = latest.map_or(0, |latest| latest.generation).max(member.generation) + 1;
    let body = Generation { number: generation.unsigned_abs(), ..wanted.generation }.write();
    Ok(Some(Offered {
        generation,
        content,
        config_hash: hex::encode(config_hash(body.as_bytes())),
        body,
        experiment_id,
        step,
        status: Status::Pending,
        error: None,
    }))
}

fn wanted(member: &Member, under_way: &[Experiment], deployments: &[Deployment]) -> Option<Wanted> {
    let matches = |experiment: &&Experiment| {
        experiment.tenant_id == member.tenant_id && experiment.spec.selector.matches(&member.labels)
    };
    let deployed = deployments.iter().rev().filter(|deployment| deployment.selector.matches(&member.labels));
    let deployed = deployed.filter_map(|deployment| deployment.config.as_ref()).map(Fragment::new).next();
    let Some((experiment, run)) = under_way.iter().filter(matches).find_map(|e| Some((e, e.state.run()?)))
    else {
        return deployed.map(|config| Wanted { generation: plain(Baseline::Given(config)), of: None });
    };
    let spec = &experiment.spec;
    let baseline = spec.baseline.as_ref().map(Fragment::new).or(deployed);
    let baseline = baseline.map_or(Baseline::Current, Baseline::Given);
    let id = experiment.id.to_string();
    let weight = weight(spec.unit(), &id, run, member.uid);
    let generation = spec.generation(&id, &baseline, run.step, weight);
    Some(Wanted { generation, of: Some((experiment.id, run.step.to_string())) })
}

fn plain(baseline: Baseline) -> Generation {
    Generation { number: 0, baseline, experiment: None }
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
