//! A job's way through the candidate and the observer, on the candidate's worker.

use std::sync::Arc;

use observe::Variant;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep};
use pipelines::processors::{Flush, HeldPoints, RuleStats, StateSize};

use super::candidate_worker::CandidateWorker;
use super::input::BatchInput;
use super::job::{BaselineRun, BatchJob, Gaps, Job, Tick};
use super::share::PendingShare;
use crate::admission::Permit;
use crate::engine::candidate::CandidateOutcome;
use crate::engine::deadline::Deadline;
use crate::engine::experiment::{ExperimentState, LostHeld};
use crate::engine::flush::FlushOutput;
use crate::engine::limits::CandidateLimits;
use crate::engine::variant::VariantPipeline;
use crate::engine::{Engine, now};

/// State of the worker while it runs.
#[derive(Debug)]
pub struct Running<'a> {
    pub worker: &'a CandidateWorker,
    pub engine: &'a Arc<Engine>,
    pub state: ExperimentState,
    pub limits: CandidateLimits,
    /// Budgets of what is kept of series.
    pub kept: [Permit; 2],
    /// Bytes of the candidate's stages at the last tick.
    pub state_bytes: usize,
    /// The candidate gets one in so many entities.
    pub one_in: u32,
}

/// Outputs that left of a batch, by variant.
type Left = [Vec<Encoded>; 2];

impl<'a> Running<'a> {
    /// Runs one job.
    pub fn run(&mut self, job: Job) {
        match job {
            Job::Batch(job) => self.batch(*job),
            Job::Flush(job) => self.baseline_flush(*job),
            Job::Tick(tick) => self.tick(tick),
            Job::CutOut(why) => self.cut_out(&why),
        }
    }

    fn batch(&mut self, job: BatchJob) {
        let BatchJob { now, number, input, baseline, left, share, rules, gaps, mut permits } = job;
        self.roll(now, rules.unwrap_or_default(), gaps);
        self.follow(now);
        let Some(mut input) = self.read(input, &mut permits) else { return };
        self.worker.ran();
        let (mut output, spent) = match baseline {
            BaselineRun::Done(output, spent) => (output, spent),
            BaselineRun::Failed => return self.state.observer.baseline_failed(),
        };
        let came = input.point_count() as u64;
        let is_part = self.narrow(&mut input, output.as_deref_mut(), left.as_ref());
        if !input.is_identified() {
            // No stage asks for a series' identity; only what observes does.
            input.identify();
        }
        let deadline = self.deadline(share.is_some());
        if let Some(candidate) = self.state.candidate.pipeline_mut() {
            // As the baseline's, so that both are compared under one rule.
            candidate.press(self.engine.budget.pressure(self.worker.bytes()));
        }
        let outcome = self.state.candidate.process(&input, now, deadline);
        self.engine.metrics.ran(Variant::Baseline, spent);
        match &outcome {
            CandidateOutcome::Failed(why) => self.cut(why),
            CandidateOutcome::Done(spent) => self.engine.metrics.ran(Variant::Candidate, *spent),
            CandidateOutcome::Absent => {}
        }
        let left = self.settle(&input, share.as_deref().map(|share| (share, number)), left);
        if self.worker.wants_shadow() {
            let all =
                self.state.candidate.pipeline().map(|pipeline| pipeline.output(&input).encode(Keep::All));
            self.engine.shadow(all);
        }
        let ExperimentState { candidate, split, observer, .. } = &mut self.state;
        if let Some(output) = &mut output {
            output.identify();
        }
        let made = output.as_deref().unwrap_or(&input);
        let observation =
            observer.batch(&input, now, came).baseline(made, spent).candidate(candidate, &outcome);
        let by_candidate = !left[Variant::Candidate.index()].is_empty();
        let fell_back = share.is_some() && !by_candidate;
        if is_part {
            observation.finish_part();
        } else {
            let assigned = split.assign(&input, made, candidate.pipeline(), by_candidate);
            self.engine.metrics.unassigned(observation.finish(assigned, &left));
        }
        self.keep();
        let failed = self.state.candidate.take_failed();
        if failed.is_some() || fell_back || self.worker.is_apart() {
            self.release(failed, now, !by_candidate);
        }
        self.worker.give_back(input);
        output.into_iter().for_each(|output| self.worker.give_back(*output));
    }

    /// Holds what is kept from one batch to the next: the candidate's stages, and what is compared.
    fn keep(&mut self) {
        let bytes = self.state_bytes + self.state.observer.kept_bytes();
        self.kept.iter_mut().for_each(|permit| permit.hold(bytes));
    }

