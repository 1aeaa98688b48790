//! Analyse: evidence into verdicts, and verdicts into transitions.

use std::time::Duration;

use super::PERIOD;
use crate::actions::lifecycle::{self, Failed};
use crate::audit::By;
use crate::clock::UnixMillis;
use crate::evidence::{Moment, evidence};
use crate::experiment::{
    Action, Answer, Effect, Evidence, ExperimentId, Goal, Outcome, Reason, Run, State, Verb, Verdict, decide,
    decide_start, turned,
};
use crate::metrics::{Look, SHOWN};
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};
use crate::store::{Across, StoreError, generations};
use crate::traces;

/// Looks at every experiment under way once.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    let under_way = experiments::under_way(&mut *state.store.read(Across::Reconcile).await?).await?;
    traces::looks_at(under_way.len());
    let ids: Vec<ExperimentId> = under_way.iter().map(|experiment| experiment.id).collect();
    state.walks.retain(&ids);
    let mut looks = Vec::with_capacity(under_way.len());
    for experiment in under_way {
        let Some(run) = experiment.state.run().cloned() else { continue };
        let since = match &experiment.state {
            // What only observes is judged by all that the step has measured.
            State::Analyzing { since, goal: Goal::Promote | Goal::Stop, .. } => Some(*since),
            _ => None,
        };
        let moment = Moment::now(state);
        let mut reader = state.store.read(experiment.tenant_id).await?;
        let evidence = evidence(&mut reader, &state.walks, &experiment, &run, since, moment).await?;
        drop(reader);
        looks.push(look(state, experiment, &run, &evidence).await?);
    }
    if state.metrics.experiments().forgets() {
        state.metrics.experiments().recall(ended(state).await?);
    }
    state.metrics.experiments().show(looks, state.clock.now());
    Ok(PERIOD)
}

/// Looks at experiments that have ended lately because of what was found, each with the time of its end: another process may have
/// seen them.
async fn ended(state: &AppState) -> Result<Vec<(Look, UnixMillis)>, StoreError> {
    let mut reader = state.store.read(Across::Reconcile).await?;
    let mut looks = Vec::new();
    for experiment in experiments::ended_since(&mut reader, state.clock.now().before(SHOWN)).await? {
        let (Some(verdict), Some(end)) = (&experiment.verdict, experiment.state.end()) else { continue };
        if !is_end(verdict)
            || !matches!(experiment.state.outcome(), Some(Outcome::RolledBack | Outcome::WouldNot))
        {
            continue;
        }
        let of = (experiment.tenant_id, experiment.id);
        let step = generations::last_step(&mut reader, of).await?.unwrap_or_default();
        looks.push((shown(&experiment, step, verdict), end.at));
    }
    Ok(looks)
}

/// Tells whether a verdict ends its experiment because of what was found.
fn is_end(verdict: &Verdict) -> bool {
    matches!(verdict.verb, Verb::RollBack | Verb::WouldNot)
}

async fn look(
    state: &AppState,
    experiment: Experiment,
    run: &Run,
    evidence: &Evidence,
) -> Result<Look, StoreError> {
    let now = state.clock.now();
    let verdict = match &experiment.state {
        State::Initializing(_) => decide_start(evidence, &experiment.spec, run, now),
        State::Analyzing { goal, .. } => decide(evidence, &experiment.spec, run, Some(*goal), now),
        _ => decide(evidence, &experiment.spec, run, None, now),
    };
    let verdict = held(&experiment, verdict);
    if experiment.verdict.as_ref() != Some(&verdict) {
        let before = experiment.verdict.as_ref().map(|verdict| &verdict.basis);
        let turned = turned(before, &verdict.basis, evidence);
        lifecycle::decided(state, &experiment, &verdict, &turned, now).await?;
    }
    let shown = shown(&experiment, run.step.to_string(), &verdict);
    let action = next(&experiment, run, &verdict, now);
    let Some(action) = action else { return Ok(shown) };
    let name = action.name();
    let (id, step) = (experiment.id, run.step);
    let done = match action {
        Action::Advance(_) => lifecycle::advance(state, experiment, By::ControlPlane).await,
        action => lifecycle::act(state, experiment, action, By::ControlPlane).await,
    };
    match done {
        Ok(after) => {
            tracing::info!(experiment = %id, %step, action = name, phase = %after.state.phase(), "decided");
        }
        // Somebody acted meanwhile: the next run sees what they did.
        Err(Failed::Stale | Failed::Refused(_) | Failed::Frozen { .. }) => {}
        Err(Failed::Store(error)) => return Err(error),
        Err(error) => {
            tracing::warn!(%error, experiment = %id, "a verdict could not be followed");
        }
    }
    Ok(shown)
}

