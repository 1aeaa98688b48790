//! Start of an experiment at a time: written down, and tried once when that has come. What hinders it then is told as an
//! event, and the experiment stays pending.

use std::time::Duration;

use serde_json::json;

use super::command::check_stored;
use super::lifecycle::{self, Failed};
use super::{Named, find};
use crate::audit::By;
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::experiment::{Action, Reason, State};
use crate::id::UserId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment};

/// Longest time until a start.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Has a pending experiment of the actor's tenant start at a time.
///
/// # Errors
/// 404, 409 for one that is not pending, 422 for a time that has passed or is more than a year away, and the store's.
pub async fn at(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    at: UnixMillis,
) -> Result<Experiment, Refusal> {
    let now = state.clock.now();
    if at <= now || at > now.plus(LONGEST) {
        let expected = format!("a time within a year after {now}");
        return Err(Refusal::invalid_field("at", format!("{at} is no time to come"), expected));
    }
    let experiment = find(state, actor, named).await?;
    let detail =
        json!({ "at": at, "reasons": [Reason::new("person", "start", format!("It is to start at {at}."))] });
    Ok(set(state, experiment, Some(at), (By::from(actor), "schedule", detail)).await?)
}

/// Takes back the time at which an experiment of the actor's tenant was to start.
///
/// # Errors
/// 404, 409 for one that has no such time, and the store's.
pub async fn never(state: &AppState, actor: &Actor, named: &Named) -> Result<Experiment, Refusal> {
    let experiment = find(state, actor, named).await?;
    let Some(at) = experiment.start_at else {
        let name = &experiment.spec.name;
        return Err(Refusal::conflict(format!("experiment {name} is not to start at any time by itself")));
    };
    Ok(set(state, experiment, None, (By::from(actor), "unschedule", json!({ "at": at }))).await?)
}

async fn set(
    state: &AppState,
    experiment: Experiment,
    at: Option<UnixMillis>,
    (by, action, detail): (By, &str, serde_json::Value),
) -> Result<Experiment, Failed> {
    let now = state.clock.now();
    if !matches!(experiment.state, State::Pending) {
        experiment.state.clone().after(Action::Start(Vec::new()), &experiment.spec, now)?;
    }
    let Experiment { tenant_id, id, version, .. } = experiment;
    let mut tx = state.store.begin(tenant_id).await?;
    if !experiments::schedule(&mut tx, (tenant_id, id, version), at).await? {
        return Err(Failed::Stale);
    }
    lifecycle::note(&mut tx, &experiment, by, now, (action, detail)).await?;
    tx.commit().await?;
    state.hub.happened();
    Ok(Experiment { start_at: at, version: version + 1, ..experiment })
}

/// Starts an experiment whose time has come. Where that is refused, it is not tried again.
///
/// # Errors
/// The store's.
pub async fn begin(state: &AppState, experiment: Experiment) -> Result<(), Refusal> {
    let refused = match attempt(state, experiment.clone()).await {
        // Of these it may be tried again in a moment.
        Ok(()) | Err(Refusal::TooMany { .. } | Refusal::Unavailable(_) | Refusal::Internal) => return Ok(()),
        Err(refused) => refused.detail().to_owned(),
    };
    tracing::warn!(experiment = %experiment.id, refused, "an experiment whose time has come did not start");
    let sentence = format!("It was to start by itself, and did not: {refused}");
    let detail = json!({ "reasons": [Reason::new("audit", "start", sentence)] });
    match set(state, experiment, None, (By::ControlPlane, "start_refused", detail)).await {
        // Somebody acted meanwhile.
        Ok(_) | Err(Failed::Stale | Failed::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn attempt(state: &AppState, experiment: Experiment) -> Result<(), Refusal> {
    // Nobody asks now: what its tenant has scheduled waits for one place.
    check_stored(state, UserId(experiment.tenant_id.0), &experiment).await?;
    match lifecycle::start(state, experiment, By::ControlPlane).await {
        Ok(_) | Err(Failed::Stale) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
