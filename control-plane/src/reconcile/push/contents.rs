//! Contents: the plans of what agents are to run, by which it is known whether any has run them.

use std::collections::HashMap;

use crate::experiment::wave::Content;
use crate::experiment::{ExperimentId, Step};
use crate::plans::PlanDigests;
use crate::store::deployments::Deployment;
use crate::store::experiments::Experiment;
use crate::store::sessions::Member;

/// Digests of the plans of each experiment under way: of its baseline, where it has one of its own, and its candidate.
pub struct Contents(HashMap<ExperimentId, (Option<String>, String)>);

impl Contents {
    /// Those of these experiments.
    pub async fn of(plans: &PlanDigests, under_way: &[Experiment]) -> Self {
        let mut all = HashMap::new();
        for experiment in under_way {
            let baseline = match &experiment.spec.baseline {
                Some(config) => Some(plans.of(config).await),
                None => None,
            };
            all.insert(experiment.id, (baseline, plans.of(&experiment.spec.candidate).await));
        }
        Self(all)
    }

    /// The content of an experiment's step on an agent. `deployed` is the digest of what it runs besides experiments;
    /// without one it is its own file, of which it says the digest. A file's own plan beside itself is nothing to try.
    pub fn of_experiment(
        &self,
        member: &Member,
        id: ExperimentId,
        deployed: Option<&str>,
        step: Step,
    ) -> Option<Content> {
        let (baseline, candidate) = self.0.get(&id)?;
        let given = baseline.as_deref().or(deployed);
        if step == Step::Aa && given.is_none() {
            return None;
        }
        let baseline = given.or(member.baseline_digest.as_deref()).unwrap_or_default().to_owned();
        let candidate = if step == Step::Aa { baseline.clone() } else { candidate.clone() };
        Some(Content { version: member.version.clone(), baseline, candidate })
    }
}

/// A deployed plan alone, on an agent.
pub fn alone(member: &Member, digest: &str) -> Content {
    Content { version: member.version.clone(), baseline: digest.to_owned(), candidate: String::new() }
}

/// Deployments with the digests of their plans; those without a config give their agents back to their own files.
pub async fn digested(plans: &PlanDigests, all: Vec<Deployment>) -> Vec<(Deployment, String)> {
    let mut digested = Vec::with_capacity(all.len());
    for deployment in all {
        let digest = match &deployment.config {
            Some(config) => plans.of(config).await,
            None => String::new(),
        };
        digested.push((deployment, digest));
    }
    digested
}