/// Part of a verdict that a monitoring sees.
fn shown(experiment: &Experiment, step: String, verdict: &Verdict) -> Look {
    let blocking = verdict.criteria.iter().filter(|one| one.effect != Effect::Tell);
    let answered = blocking.filter(|one| one.answer != Answer::NotApplicable);
    Look {
        experiment: experiment.id.to_string(),
        step,
        verb: verdict.verb.name(),
        is_end: is_end(verdict),
        criteria: answered.map(|one| (one.finding.quantity.clone(), one.answer.name())).collect(),
    }
}

/// The verdict of an experiment whose tenant is frozen: nothing goes forward, and what ends or goes back does.
fn held(experiment: &Experiment, verdict: Verdict) -> Verdict {
    let Some(freeze) = &experiment.frozen else { return verdict };
    let forward = match (&experiment.state, verdict.verb) {
        (State::Analyzing { goal: Goal::Stop | Goal::Judge, .. }, _) => false,
        (_, Verb::Continue | Verb::Hold | Verb::Advance | Verb::Promote) => true,
        // That it could not be applied: agents that wait may not be told while it is frozen.
        (State::Initializing(_), Verb::RollBack) => !verdict.is_harm(),
        _ => false,
    };
    if !forward {
        return verdict;
    }
    let verb = if verdict.verb == Verb::Continue { Verb::Continue } else { Verb::Hold };
    let mut reasons = vec![Reason::new("person", "freeze", freeze.sentence())];
    reasons.extend(verdict.reasons);
    Verdict { verb, reasons, ..verdict }
}

/// Action that a verdict asks for in this phase.
fn next(experiment: &Experiment, run: &Run, verdict: &Verdict, now: UnixMillis) -> Option<Action> {
    let reasons = || verdict.reasons.clone();
    let patience = || experiment.spec.horizon() * 2 + experiment.spec.window * 2;
    match (&experiment.state, verdict.verb) {
        (State::Paused(_), Verb::WouldPromote) => None,
        (_, Verb::WouldPromote) => Some(Action::Judge(Outcome::WouldPromote, reasons())),
        (_, Verb::WouldNot) => Some(Action::Judge(Outcome::WouldNot, reasons())),
        (State::Paused(_), Verb::NotMeasured) if !verdict.is_harm() && !verdict.is_out_of_time() => None,
        (_, Verb::NotMeasured) => Some(Action::Judge(Outcome::NotMeasured, reasons())),
        (State::Initializing(_), Verb::Advance) => Some(Action::Applied),
        (State::Initializing(_), Verb::RollBack) if verdict.is_harm() => Some(Action::RollBack(reasons())),
        (State::Initializing(_), Verb::RollBack) => Some(Action::Fail(reasons())),
        (State::Running(_), Verb::Advance) => Some(Action::Advance(Vec::new())),
        (State::Running(_) | State::Paused(_) | State::Analyzing { .. }, Verb::RollBack) => {
            Some(Action::RollBack(reasons()))
        }
        (State::Analyzing { goal: Goal::Promote, .. }, Verb::Promote) => Some(Action::Promote(reasons())),
        (State::Analyzing { goal: Goal::Stop, since, .. }, verb) => {
            let over = verb == Verb::Advance || since.plus(patience()) < now;
            over.then(|| Action::Conclude(vec![stopped(run)]))
        }
        (State::Analyzing { goal: Goal::Judge, since, .. }, _) if since.plus(patience()) < now => {
            let unmet = verdict.unmet(run.step).into_iter().map(|one| one.finding.at_the_end());
            Some(Action::Judge(Outcome::NotMeasured, std::iter::once(stopped(run)).chain(unmet).collect()))
        }
        _ => None,
    }
}

fn stopped(run: &Run) -> Reason {
    Reason::new("person", "stop", format!("It was stopped in the step {}.", run.step))
}
