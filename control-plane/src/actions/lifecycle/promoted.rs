//! Deployment that a promotion is, and what it is to take the place of.

use super::Failed;
use crate::experiment::{Outcome, Run, State};
use crate::state::AppState;
use crate::store::deployments::{self, Deployment, DeploymentId};
use crate::store::experiments::Experiment;
use crate::store::{StoreError, Tx, promotions, sums};

/// Keeps what a promotion is to take the place of, where no horizon says it. A baseline that the experiment gave has taken that
/// place already.
pub(super) async fn keep_baselines(tx: &mut Tx, experiment: &Experiment, run: &Run) -> Result<(), Failed> {
    let of = (experiment.tenant_id, experiment.id);
    if experiment.spec.baseline.is_some() || !sums::compared(tx, of).await?.is_empty() {
        return Ok(());
    }
    match promotions::keep(tx, of, &run.agents).await? {
        0 => Err(Failed::NothingCompared(experiment.spec.name.clone())),
        _ => Ok(()),
    }
}

/// A promotion is a deployment; rolling a promotion back is a version of it that gives the agents back.
pub(super) async fn deploy(
    state: &AppState,
    tx: &mut Tx,
    experiment: &Experiment,
    from: &State,
    outcome: Outcome,
    by: &str,
) -> Result<(), StoreError> {
    let now = state.clock.now();
    let known = deployments::latest(tx, experiment.tenant_id).await?;
    let known = known.into_iter().find(|deployment| deployment.experiment_id == Some(experiment.id));
    let next = match (outcome, known) {
        (Outcome::Promoted, None) => Deployment {
            id: DeploymentId(state.entropy.uuid(now)),
            version: 1,
            selector: experiment.spec.selector.clone(),
            pipeline: experiment.spec.pipeline.clone(),
            config: Some(experiment.spec.candidate.clone()),
            experiment_id: Some(experiment.id),
            created_at: now,
            created_by: by.to_owned(),
        },
        (Outcome::RolledBack, Some(known)) if from.outcome() == Some(Outcome::Promoted) => {
            let created_by = by.to_owned();
            Deployment { version: known.version + 1, config: None, created_at: now, created_by, ..known }
        }
        _ => return Ok(()),
    };
    deployments::insert(tx, experiment.tenant_id, &next).await
}
