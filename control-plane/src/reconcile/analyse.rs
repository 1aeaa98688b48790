//! Analyse: evidence into verdicts, and verdicts into transitions.

use proto::Findings;

use crate::actions::lifecycle::{self, Failed};
use crate::audit::By;
use crate::clock::UnixMillis;
use crate::experiment::{
    Action, AgentEvidence, Evidence, Goal, Measured, Reason, Run, State, Verb, Verdict, decide,
};
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};
use crate::store::generations::{self, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError, windows};

/// Looks at every experiment under way once.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<(), StoreError> {
    let mut reader = state.store.read().await?;
    let under_way = experiments::under_way(&mut reader).await?;
    for experiment in under_way {
        let Some(run) = experiment.state.run().cloned() else { continue };
        let since = match &experiment.state {
            State::Analyzing { since, .. } => Some(*since),
            _ => None,
        };
        let evidence = evidence(&mut reader, &experiment, &run, since).await?;
        look(state, experiment, &run, &evidence).await?;
    }
    Ok(())
}

async fn look(
    state: &AppState,
    experiment: Experiment,
    run: &Run,
    evidence: &Evidence,
) -> Result<(), StoreError> {
    let now = state.clock.now();
    let verdict = match &experiment.state {
        State::Initializing(_) => applied(evidence),
        State::Analyzing { goal, .. } => decide(evidence, &experiment.spec, run, Some(*goal), now),
        _ => decide(evidence, &experiment.spec, run, None, now),
    };
    if experiment.verdict.as_ref() != Some(&verdict) {
        note(state, &experiment, &verdict, now).await?;
    }
    let action = next(&experiment, run, &verdict, now);
    let Some(action) = action else { return Ok(()) };
    let name = action.name();
    let (id, step) = (experiment.id, run.step);
    let done = match action {
        Action::Advance(_) => lifecycle::advance(state, experiment, By::ControlPlane).await,
        action => lifecycle::act(state, experiment, action, By::ControlPlane).await,
    };
    match done {
        Ok(after) => {
            tracing::info!(experiment = %id, %step, action = name, phase = %after.state.phase(), "decided");
            Ok(())
        }
        // Somebody acted meanwhile: the next run sees what they did.
        Err(Failed::Stale | Failed::Refused(_)) => Ok(()),
        Err(Failed::Store(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, experiment = %id, "a verdict could not be followed");
            Ok(())
        }
    }
}

/// Action that a verdict asks for in this phase.
fn next(experiment: &Experiment, run: &Run, verdict: &Verdict, now: UnixMillis) -> Option<Action> {
    let reasons = || verdict.reasons.clone();
    match (&experiment.state, verdict.verb) {
        (State::Initializing(_), Verb::Advance) => Some(Action::Applied),
        (State::Initializing(_), Verb::RollBack) => Some(Action::Fail(reasons())),
        (State::Running(_), Verb::Advance) => Some(Action::Advance(Vec::new())),
        (State::Running(_) | State::Paused(_) | State::Analyzing { .. }, Verb::RollBack) => {
            Some(Action::RollBack(reasons()))
        }
        (State::Analyzing { goal: Goal::Promote, .. }, Verb::Promote) => Some(Action::Promote(reasons())),
        (State::Analyzing { goal: Goal::Stop, since, .. }, verb) => {
            let patience = experiment.spec.report_every * 2 + experiment.spec.window * 2;
            let over = verb == Verb::Advance || since.plus(patience) < now;
            over.then(|| Action::Conclude(vec![stopped(run)]))
        }
        _ => None,
    }
}

fn stopped(run: &Run) -> Reason {
    Reason::new("person", "stop", format!("It was stopped in the step {}.", run.step))
}

/// The first step: begun once every agent runs it, and given up if one cannot.
fn applied(evidence: &Evidence) -> Verdict {
    let failed: Vec<&AgentEvidence> = evidence.agents.iter().filter(|agent| agent.failed.is_some()).collect();
    if !failed.is_empty() {
        let hosts: Vec<String> = failed.iter().map(|agent| agent.host.clone()).collect();
        let why: Vec<String> = failed.iter().filter_map(|agent| agent.failed.clone()).collect();
        let sentence = format!("It cannot be applied on {}: {}", hosts.join(", "), why.join("; "));
        let reason = Reason::new("audit", "not_applied", sentence).about(hosts, why);
        return Verdict { verb: Verb::RollBack, reasons: vec![reason] };
    }
    let open: Vec<String> =
        evidence.agents.iter().filter(|agent| !agent.applied).map(|agent| agent.host.clone()).collect();
    if open.is_empty() {
        let sentence = format!("All {} agents run it.", evidence.agents.len());
        return Verdict { verb: Verb::Advance, reasons: vec![Reason::new("audit", "applied", sentence)] };
    }
    let (all, done) = (evidence.agents.len(), evidence.agents.len() - open.len());
    let sentence = format!("{done} of {all} agents run it; waiting for {}.", open.join(", "));
    let reason = Reason::new("audit", "applied", sentence);
    let reason = reason.measured(done as f64, all as f64, all).about(open, Vec::new());
    Verdict { verb: Verb::Hold, reasons: vec![reason] }
}