    /// Reads a request that the baseline has passed on, and holds what it takes. One that cannot be read is left out for both
    /// variants.
    fn read(&mut self, input: BatchInput, permits: &mut [Permit; 2]) -> Option<Batch> {
        if let BatchInput::Read(batch) = input {
            return Some(*batch);
        }
        match input.read(|| self.worker.spare()) {
            Ok(batch) => {
                // As much again for what the candidate makes of it.
                permits.iter_mut().for_each(|permit| permit.hold(2 * batch.held_bytes()));
                Some(batch)
            }
            Err(malformed) => {
                tracing::warn!(%malformed, "a request passed that the candidate cannot read: it is compared for neither variant");
                self.state.observer.take_gaps(Gaps { left_out: 1, ..Gaps::default() });
                None
            }
        }
    }

    /// Leaves out of a batch what the candidate does not get, once the whole of what has left by the baseline is accounted for.
    /// Returns true if it gets a part.
    fn narrow(&mut self, input: &mut Batch, output: Option<&mut Batch>, left: Option<&Encoded>) -> bool {
        let ExperimentState { split, observer, .. } = &mut self.state;
        let Some(followed) = observer.part(input) else { return false };
        let left = [left.cloned().into_iter().collect(), Vec::new()];
        let assigned = split.assign(input, output.as_deref().unwrap_or(input), None, false);
        self.engine.metrics.unassigned(observer.audit(assigned, &left));
        input.narrow(&followed);
        output.into_iter().for_each(|output| output.narrow(&followed));
        true
    }

    /// Follows the data path, which has found that the candidate does not keep up.
    fn ease(&mut self) {
        let one_in = self.worker.one_in();
        if one_in == self.one_in {
            return;
        }
        self.one_in = one_in;
        self.state.observer.sample(one_in);
        self.engine.metrics.candidate_gets(one_in);
        let cpu = self.limits.share();
        tracing::warn!(
            one_in,
            cpu,
            "the candidate does not keep up with what comes in: it gets one in so many entities"
        );
    }

