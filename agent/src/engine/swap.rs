//! Swap of generations, between two batches: state is handed over, and evidence goes on.

use std::sync::Arc;
use std::time::Duration;

use observe::{Evidence, Experiment};
use pipelines::config::{Digest, Plan};
use pipelines::processors::{Variants, hand_over};
use pipelines::split::Weight;

use super::experiment::ExperimentState;
use super::generation::{Generation, HeldInputs, Routes, ServingState};
use super::limits::CandidateLimits;
use super::split::Split;
use super::variant::VariantPipeline;
use super::worker::{CandidateFeed, CandidateWorker, GenerationState, Worker};
use super::{AcknowledgeMode, Engine};
use crate::deliver::{HeldLog, VariantStates};
use crate::generation::Intent;

/// Generation to install.
#[derive(Debug)]
pub struct NextGeneration {
    /// The generation's number, committed already.
    pub number: u64,
    /// Its parts.
    pub intent: Intent,
    /// True if it is of the leading pipeline.
    pub leads: bool,
    /// Destinations of all signals.
    pub routes: Routes,
    /// Moment at which senders are answered.
    pub acknowledge: AcknowledgeMode,
    /// Name of the host where no attribute gives one.
    pub agent_uid: String,
    /// Limits of the candidate.
    pub limits: CandidateLimits,
    /// State that its stages go on with, of a process before.
    pub saved: VariantStates,
    /// Log of what the baseline's stage holds, where there is one.
    pub held: Option<HeldInputs>,
    /// Logs of a process before of which no pipeline writes any: what they have leaves by this one.
    pub left: Vec<Arc<HeldLog>>,
}

/// The longest that a swap waits for the candidate's worker.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// While batches go on.
    before: Duration,
    /// While batches wait.
    within: Duration,
}

impl Patience {
    /// Units of a split wait for the worker, for `max_added_latency` at least, and what its stages hold was accepted. Else
    /// evidence is at stake, and most where the experiment goes on.
    fn of(delivers: bool, goes_on: bool, max_added_latency: Duration) -> Self {
        let millis = |before, within| [before, within].map(Duration::from_millis);
        let [before, within] = match (delivers, goes_on) {
            (true, _) => millis(5_000, 1_000).map(|time| time.max(max_added_latency)),
            (false, true) => millis(10_000, 100),
            (false, false) => millis(200, 100),
        };
        Self { before, within }
    }
}

