//! Deployments: the pipeline that a selector of agents runs outside of experiments. A version is never changed: another
//! config, a rollback and the end are the next one.
//!
//! What always holds: none is changed for agents that are in an experiment under way, because it may be the baseline there.

use serde_json::json;

use super::create::of_whole;
use crate::audit;
use crate::auth::Actor;
use crate::experiment::Spec;
use crate::refusal::Refusal;
use crate::selector::Selector;
use crate::state::AppState;
use crate::store::deployments::{self, Deployment, DeploymentId};
use crate::store::{Connection, Tx, experiments, freezes, sessions};

/// A deployment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// The agents.
    pub selector: Selector,
    /// Id of the pipeline of metrics; nothing for the one that each agent's file says.
    pub pipeline: Option<String>,
    /// The fragment, or a whole Collector file.
    pub config: String,
}

/// Makes a deployment. No experiment has looked at its pipeline.
///
/// # Errors
/// 409 while its agents are in an experiment under way and while the tenant is frozen; 422 for a config that is wrong; and
/// the store's.
pub async fn create(state: &AppState, actor: &Actor, new: NewDeployment) -> Result<Deployment, Refusal> {
    let NewDeployment { selector, pipeline, config } = new;
    let of = pipeline.clone();
    let checked = state.checks.run(actor.user_id, move || {
        let fragment = of_whole("config", config, of.as_deref())?;
        Spec::check_deployed(of.as_deref(), &fragment)?;
        Ok::<_, Refusal>(fragment)
    });
    let config = checked.await??;
    let now = state.clock.now();
    let id = DeploymentId(state.entropy.uuid(now));
    let (config, experiment_id, created_by) = (Some(config), None, audit::By::from(actor).to_string());
    let version =
        Deployment { id, version: 1, selector, pipeline, config, experiment_id, created_at: now, created_by };
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if let Some(freeze) = freezes::get(&mut tx, actor.tenant_id).await? {
        return Err(Refusal::conflict(format!("cannot create a deployment: {}", freeze.sentence())));
    }
    write(state, tx, actor, version, "create").await
}

/// Puts an earlier version of a deployment in force again, as its next one.
///
/// # Errors
/// 404 for a deployment or a version that there is not; 409 for the version that is in force, and as [`create`] for an
/// experiment; and the store's.
pub async fn roll_back(
    state: &AppState,
    actor: &Actor,
    (id, asked): (DeploymentId, Option<i64>),
    to: i64,
) -> Result<Deployment, Refusal> {
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let latest = latest(&mut tx, actor, id).await?;
    Refusal::unless_at(format_args!("deployment {id}"), latest.version, asked)?;
    if to == latest.version {
        return Err(Refusal::conflict(format!("version {to} of deployment {id} is in force")));
    }
    let found = deployments::versions(&mut tx, (actor.tenant_id, id), to.saturating_add(1), 1).await?;
    let found = found.into_iter().find(|found| found.version == to);
    let found =
        found.ok_or_else(|| Refusal::NotFound(format!("there is no version {to} of deployment {id}")))?;
    let next = next(state, actor, &latest, found);
    write(state, tx, actor, next, "rollback").await
}

/// Ends a deployment: its next version has no config, and its agents go back to what they run without it.
///
/// # Errors
/// 404; 409 for one that has ended, and as [`create`] for an experiment; and the store's.
pub async fn end(
    state: &AppState,
    actor: &Actor,
    (id, asked): (DeploymentId, Option<i64>),
) -> Result<Deployment, Refusal> {
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let latest = latest(&mut tx, actor, id).await?;
    Refusal::unless_at(format_args!("deployment {id}"), latest.version, asked)?;
    if latest.config.is_none() {
        return Err(Refusal::conflict(format!("deployment {id} has ended with version {}", latest.version)));
    }
    let ended = Deployment { config: None, ..latest.clone() };
    let next = next(state, actor, &latest, ended);
    write(state, tx, actor, next, "end").await
}

/// The version in force of a deployment of the actor's tenant.
///
/// # Errors
/// 404, and the store's.
pub async fn latest(
    connection: &mut Connection,
    actor: &Actor,
    id: DeploymentId,
) -> Result<Deployment, Refusal> {
    let found = deployments::versions(connection, (actor.tenant_id, id), i64::MAX, 1).await?;
    found.into_iter().next().ok_or_else(|| Refusal::not_found("deployment", id))
}

fn next(state: &AppState, actor: &Actor, latest: &Deployment, like: Deployment) -> Deployment {
    let created_by = audit::By::from(actor).to_string();
    Deployment { version: latest.version + 1, created_at: state.clock.now(), created_by, ..like }
}

async fn write(
    state: &AppState,
    mut tx: Tx,
    actor: &Actor,
    version: Deployment,
    action: &str,
) -> Result<Deployment, Refusal> {
    refuse_in_experiment(&mut tx, actor, &version.selector).await?;
    deployments::insert(&mut tx, actor.tenant_id, &version).await?;
    let object = format!("deployment/{}", version.id);
    let detail = json!({
        "version": version.version, "selector": version.selector.to_string(), "pipeline": version.pipeline,
        "config": version.config.as_deref().map(crate::hash::sha256),
    });
    let action = format!("deployment.{action}");
    audit::record(&mut tx, version.created_at, actor.tenant_id, actor, &action, &object, &detail).await?;
    tx.commit().await?;
    state.hub.wake_push();
    Ok(version)
}

async fn refuse_in_experiment(tx: &mut Tx, actor: &Actor, selector: &Selector) -> Result<(), Refusal> {
    let members = sessions::of_tenant(tx, actor.tenant_id).await?;
    let of_selector = members.iter().filter(|member| selector.matches(&member.labels, &member.attributes));
    let matching: Vec<_> = of_selector.collect();
    for experiment in experiments::under_way(tx).await? {
        if experiment.tenant_id != actor.tenant_id || experiment.state.run().is_none() {
            continue;
        }
        let of = &experiment.spec.selector;
        let both = matching.iter().filter(|member| of.matches(&member.labels, &member.attributes)).count();
        if both > 0 {
            return Err(Refusal::conflict(format!(
                "{both} of its agents are in the experiment {}, which is under way, and what they run besides it may not change; \
                 wait for its end, or stop it",
                experiment.spec.name
            )));
        }
    }
    Ok(())
}
