//! Swap of generations, between two batches: state is handed over, and evidence goes on.

use std::sync::Arc;

use observe::{Evidence, Experiment};
use pipelines::processors::{Variants, hand_over};
use pipelines::split::Weight;

use super::experiment::ExperimentState;
use super::generation::{Generation, Routes, ServingState};
use super::variant::VariantPipeline;
use super::worker::Worker;
use super::{AcknowledgeMode, Engine};
use crate::generation::Intent;

/// Generation to install.
#[derive(Debug)]
pub struct NextGeneration<'a> {
    /// The generation's number, committed already.
    pub number: u64,
    /// Its parts.
    pub intent: &'a Intent,
    /// Destinations of all signals.
    pub routes: Routes,
    /// Moment at which senders are answered.
    pub acknowledge: AcknowledgeMode,
    /// Name of the host where no attribute gives one.
    pub agent_uid: &'a str,
}

impl Engine {
    /// Puts `next` in charge at `now`, Unix nanoseconds, between two batches. The same generation with
    /// other destinations keeps its worker as it is.
    pub fn install(&self, next: NextGeneration<'_>, now: u64) {
        let old = self.current.load_full();
        let NextGeneration { number, intent, routes, acknowledge, agent_uid } = next;
        if old.generation.number == number {
            let generation = Arc::clone(&old.generation);
            if let Some(worker) = generation.worker().as_mut().and_then(|worker| worker.as_mut()) {
                worker.want_shadow(routes.shadow.is_some());
            }
            self.current.store(Arc::new(ServingState { generation, routes, acknowledge }));
            return;
        }
        let mut worker = worker(intent, agent_uid, now);
        if let Some(worker) = &mut worker {
            worker.want_shadow(routes.shadow.is_some());
        }
        // Held until the new generation is in place, so that no batch finds neither.
        let mut retiring = old.generation.worker();
        if let Some(mut before) = retiring.as_mut().and_then(|worker| worker.take()) {
            // Under the old generation and by its destinations: what no stage goes on holding.
            self.dispatch(&old, before.retire(worker.as_mut(), now));
            self.close(&mut before, now);
            if let Some(worker) = &mut worker {
                adopt(worker, before);
            }
        }
        let splits = intent.experiment.as_ref().is_some_and(|e| e.split.weight > Weight::NONE);
        if let (true, Some(experiment)) = (splits, worker.as_mut().and_then(|it| it.experiment.as_mut())) {
            experiment.observer.settle_lenses();
        }
        self.show_levels(worker.as_ref());
        self.succeed(number, intent);
        let generation = Arc::new(Generation::new(number, splits, worker));
        self.current.store(Arc::new(ServingState { generation, routes, acknowledge }));
        drop(retiring);
        self.health.update(|condition| {
            condition.generation = number;
            condition.candidate_cut = None;
        });
    }

    fn succeed(&self, number: u64, intent: &Intent) {
        let mut evidence = self.evidence();
        let Some(experiment) = &intent.experiment else {
            // What was found stays readable until something else is tried.
            if let Some(evidence) = evidence.as_mut() {
                evidence.end();
            }
            return;
        };
        let digest =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        let settings = Arc::clone(&experiment.observation);
        let compared = Experiment {
            name: experiment.id.clone(),
            generation: number,
            weight_bp: experiment.split.weight.bp(),
            unit: experiment.split.unit.to_string(),
            baseline: digest(intent.digests.baseline),
            candidate: digest(intent.digests.candidate),
        };
        *evidence = Some(match evidence.take() {
            Some(before) if before.experiment().name == compared.name => {
                before.succeeded_by(settings, compared)
            }
            _ => Evidence::new(settings, compared),
        });
    }
}

/// A worker for `intent`, or nothing if metrics pass through untouched and unobserved.
fn worker(intent: &Intent, agent_uid: &str, now: u64) -> Option<Worker> {
    let baseline = intent.baseline.as_ref()?;
    let experiment =
        intent.experiment.as_ref().map(|experiment| ExperimentState::build(experiment, agent_uid, now));
    let idle = baseline.stages().is_empty() && experiment.is_none();
    (!idle).then(|| Worker::new(VariantPipeline::build(baseline, now), experiment))
}

/// Hands state over, and the observer where it goes on observing the same.
fn adopt(worker: &mut Worker, mut old: Worker) {
    // What was observed of other plans says nothing about these.
    let same_plans = run_the_same_plans(worker, &old);
    hand_over(variants(&mut old), variants(worker));
    if let (Some(new), Some(old)) = (&mut worker.experiment, old.experiment)
        && same_plans
        && new.observer.measures_as(&old.observer)
    {
        new.observer = old.observer;
    }
}

/// Tells whether two workers have a candidate each, and the same plans by variant.
fn run_the_same_plans(a: &Worker, b: &Worker) -> bool {
    let candidates = [a, b].map(|worker| worker.experiment.as_ref()?.candidate.pipeline());
    match candidates {
        [Some(one), Some(other)] => a.baseline.runs_the_plan_of(&b.baseline) && one.runs_the_plan_of(other),
        _ => false,
    }
}

/// The pipelines of a worker, by variant.
pub fn variants(worker: &mut Worker) -> Variants<'_> {
    let candidate = worker.experiment.as_mut().and_then(|experiment| experiment.candidate.pipeline_mut());
    [worker.baseline.pipeline(), candidate.and_then(VariantPipeline::pipeline)]
}
