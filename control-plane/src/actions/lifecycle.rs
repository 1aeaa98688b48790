//! Actions on an experiment: the functions that REST and the reconcilers share.
//!
//! They write desired state, an event and an audit row in one transaction, guarded by the version that was read, and
//! wake the reconcilers; none of them talks to an agent.

mod matching;
mod promoted;

use matching::{Matching, matching};
use promoted::{deploy, keep_baselines};
use serde_json::json;

use super::attest;
use crate::audit::{self, By};
use crate::clock::UnixMillis;
use crate::experiment::{
    Absence, Action, ExperimentId, Outcome, Phase, Reason, Refused, Spec, State, Verdict, rebased,
};
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::deliveries::{self, News};
use crate::store::experiments::{self, Experiment};
use crate::store::freezes::{self, Freeze};
use crate::store::{StoreError, Tx};

/// Reason for which it was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// There is no such transition.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else was faster.
    #[error("the experiment has changed meanwhile; read it again")]
    Stale,
    /// Nobody to run it on.
    #[error("{}", no_agents(.selector, *.refusing, *.gone))]
    NoAgents {
        /// The selector.
        selector: String,
        /// Number of agents that match it and take nothing that is pushed.
        refusing: usize,
        /// Number of those that match it and are gone.
        gone: usize,
    },
    /// Another experiment runs on some of the agents.
    #[error("{agents} of its agents are in the experiment {other}, which is under way")]
    Busy {
        /// Number of agents in both.
        agents: usize,
        /// Id of the other experiment.
        other: ExperimentId,
    },
    /// Its author cannot be the second person.
    #[error("{0} wrote this experiment; somebody else has to approve it")]
    OwnWork(String),
    /// Nobody has approved yet.
    #[error("this experiment asks for the approval of a second person before it is promoted")]
    NotApproved,
    /// Nothing is known of what it would take the place of.
    #[error(
        "cannot promote experiment {0}: no horizon of it has come in, and none of its agents has said which pipeline it runs, so \
         that a file that was changed meanwhile would be undone. Wait until an agent is connected (`phoenix agent list`), or until \
         a horizon has come in; or make a deployment, which takes the place of whatever agents run"
    )]
    NothingCompared(String),
    /// It is under way.
    #[error("cannot delete experiment {name}: it is {phase}; stop it or roll it back first")]
    UnderWay {
        /// Name of the experiment.
        name: String,
        /// The phase it is in.
        phase: Phase,
    },
    /// It is not pending any more.
    #[error(
        "cannot replace the specification of experiment {name}: it is {phase}; create one of another name"
    )]
    Begun {
        /// Name of the experiment.
        name: String,
        /// The phase it is in.
        phase: Phase,
    },
    /// The tenant is frozen.
    #[error("cannot {} experiment {name}: {}", .action, .freeze.sentence())]
    Frozen {
        /// Name of the experiment.
        name: String,
        /// Action that was asked for.
        action: &'static str,
        /// The freeze.
        freeze: Freeze,
    },
    /// The tenant has as many under way as it may.
    #[error(
        "{0} experiments of this tenant are under way, which is the most that this control plane lets a tenant have \
         (--max-running); wait until one has ended, or stop one"
    )]
    Crowded(usize),
    /// Another one has its name.
    #[error("an experiment of the name {0} exists; choose another name, or delete that one")]
    Named(String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Name that another experiment has, where that is the reason for which one was not written.
fn named(error: StoreError, spec: &Spec) -> Failed {
    if error.is_duplicate() { Failed::Named(spec.name.clone()) } else { error.into() }
}

fn no_agents(selector: &str, refusing: usize, gone: usize) -> String {
    if gone > 0 {
        return format!(
            "no agent that matches {selector:?} is there: nothing was heard of {gone} for longer than the policy's \
             gone_after; bring one back, or choose others"
        );
    }
    if refusing > 0 {
        let which = if refusing == 1 { "the only agent" } else { "each of the agents" };
        return format!(
            "{which} that matches {selector:?} takes nothing that is pushed: set phoenix.experiments to `allow` in its \
             config, or choose others. An agent that came over OpAMP by a token alone, or that is no agent of Phoenix's, is \
             only heard"
        );
    }
    if selector.is_empty() {
        return "no agent is enrolled yet; enroll one first".to_owned();
    }
    format!("no enrolled agent matches {selector:?}; enroll one with these labels, or choose others")
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Store(error) => error.into(),
            Failed::Named(_) => Self::exists(failed.to_string()),
            refused => Self::conflict(refused.to_string()),
        }
    }
}