/// Findings of the agents of a step; with `since`, only those after it.
///
/// # Errors
/// The store's.
pub async fn evidence(
    reader: &mut Connection,
    experiment: &Experiment,
    run: &Run,
    since: Option<UnixMillis>,
) -> Result<Evidence, StoreError> {
    let members = sessions::of_tenant(reader, experiment.tenant_id).await?;
    let mut agents = Vec::with_capacity(run.agents.len());
    for uid in &run.agents {
        let member = members.iter().find(|member| member.uid == *uid);
        agents.push(agent(reader, experiment, run, since, (*uid, member)).await?);
    }
    Ok(Evidence { agents })
}

async fn agent(
    reader: &mut Connection,
    experiment: &Experiment,
    run: &Run,
    since: Option<UnixMillis>,
    (uid, member): (crate::id::AgentUid, Option<&Member>),
) -> Result<AgentEvidence, StoreError> {
    let tenant = experiment.tenant_id;
    let step = run.step.to_string();
    let latest = generations::latest(reader, tenant, uid).await?;
    let latest =
        latest.filter(|l| l.experiment_id == Some(experiment.id) && l.step.as_deref() == Some(&step));
    let since_nanos = since.map_or(0, |since| since.0.saturating_mul(1_000_000));
    let found = windows::of_step(reader, (tenant, experiment.id), uid, &step, since_nanos).await?;
    let digest = |body: &Vec<u8>| proto::generation::config_hash(body);
    let read = found.bodies.iter().filter_map(|body| Findings::decode(body, &digest(body)).ok());
    // What the split lost of is no evidence.
    let (horizons, void): (Vec<_>, Vec<_>) = read.partition(|found| found.horizon.missing.count == 0);
    let voided = u32::try_from(void.len()).unwrap_or(u32::MAX);
    let current =
        member.zip(latest.as_ref()).filter(|(member, latest)| member.generation == latest.generation);
    Ok(AgentEvidence {
        uid,
        host: member.map_or_else(|| uid.to_string(), |member| member.host.clone()),
        applied: latest.as_ref().is_some_and(|latest| latest.status == Status::Applied),
        failed: latest
            .as_ref()
            .filter(|latest| latest.status == Status::Failed)
            .map(|latest| latest.error.clone().unwrap_or_else(|| "it does not say why".to_owned())),
        cut: current.and_then(|(member, _)| member.candidate_cut.clone()),
        last_seen: Some(found.received_at.unwrap_or(run.since).max(since.unwrap_or(run.since))),
        horizons,
        count: found.count.saturating_sub(voided),
        void: void.into_iter().flat_map(|found| found.horizon.missing.names).collect(),
        measured: measured(reader, experiment, uid).await?,
    })
}

/// Figures that varied by chance, if a guardrail asks: one of each horizon, where a restart or a step made two begin in it.
async fn measured(
    reader: &mut Connection,
    experiment: &Experiment,
    uid: crate::id::AgentUid,
) -> Result<Vec<Measured>, StoreError> {
    if !experiment.spec.policy.all_guardrails().any(|guardrail| guardrail.quantity.varies()) {
        return Ok(Vec::new());
    }
    let length = i64::try_from(experiment.spec.report_every.as_nanos()).unwrap_or(i64::MAX).max(1);
    let varied = windows::varied(reader, (experiment.tenant_id, experiment.id), uid).await?;
    let mut measured: Vec<Measured> = Vec::with_capacity(varied.len());
    for windows::Varied { start, mirror, nanos_per_point, latency_p99 } in varied {
        let horizon = u64::try_from(start / length).unwrap_or(0);
        if measured.last().is_none_or(|last| last.horizon < horizon) {
            measured.push(Measured { horizon, mirror, nanos_per_point, latency_p99 });
        }
    }
    Ok(measured)
}

async fn note(
    state: &AppState,
    experiment: &Experiment,
    verdict: &Verdict,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let verb = |verdict: &Verdict| verdict.verb;
    let turned = experiment.verdict.as_ref().map(verb) != Some(verdict.verb);
    let mut tx = state.store.begin().await?;
    experiments::decided(&mut tx, experiment.tenant_id, experiment.id, verdict).await?;
    if turned {
        let detail = serde_json::json!({ "verb": verdict.verb, "reasons": verdict.reasons });
        experiments::happened(&mut tx, experiment.tenant_id, experiment.id, (now, "verdict", &detail))
            .await?;
    }
    tx.commit().await?;
    state.hub.happened();
    Ok(())
}
