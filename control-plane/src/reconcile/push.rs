//! Push: what each agent is to run, written down under a number of its own, and offered.
//!
//! An agent is in at most one experiment: the oldest that is under way and matches it. Outside of experiments it runs
//! the last deployment that matches it, and without one its own file. One whose owner wants nothing pushed is passed
//! over. A content that an agent has refused is not written down again; a number that it could not take is, what it had
//! in quarantine until that was lifted, and a promotion for another pipeline than the agent's file had, once it has that.
//!
//! Content that is new to agents of its version comes in waves ([`staging`]). In a tenant that is frozen no agent is offered
//! anything new ([`freeze`]).

mod compared;
mod contents;
mod decided;
mod freeze;
mod plan;
mod staging;

use std::sync::Arc;
use std::time::Duration;

use proto::generation::{Baseline, Generation, config_hash};
use proto::promotion::OTHER_BASELINE;

use super::PERIOD;
use crate::actions::{self, generations::Changes};
use crate::clock::UnixMillis;
use crate::id::TenantId;
use crate::state::AppState;
use crate::store::deployments::Deployment;
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError};
use crate::traces;
use compared::Compared;
use contents::Contents;
use decided::Decided;
use plan::{Plan, Plans, Wanted, plain};

/// What an agent is to run.
enum Goal {
    /// What it was told last.
    Kept,
    /// What its own file says.
    Own,
    /// A generation.
    Run(Wanted),
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
    let due = actions::generations::offer(state, Decided::read, changed).await?;
    let now = state.clock.now();
    Ok(due.map_or(PERIOD, |due| now.until(due).clamp(Duration::from_millis(1), PERIOD)))
}

/// Agents that are to run something else than they were told last.
async fn changed(
    state: &AppState,
    reader: &mut Connection,
    Decided { under_way, frozen, deployments: all }: &Decided,
) -> Result<Changes, StoreError> {
    traces::looks_at(under_way.len());
    let contents = Contents::of(&state.plans, under_way).await;
    let mut deployed: Option<(TenantId, Vec<(Deployment, String)>)> = None;
    let mut told = Vec::new();
    let members = sessions::everybody(reader).await?;
    let mut latest = generations::latest_of_all(reader).await?;
    let mut plans = Plans::new(under_way);
    for member in members.into_iter().filter(|member| !member.refuses_configs) {
        let tenant = member.tenant_id;
        if deployed.as_ref().is_none_or(|(of, _)| *of != tenant) {
            let latest = all.get(&tenant).cloned().unwrap_or_default();
            deployed = Some((tenant, contents::digested(&state.plans, latest).await));
        }
        let deployments = deployed.as_ref().map(|(_, all)| all.as_slice()).unwrap_or_default();
        let goal = plans.wanted(&member, deployments, &contents).map_or(Goal::Own, Goal::Run);
        let latest = latest.remove(&(tenant, member.uid));
        let since = frozen.get(&tenant);
        let restored = |since: &UnixMillis| {
            deployments.iter().any(|(one, _)| one.created_at >= *since && one.is_for(&member))
        };
        let restored = since.is_some_and(restored);
        told.push(Told { member, latest, goal, restored });
    }
    let mut changes = staging::hold_back(state, reader, &mut told, frozen).await?;
    freeze::hold(reader, &mut told, frozen).await?;
    let mut compared = Compared::default();
    for Told { member, latest, goal, .. } in told {
        let promoted = match &goal {
            Goal::Run(wanted) => wanted.promoted,
            Goal::Kept | Goal::Own => None,
        };
        if let Some(mut next) = differs(&member, latest, goal) {
            if let Some(experiment) = promoted {
                let of = (member.tenant_id, experiment);
                next.compared_with = compared.with(state, reader, of, member.uid).await?;
            }
            changes.offers.push((member.tenant_id, member.uid, next));
        }
    }
    Ok(changes)
}

/// The generation to write down, if what the agent was told last is not what is wanted.
fn differs(member: &Member, latest: Option<Offered>, goal: Goal) -> Option<Offered> {
    let (plan, of, promoted) = match (goal, &latest) {
        // Never told anything, and to run what its own file says: it does.
        (Goal::Kept, _) | (Goal::Own, None) => return None,
        (Goal::Own, Some(_)) => (Arc::new(Plan::of(plain(None, Baseline::Current))), None, None),
        (Goal::Run(Wanted { plan, of, promoted, .. }), _) => (plan, of, promoted),
    };
    let Plan { generation, content } = &*plan;
    let (experiment_id, step) = of.unzip();
    let experiment_id = experiment_id.or(promoted);
    if let Some(latest) = &latest {
        let of_same = step.is_none() || latest.experiment_id == experiment_id;
        let same = latest.content == *content && latest.step == step && of_same;
        let again = match refusal(latest) {
            None => false,
            Some(Refusal::OtherBaseline) => {
                latest.experiment_id != experiment_id || is_compared_now(member, latest)
            }
            Some(Refusal::Quarantined) if member.quarantined.is_empty() => true,
            Some(_) => member.generation >= latest.generation,
        };
        if same && !again {
            return None;
        }
    }
    let number = latest.map_or(0, |latest| latest.generation).max(member.generation) + 1;
    let body = Generation { number: number.unsigned_abs(), ..generation.clone() }.write();
    Some(Offered {
        generation: number,
        content: content.clone(),
        config_hash: hex::encode(config_hash(body.as_bytes())),
        body,
        experiment_id,
        step,
        status: Status::Pending,
        error: None,
        compared_with: Vec::new(),
    })
}

/// Ways in which an agent refuses a generation.
enum Refusal {
    /// It was compared with another pipeline than the one of the agent's file.
    OtherBaseline,
    /// Its content is in quarantine.
    Quarantined,
    /// Any other; also that its number is taken.
    Other,
}

fn refusal(latest: &Offered) -> Option<Refusal> {
    let failed = latest.error.as_deref().unwrap_or_default();
    (latest.status == Status::Failed).then(|| match failed {
        _ if failed.starts_with(OTHER_BASELINE) => Refusal::OtherBaseline,
        _ if latest.is_quarantined() => Refusal::Quarantined,
        _ => Refusal::Other,
    })
}

/// Tells whether an agent that has refused a promotion has a pipeline in charge that it was compared with.
fn is_compared_now(member: &Member, latest: &Offered) -> bool {
    member.baseline_digest.as_ref().is_some_and(|own| latest.compared_with.contains(own))
}

#[cfg(test)]
mod tests;