/// Writes an experiment down. `spec` was checked.
///
/// # Errors
/// [`Failed::Named`], and the store's.
pub async fn create(
    state: &AppState,
    tenant: TenantId,
    by: By,
    author: &str,
    spec: Spec,
) -> Result<Experiment, Failed> {
    let now = state.clock.now();
    let id = ExperimentId(state.entropy.uuid(now));
    let mut tx = state.store.begin(tenant).await?;
    let frozen = freezes::get(&mut tx, tenant).await?;
    let experiment = Experiment { frozen, ..pending(tenant, id, spec, author, now) };
    experiments::insert(&mut tx, &experiment).await.map_err(|error| named(error, &experiment.spec))?;
    let detail = json!({ "name": experiment.spec.name, "selector": experiment.spec.selector.to_string() });
    note(&mut tx, &experiment, by, now, ("create", detail)).await?;
    tx.commit().await?;
    state.hub.happened();
    Ok(experiment)
}

/// A pending experiment that `author` has specified at `now`.
pub fn pending(
    tenant_id: TenantId,
    id: ExperimentId,
    spec: Spec,
    author: &str,
    now: UnixMillis,
) -> Experiment {
    Experiment {
        tenant_id,
        id,
        spec,
        state: State::Pending,
        verdict: None,
        version: 1,
        created_by: author.to_owned(),
        created_at: now,
        updated_at: now,
        start_at: None,
        frozen: None,
        attested: None,
    }
}

/// Gives a pending experiment another specification, which was checked. Whoever does so is its author from then on: somebody
/// else has to approve it.
///
/// # Errors
/// [`Failed::Begun`], [`Failed::Named`], [`Failed::Stale`], and the store's.
pub async fn replace(
    state: &AppState,
    experiment: Experiment,
    spec: Spec,
    (by, author): (By, &str),
) -> Result<Experiment, Failed> {
    let Experiment { tenant_id, id, version, created_at, start_at, .. } = experiment;
    if !matches!(experiment.state, State::Pending) {
        return Err(Failed::Begun { name: experiment.spec.name, phase: experiment.state.phase() });
    }
    let now = state.clock.now();
    let next = pending(tenant_id, id, spec, author, now);
    let mut tx = state.store.begin(tenant_id).await?;
    let replaced = experiments::replace(&mut tx, version, &next).await;
    if !replaced.map_err(|error| named(error, &next.spec))? {
        return Err(Failed::Stale);
    }
    let frozen = experiment.frozen;
    let next = Experiment { version: version + 1, created_at, start_at, frozen, ..next };
    let detail = json!({ "name": next.spec.name, "selector": next.spec.selector.to_string() });
    note(&mut tx, &next, by, now, ("replace", detail)).await?;
    tx.commit().await?;
    state.hub.happened();
    Ok(next)
}

