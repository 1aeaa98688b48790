//! Plans: what agents are to run, worked out once for all that are to run the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pipelines::split::{Split, Splitter, Unit, Weight};
use proto::generation::{Baseline, Fragment, Generation};

use super::contents::{self, Contents};
use crate::experiment::wave::Content;
use crate::experiment::{ExperimentId, Run};
use crate::id::{AgentUid, TenantId};
use crate::store::deployments::{Deployment, DeploymentId};
use crate::store::experiments::Experiment;
use crate::store::sessions::Member;

/// A generation but for its number, and the digest of that.
pub struct Plan {
    pub generation: Generation,
    pub content: String,
}

impl Plan {
    /// That of a generation.
    pub fn of(generation: Generation) -> Self {
        Self { content: generation.content(), generation }
    }
}

/// Generation that an agent is to run, but for its number.
pub struct Wanted {
    pub plan: Arc<Plan>,
    pub of: Option<(ExperimentId, String)>,
    /// The experiment whose promotion is its baseline.
    pub promoted: Option<ExperimentId>,
    /// Its plans; nothing where they are the file's own, which is nobody else's to try.
    pub content: Option<Content>,
    /// Generation that it runs without the experiment.
    pub otherwise: Arc<Plan>,
}

/// Experiment, its weight on an agent, and the version of a deployment: agents of which these are the same run the same.
type Kind = (Option<(ExperimentId, u16)>, Option<(DeploymentId, i64)>, TenantId);

/// See the module.
pub struct Plans<'a> {
    under_way: &'a [Experiment],
    known: HashMap<Kind, Arc<Plan>>,
    /// Agents whose hosts are the candidate's, by experiment.
    taken: HashMap<ExperimentId, HashSet<AgentUid>>,
}

impl<'a> Plans<'a> {
    /// None yet.
    pub fn new(under_way: &'a [Experiment]) -> Self {
        Self { under_way, known: HashMap::new(), taken: HashMap::new() }
    }

    /// The generation that an agent is to run; nothing where that is its own file's.
    pub fn wanted(
        &mut self,
        member: &Member,
        deployments: &[(Deployment, String)],
        contents: &Contents,
    ) -> Option<Wanted> {
        let matches = |experiment: &&Experiment| {
            experiment.tenant_id == member.tenant_id
                && experiment.spec.selector.matches(&member.labels, &member.attributes)
        };
        let deployed = deployments.iter().rev().filter(|(one, _)| one.config.is_some());
        let deployed = deployed.map(|(one, digest)| (one, digest)).find(|(one, _)| one.is_for(member));
        let promoted = deployed.and_then(|(one, _)| one.experiment_id);
        let in_charge = deployed.map(|(_, digest)| digest.as_str());
        let deployment = deployed.map(|(one, _)| (one.id, one.version));
        let otherwise = self.plan((None, deployment, member.tenant_id), || {
            match deployed.and_then(|(one, _)| Some((one, one.config.as_ref()?))) {
                Some((one, config)) => plain(one.pipeline.clone(), Baseline::Given(Fragment::new(config))),
                None => plain(None, Baseline::Current),
            }
        });
        let under_way = self.under_way.iter().filter(matches);
        let Some((experiment, run)) = under_way.filter_map(|e| Some((e, e.state.run()?))).next() else {
            let content = in_charge.map(|digest| contents::alone(member, digest))?;
            return Some(Wanted {
                plan: Arc::clone(&otherwise),
                of: None,
                promoted,
                content: Some(content),
                otherwise,
            });
        };
        let spec = &experiment.spec;
        let id = experiment.id.to_string();
        let weight = self.weight(spec.unit(), experiment.id, run, member.uid);
        let plan = self.plan((Some((experiment.id, weight)), deployment, member.tenant_id), || {
            let baseline = spec.baseline.as_ref().map(|config| Baseline::Given(Fragment::new(config)));
            let without = &otherwise.generation;
            let in_place = baseline.as_ref().unwrap_or(&without.baseline);
            let mut generation = spec.generation(&id, in_place, run.step, weight);
            if baseline.is_none() {
                // What was promoted on a pipeline is no baseline of another.
                generation.pipeline = generation.pipeline.or_else(|| without.pipeline.clone());
            }
            generation
        });
        let content = contents.of_experiment(member, experiment.id, in_charge, run.step);
        let of = Some((experiment.id, run.step.to_string()));
        let promoted = promoted.filter(|_| spec.baseline.is_none());
        Some(Wanted { plan, of, promoted, content, otherwise })
    }

    fn plan(&mut self, kind: Kind, generation: impl FnOnce() -> Generation) -> Arc<Plan> {
        Arc::clone(self.known.entry(kind).or_insert_with(|| Arc::new(Plan::of(generation()))))
    }

    /// A unit finer than a host is shared out by each agent. Hosts are shared out here: in the order of their hashes, the
    /// first ⌈w · n⌉ of the step's agents are the candidate's, so that 5 % of 20 hosts is one host, not perhaps none.
    fn weight(&mut self, unit: Unit, id: ExperimentId, run: &Run, agent: AgentUid) -> u16 {
        if unit != Unit::Host {
            return run.step.weight_bp();
        }
        let taken = self.taken.entry(id).or_insert_with(|| taken(&id.to_string(), run));
        if taken.contains(&agent) { Weight::ALL.bp() } else { Weight::NONE.bp() }
    }
}

/// Agents of a step whose hosts are the candidate's.
pub fn taken(salt: &str, run: &Run) -> HashSet<AgentUid> {
    let hash = |uid: &AgentUid| {
        let split = Split { unit: Unit::Host, weight: Weight::NONE, salt: salt.to_owned() };
        Splitter::new(split, &uid.to_string()).agent()
    };
    let mut ranked: Vec<(u64, AgentUid)> = run.agents.iter().map(|uid| (hash(uid), *uid)).collect();
    ranked.sort_unstable();
    let number = (u64::from(run.step.weight_bp()) * ranked.len() as u64).div_ceil(10_000) as usize;
    ranked.into_iter().take(number).map(|(_, uid)| uid).collect()
}

/// A generation without an experiment.
pub fn plain(pipeline: Option<String>, baseline: Baseline) -> Generation {
    Generation { number: 0, pipeline, baseline, experiment: None }
}