impl Engine {
    /// Puts `next` in charge at `now`, Unix nanoseconds, between two batches. The same generation with
    /// other destinations keeps its worker as it is.
    pub fn install(self: &Arc<Self>, next: NextGeneration, now: u64) {
        let old = self.current.load_full();
        let NextGeneration { number, intent, leads, routes, acknowledge, agent_uid, limits, .. } = next;
        let NextGeneration { saved, held, left, .. } = next;
        let (intent, agent_uid) = (&intent, agent_uid.as_str());
        let left = (intent.baseline.as_ref(), &left[..]);
        let limits = limits.within(self.budget.process_limit());
        let shadow = routes.shadow.is_some();
        let mut generation = Generation::new(number, intent.digests.baseline, leads);
        generation.candidate = intent.digests.candidate;
        if old.generation.is_same(&generation) {
            let generation = Arc::clone(&old.generation);
            if let Some(worker) = candidate_worker(&generation) {
                worker.want_shadow(shadow);
            }
            self.serve(ServingState { generation, routes, acknowledge, held }, left, now);
            return;
        }
        if old.generation.passes_as(&generation) && intent.experiment.is_none() {
            // Held until the new generation is in place, so that no batch finds neither.
            let mut retiring = old.generation.worker();
            let worker = retiring.as_mut().and_then(|worker| worker.take());
            self.succeed(number, intent);
            let generation = Arc::new(generation.run_in(worker));
            self.put_in_charge(ServingState { generation, routes, acknowledge, held }, left, now);
            return;
        }
        let mut state = state(intent, agent_uid, &limits, now);
        if let Some(state) = &mut state {
            state.restore(saved, now);
        }
        let goes_on = self.goes_on(intent);
        let ending = candidate_worker(&old.generation);
        let delivers = old.generation.splits && ending.as_ref().is_some_and(|worker| !worker.is_apart());
        let patience = Patience::of(delivers, goes_on, limits.max_added_latency);
        if let Some(worker) = ending {
            worker.catch_up(patience.before, !delivers);
        }
        // Held until the new generation is in place, so that no batch finds neither.
        let mut retiring = old.generation.worker();
        if let Some(before) = retiring.as_mut().and_then(|worker| worker.take()) {
            let mut before = before.stop(patience.within);
            // Under the old generation and by its destinations: what no stage goes on holding. Where units change the variant
            // by which they leave, none does: what one variant has sent, the other must not send, and what one holds, the
            // other does not have.
            let moves = moves_units(&before, intent);
            let successor = state.as_mut().filter(|_| !moves);
            self.dispatch(&old, before.retire(successor, now));
            self.close(&mut before, now);
            if let Some(state) = &mut state {
                adopt(state, before);
            }
        }
        let split = intent.experiment.as_ref().map(|experiment| &experiment.split);
        let split = split.filter(|split| split.weight > Weight::NONE);
        if let (Some(_), Some(experiment)) = (split, state.as_mut().and_then(|it| it.experiment.as_mut())) {
            experiment.observer.settle_lenses();
        }
        self.holding.store(Arc::new(intent.holding().into()));
        self.succeed(number, intent);
        let meter = state.as_ref().and_then(|state| state.experiment.as_ref());
        generation.meter = meter.map(|experiment| Arc::clone(experiment.observer.meter()));
        generation.splits = split.is_some();
        let worker = state.map(|state| {
            let split = split.map(|split| Split::new(split, agent_uid));
            self.worker(state, split, limits)
        });
        if let Some(feed) = worker.as_ref().and_then(|worker| worker.feed.as_ref()) {
            feed.worker().want_shadow(shadow);
        }
        let has_candidate = worker.as_ref().is_some_and(|worker| worker.feed.is_some());
        self.metrics.candidate_gets(has_candidate.into());
        self.show_levels(worker.as_ref());
        let generation = Arc::new(generation.run_in(worker));
        self.put_in_charge(ServingState { generation, routes, acknowledge, held }, left, now);
    }

    fn put_in_charge(&self, state: ServingState, left: (Option<&Plan>, &[Arc<HeldLog>]), now: u64) {
        let (number, leads) = (state.generation.number, state.generation.leads);
        self.serve(state, left, now);
        if leads {
            self.health.update(|condition| {
                condition.generation = number;
                condition.candidate_cut = None;
            });
        }
    }

    /// Tells whether the experiment under way goes on in `intent`, with the same plans.
    fn goes_on(&self, intent: &Intent) -> bool {
        let evidence = self.evidence();
        let (Some(evidence), Some(experiment)) = (evidence.as_ref(), &intent.experiment) else {
            return false;
        };
        let (under_way, digests) = (evidence.experiment(), &intent.digests);
        under_way.name == experiment.id
            && under_way.baseline == text(digests.baseline)
            && under_way.candidate == text(digests.candidate)
    }

    /// A worker that goes on with a state. Without a thread for the candidate there is no experiment.
    fn worker(
        self: &Arc<Self>,
        state: GenerationState,
        split: Option<Split>,
        limits: CandidateLimits,
    ) -> Worker {
        let GenerationState { baseline, experiment, .. } = state;
        let Some(mut experiment) = experiment else { return Worker::new(baseline, None) };
        experiment.delivers = split.is_some() && experiment.candidate.pipeline().is_some();
        let window_nanos = experiment.observer.window_nanos();
        let by_point = baseline.looks_at_points()
            && experiment.candidate.pipeline().is_some_and(VariantPipeline::looks_at_points);
        let before = baseline.last_batch().unwrap_or_default();
        let started = CandidateWorker::start(Arc::clone(self), experiment, limits, before);
        let feed = started.map(|worker| CandidateFeed::new(worker, split, window_nanos, limits, by_point));
        let feed = feed.inspect_err(|error| {
            tracing::error!(%error, "there is no thread for the candidate: nothing is compared");
        });
        Worker::new(baseline, feed.ok())
    }