    /// Deadline of a batch, of which some units wait for the candidate or none do.
    fn deadline(&self, waits: bool) -> Deadline<'a> {
        let waits = waits && !self.worker.is_apart();
        self.worker.deadline(waits.then_some(self.limits.max_added_latency))
    }

    /// Sends the candidate's share of a batch, unless that was done when it was late. Returns all that has left.
    fn settle(&mut self, input: &Batch, share: Option<(&PendingShare, u64)>, left: Option<Encoded>) -> Left {
        let mut all = [left.into_iter().collect(), Vec::new()];
        let Some((share, number)) = share else { return all };
        let ExperimentState { candidate, split, delivers, .. } = &mut self.state;
        let pipeline = candidate.pipeline().filter(|_| *delivers && !self.worker.is_apart());
        let encoded = pipeline.map(|of| split.encode(Variant::Candidate, input, of.output(input), true));
        if let Some(pipeline) = pipeline {
            // Before the share is not owed any more.
            self.engine.account_held(Variant::Candidate, pipeline.kept().held);
        }
        if let Some(encoded) = encoded
            && let Some(open) = self.worker.claim(share, number)
        {
            self.engine.metrics.left(Variant::Candidate, encoded.points);
            all[Variant::Candidate.index()].push(encoded.clone());
            open.send(Variant::Candidate, encoded);
        } else {
            share.fall_back();
            all[Variant::Baseline.index()].push(share.fallback().clone());
        }
        all
    }

    /// Closes the window that has ended by `now`, after what happened before. Batches that were left out make this window and the next one count for
    /// nothing: of what stages remember, the candidate's lack them.
    fn roll(&mut self, now: u64, rules: Vec<RuleStats>, gaps: Gaps) {
        let ExperimentState { candidate, observer, .. } = &mut self.state;
        observer.account(rules);
        observer.take_gaps(gaps);
        observer.roll(candidate.pipeline_mut(), now);
        self.ease();
    }

    fn baseline_flush(&mut self, (mut flush, left): (Flush, Encoded)) {
        self.state.observer.narrow(&mut flush);
        let Flush { input, output, .. } = &mut flush;
        output.identify();
        self.state.observer.flush(Variant::Baseline, input, output).finish(&left);
    }

    fn tick(&mut self, tick: Tick) {
        let Tick { now, rules, flushes, gaps } = tick;
        self.roll(now, rules, gaps);
        for LostHeld { variant, stage, points } in self.engine.take_orphaned(&self.state.id) {
            self.state.observer.lost_held(variant, &stage, points);
        }
        self.follow(now);
        if flushes {
            self.flush_candidate(now);
        }
        if self.worker.is_abandoned() {
            return;
        }
        if let Some(pipeline) = self.state.candidate.pipeline_mut() {
            self.engine.count_rules(Variant::Candidate, pipeline);
        }
        self.worker.show_levels(&self.state);
        self.state_bytes = self.state.candidate.pipeline().map_or(0, VariantPipeline::state_bytes);
        self.keep();
        let observer = &mut self.state.observer;
        let outbox = &self.engine.reporter.outbox;
        if let Some((id, keys)) = outbox.take_asked() {
            outbox.answer(id, observer.names(&keys));
        }
        let closed = observer.take_closed();
        self.engine.file(self.engine.evidence(), closed);
    }

    /// Lets time pass in the candidate, and sends what is due.
    fn flush_candidate(&mut self, now: u64) {
        let Some(pipeline) = self.state.candidate.pipeline_mut() else { return };
        let (flushes, lost) = (pipeline.advance(now), pipeline.take_lost());
        self.send(flushes, lost);
    }

    /// Follows the data path, or whoever else has cut the candidate out of delivery, between two jobs: all that its stages
    /// hold came by batches that it has delivered.
    fn follow(&mut self, now: u64) {
        if self.worker.is_apart() {
            self.release(None, now, false);
        }
    }

    /// Sends what the candidate's stages hold for its units once, when they leave by the baseline from here on; to be called
    /// with the pipeline that failed, where one did.
    ///
    /// The rule by which each point leaves once: until then the candidate has delivered its share of every batch that its
    /// stages have seen, so what they hold is its to send. The one exception is the batch at which it was cut out
    /// (`but_last`), whose share has left by the baseline: what that batch brought stays in the stages, which go on in
    /// mirror, or goes with them. Later batches are the baseline's. A stage that keeps one point a series has given up an
    /// earlier one for it, by its own rule, whoever sends the later one. The baseline does the same from its side, see
    /// `CandidateFeed::take_first_apart`.
    fn release(&mut self, failed: Option<VariantPipeline>, now: u64, but_last: bool) {
        let mut failed = failed;
        if self.state.delivers
            && let Some(pipeline) = failed.as_mut().or_else(|| self.state.candidate.pipeline_mut())
        {
            let from = pipeline.last_batch().filter(|_| but_last);
            if self.worker.is_abandoned() {
                // The destinations are another generation's by now.
                let mut lost = pipeline.take_lost();
                lost.extend(pipeline.held(from));
                let lost = self.state.lose(Variant::Candidate, lost);
                self.engine.count_orphaned(&self.state.id, lost);
            } else {
                let flushes = pipeline.release(now, from);
                let lost = pipeline.take_lost();
                self.send(flushes, lost);
            }
        }
        self.state.delivers = false;
        if let Some(mut pipeline) = failed.filter(|_| !self.worker.is_abandoned()) {
            self.engine.metrics.rules(Variant::Candidate, pipeline.take_rule_counts());
            self.engine.metrics.stages(Variant::Candidate, pipeline.take_stage_counts());
            self.engine.metrics.kept(Variant::Candidate, StateSize::default());
        }
    }

    /// Sends what the candidate's stages sent, and counts what they lost.
    fn send(&mut self, flushes: Result<Vec<Flush>, String>, lost: Vec<HeldPoints>) {
        let mut output =
            FlushOutput { lost: self.state.lose(Variant::Candidate, lost), ..FlushOutput::default() };
        if let Err(why) = &flushes {
            self.cut(why);
            self.state.delivers = false;
        }
        output.take_candidate(flushes.unwrap_or_default(), &mut self.state);
        if self.worker.is_abandoned() {
            self.engine.count_orphaned(&self.state.id, output.lost);
        } else {
            self.engine.dispatch(&self.engine.current.load_full(), output);
        }
    }

    /// Counts what the candidate's stages hold for its units, because nobody waits for them any more.
    pub fn abandon(&mut self) {
        self.release(None, 0, false);
    }

    /// Cuts the candidate out, which needs more than its budget.
    fn cut_out(&mut self, why: &str) {
        if self.state.candidate.pipeline().is_none() {
            return;
        }
        self.cut(why);
        let pipeline = self.state.cut_candidate();
        self.release(pipeline, now(), false);
    }

    /// Says that the candidate is cut out. Its units leave by the baseline from now on.
    fn cut(&self, why: &str) {
        self.worker.keep_apart();
        if !self.worker.is_abandoned() {
            self.engine.cut(why);
        }
    }
}