/// Deletes one that is not under way.
///
/// # Errors
/// [`Failed::UnderWay`], and the store's.
pub async fn delete(state: &AppState, experiment: &Experiment, by: By) -> Result<(), Failed> {
    let mut tx = state.store.begin(experiment.tenant_id).await?;
    // Somebody may have started it since it was read.
    let now = experiments::get(&mut tx, experiment.tenant_id, experiment.id).await?;
    let Some(experiment) = now.filter(|now| now.version == experiment.version) else {
        return Err(Failed::Stale);
    };
    let phase = experiment.state.phase();
    if experiment.state.run().is_some() {
        return Err(Failed::UnderWay { name: experiment.spec.name, phase });
    }
    experiments::delete(&mut tx, experiment.tenant_id, experiment.id).await?;
    let object = format!("experiment/{}", experiment.id);
    let detail = json!({ "name": experiment.spec.name, "phase": phase });
    audit::record(
        &mut tx,
        state.clock.now(),
        experiment.tenant_id,
        by,
        "experiment.delete",
        &object,
        &detail,
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Begins one, on the agents that its selector matches now.
///
/// # Errors
/// [`Failed`].
pub async fn start(state: &AppState, experiment: Experiment, by: By) -> Result<Experiment, Failed> {
    let mut tx = state.store.begin(experiment.tenant_id).await?;
    experiment.state.clone().after(Action::Start(Vec::new()), &experiment.spec, state.clock.now())?;
    refuse_frozen(&mut tx, &experiment, "start").await?;
    let Matching { agents, refusing, gone } = matching(state, &mut tx, &experiment).await?;
    if agents.is_empty() {
        return Err(Failed::NoAgents { selector: experiment.spec.selector.to_string(), refusing, gone });
    }
    let mut others = experiments::under_way(&mut tx).await?;
    others.retain(|other| other.id != experiment.id && other.tenant_id == experiment.tenant_id);
    if others.len() >= state.max_running {
        return Err(Failed::Crowded(others.len()));
    }
    for other in &others {
        let Some(run) = other.state.run() else { continue };
        let shared = agents.iter().filter(|agent| run.agents.contains(agent)).count();
        if shared > 0 {
            return Err(Failed::Busy { agents: shared, other: other.id });
        }
    }
    step(state, tx, experiment, Action::Start(agents), by).await
}

/// Takes an action that needs nothing but the experiment.
///
/// # Errors
/// [`Failed`].
pub async fn act(
    state: &AppState,
    experiment: Experiment,
    action: Action,
    by: By,
) -> Result<Experiment, Failed> {
    match &action {
        Action::Approve(who) if *who == experiment.created_by && !experiment.spec.is_observe_only() => {
            return Err(Failed::OwnWork(who.clone()));
        }
        Action::Promote(_) if experiment.state.awaits_approval(&experiment.spec) => {
            return Err(Failed::NotApproved);
        }
        _ => {}
    }
    let tx = state.store.begin(experiment.tenant_id).await?;
    step(state, tx, experiment, action, by).await
}

/// Promotes one on a person's word, and writes down the verdict of that moment: the last one may be of before all reports.
///
/// # Errors
/// [`Failed`].
pub async fn promote(
    state: &AppState,
    experiment: Experiment,
    reasons: Vec<Reason>,
    verdict: Option<Verdict>,
    by: By,
) -> Result<Experiment, Failed> {
    if experiment.state.awaits_approval(&experiment.spec) {
        return Err(Failed::NotApproved);
    }
    let Experiment { tenant_id, id, version, .. } = experiment;
    let mut tx = state.store.begin(tenant_id).await?;
    if let Some(verdict) = verdict
        && !experiments::decided(&mut tx, (tenant_id, id, version), &verdict).await?
    {
        return Err(Failed::Stale);
    }
    step(state, tx, experiment, Action::Promote(reasons), by).await
}

/// Takes the next step, on the agents that the selector matches now.
///
/// # Errors
/// [`Failed`].
pub async fn advance(state: &AppState, experiment: Experiment, by: By) -> Result<Experiment, Failed> {
    let mut tx = state.store.begin(experiment.tenant_id).await?;
    let Matching { agents, .. } = matching(state, &mut tx, &experiment).await?;
    step(state, tx, experiment, Action::Advance(agents), by).await
}

/// Writes down the verdict on an experiment's step, and as events if its verb is another than before, and if a baseline has
/// changed. Webhooks are told of the agents that have gone missing since the one before, and of those that are back.
///
/// # Errors
/// The store's.
pub async fn decided(
    state: &AppState,
    experiment: &Experiment,
    verdict: &Verdict,
    turned: &[Absence],
    now: UnixMillis,
) -> Result<(), StoreError> {
    let verb = |verdict: &Verdict| verdict.verb;
    let other = experiment.verdict.as_ref().map(verb) != Some(verdict.verb);
    let Experiment { tenant_id, id, version, .. } = experiment;
    let mut tx = state.store.begin(*tenant_id).await?;
    if !state.decides(&mut tx).await? {
        return Ok(());
    }
    // Somebody may have acted meanwhile, and ended it: this is the verdict on what it was.
    if !experiments::decided(&mut tx, (*tenant_id, *id, *version), verdict).await? {
        return Ok(());
    }
    attest::verdict(&mut tx, experiment, verdict, now).await?;
    if other {
        let detail = json!({ "verb": verdict.verb, "reasons": verdict.reasons });
        experiments::happened(&mut tx, *tenant_id, *id, (now, "verdict", &detail)).await?;
    }
    if let Some(Reason { sentence, hosts, names, .. }) = rebased(experiment.verdict.as_ref(), verdict) {
        let detail = json!({ "sentence": sentence, "hosts": hosts, "changes": names });
        experiments::happened(&mut tx, *tenant_id, *id, (now, "baseline", &detail)).await?;
    }
    for agent in turned {
        let about = json!({
            "experiment": { "id": id, "name": experiment.spec.name },
            "agent": { "uid": agent.uid, "host": agent.host },
        });
        let event = if agent.absent { "agent.missing" } else { "agent.back" };
        let detail = json!({ "sentence": agent.sentence() });
        deliveries::tell(&mut tx, *tenant_id, News { event, at: now, about: &about, detail: &detail })
            .await?;
    }
    tx.commit().await?;
    state.hub.happened();
    Ok(())
}

/// Refuses what goes forward in a tenant that is frozen.
async fn refuse_frozen(tx: &mut Tx, experiment: &Experiment, action: &'static str) -> Result<(), Failed> {
    match freezes::get(tx, experiment.tenant_id).await? {
        Some(freeze) => Err(Failed::Frozen { name: experiment.spec.name.clone(), action, freeze }),
        None => Ok(()),
    }
}

async fn step(
    state: &AppState,
    mut tx: Tx,
    experiment: Experiment,
    action: Action,
    by: By,
) -> Result<Experiment, Failed> {
    let now = state.clock.now();
    let Experiment { tenant_id, id, version, .. } = experiment;
    let (from, name) = (experiment.state.clone(), action.name());
    let forward = matches!(action, Action::Start(_) | Action::Advance(_) | Action::Promote(_));
    let is_decision = action.is_decision();
    let next = experiment.state.clone().after(action, &experiment.spec, now)?;
    let is_decision = is_decision || next.end().is_some();
    if matches!(by, By::ControlPlane) && !state.decides(&mut tx).await? {
        return Err(Failed::Stale);
    }
    if forward {
        refuse_frozen(&mut tx, &experiment, name).await?;
    }
    if !experiments::transition(&mut tx, (tenant_id, id, version), &next, now).await? {
        return Err(Failed::Stale);
    }
    // With the verdict of now: one may have been written down since this was read, and that is no transition.
    let Some(experiment) = experiments::get(&mut tx, tenant_id, id).await? else {
        return Err(Failed::Stale);
    };
    if let (Some(Outcome::Promoted), Some(run)) = (experiment.state.outcome(), from.run()) {
        keep_baselines(&mut tx, &experiment, run).await?;
    }
    if let Some(outcome) = experiment.state.outcome() {
        deploy(state, &mut tx, &experiment, &from, outcome, &by.to_string()).await?;
    }
    let detail = json!({
        "from": from.phase(),
        "to": experiment.state.phase(),
        "step": experiment.state.run().map(|run| run.step.to_string()),
        "weight_bp": experiment.state.run().map(|run| run.step.weight_bp()),
        "agents": experiment.state.run().map(|run| run.agents.len()),
        "outcome": experiment.state.outcome(),
        "reasons": experiment.state.end().map(|end| &end.reasons),
    });
    match from.run().filter(|_| is_decision) {
        Some(run) => {
            experiments::happened(&mut tx, tenant_id, id, (now, name, &detail)).await?;
            let (step, verdict) = (run.step.to_string(), experiment.verdict.as_ref());
            attest::decided(&mut tx, (&experiment, verdict), &step, (by, now), (name, detail)).await?;
        }
        None => note(&mut tx, &experiment, by, now, (name, detail)).await?,
    }
    tx.commit().await?;
    state.hub.wake_push();
    state.hub.wake_analyze();
    state.hub.happened();
    Ok(experiment)
}

/// Notes what was done to an experiment, as an event and in the audit.
///
/// # Errors
/// The store's.
pub(super) async fn note(
    tx: &mut Tx,
    experiment: &Experiment,
    by: By,
    now: UnixMillis,
    (action, detail): (&str, serde_json::Value),
) -> Result<(), StoreError> {
    let Experiment { tenant_id, id, .. } = experiment;
    experiments::happened(tx, *tenant_id, *id, (now, action, &detail)).await?;
    let (action, object) = (format!("experiment.{action}"), format!("experiment/{id}"));
    audit::record(tx, now, *tenant_id, by, &action, &object, &detail).await?;
    Ok(())
}