    fn succeed(&self, number: u64, intent: &Intent) {
        let goes_on = self.goes_on(intent);
        let mut evidence = self.evidence();
        if let Some(evidence) = evidence.as_mut().filter(|_| !goes_on) {
            self.file_rest(evidence);
        }
        let Some(experiment) = &intent.experiment else {
            // What was found stays readable until something else is tried.
            if let Some(evidence) = evidence.as_mut() {
                evidence.end();
            }
            return;
        };
        let settings = Arc::clone(&experiment.observation);
        let compared = Experiment {
            name: experiment.id.clone(),
            generation: number,
            weight_bp: experiment.split.weight.bp(),
            unit: experiment.split.unit.to_string(),
            baseline: text(intent.digests.baseline),
            candidate: text(intent.digests.candidate),
        };
        *evidence = Some(match evidence.take() {
            Some(before) if before.experiment().name == compared.name => {
                before.succeeded_by(settings, compared)
            }
            _ => Evidence::new(settings, compared),
        });
    }
}

/// Tells whether units may leave by another variant in `intent` than in the generation before.
fn moves_units(before: &GenerationState, intent: &Intent) -> bool {
    let delivers = before.experiment.as_ref().filter(|experiment| experiment.delivers);
    let old = delivers.map(|experiment| experiment.split.rule());
    let new = intent.experiment.as_ref().map(|experiment| &experiment.split);
    old != new.filter(|split| split.weight > Weight::NONE)
}

/// A digest in hexadecimal; empty for none.
fn text(digest: Option<Digest>) -> String {
    digest.map(|digest| digest.to_string()).unwrap_or_default()
}

/// The candidate's worker of a generation, if it has one.
fn candidate_worker(generation: &Generation) -> Option<Arc<CandidateWorker>> {
    let worker = generation.worker();
    Some(Arc::clone(worker.as_ref()?.as_ref()?.feed.as_ref()?.worker()))
}

/// State of `intent` as it begins, or nothing if metrics pass through untouched and unobserved.
fn state(intent: &Intent, agent_uid: &str, limits: &CandidateLimits, now: u64) -> Option<GenerationState> {
    let baseline = intent.baseline.as_ref()?;
    let build = |experiment| ExperimentState::build(experiment, agent_uid, limits.series(), now);
    let experiment = intent.experiment.as_ref().map(build);
    let idle = baseline.stages().is_empty() && experiment.is_none();
    (!idle).then(|| GenerationState {
        baseline: VariantPipeline::build(baseline, now),
        experiment,
        cut: None,
    })
}

/// Hands state over, and the observer where it goes on observing the same.
fn adopt(new: &mut GenerationState, mut old: GenerationState) {
    // What was observed of other plans says nothing about these.
    let same_plans = run_the_same_plans(new, &old);
    hand_over(variants(&mut old), variants(new));
    if let (Some(new), Some(old)) = (&mut new.experiment, old.experiment)
        && same_plans
        && new.observer.measures_as(&old.observer)
    {
        new.observer = old.observer;
    }
}

/// Tells whether two generations have a candidate each, and the same plans by variant.
fn run_the_same_plans(a: &GenerationState, b: &GenerationState) -> bool {
    let candidates = [a, b].map(|worker| worker.experiment.as_ref()?.candidate.pipeline());
    match candidates {
        [Some(one), Some(other)] => a.baseline.runs_the_plan_of(&b.baseline) && one.runs_the_plan_of(other),
        _ => false,
    }
}

/// The pipelines of a generation, by variant.
pub fn variants(worker: &mut GenerationState) -> Variants<'_> {
    let candidate = worker.experiment.as_mut().and_then(|experiment| experiment.candidate.pipeline_mut());
    [worker.baseline.pipeline(), candidate.and_then(VariantPipeline::pipeline)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_waits_as_long_as_units_may_only_where_units_wait() {
        let minute = Duration::from_secs(60);
        let split = Patience::of(true, false, minute);
        assert_eq!([split.before, split.within], [minute; 2]);
        let mirror = [true, false].map(|goes_on| Patience::of(false, goes_on, minute));
        assert_eq!(mirror.map(|it| it.before), [Duration::from_secs(10), Duration::from_millis(200)]);
        assert_eq!(mirror.map(|it| it.within), [Duration::from_millis(100); 2]);
    }
}
