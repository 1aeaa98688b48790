//! Data path's end of the candidate's worker: runs the baseline, and feeds the worker with the batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use observe::Variant;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep};
use pipelines::processors::{Flush, HeldPoints, RuleStats};

use super::candidate_worker::CandidateWorker;
use super::input::BatchInput;
use super::job::{BaselineRun, BatchJob, Gaps, Job, Tick};
use super::late::LateFlushes;
use super::load::{Excess, Load, Overload, Spent};
use super::pace::thread_time;
use super::{BatchOutput, DeliveryCut, RunError};
use crate::admission::Permit;
use crate::count;
use crate::engine::experiment::{ExperimentState, LostHeld};
use crate::engine::limits::CandidateLimits;
use crate::engine::split::Split;
use crate::engine::variant::VariantPipeline;
use crate::signal::Signal;

/// See the module.
#[derive(Debug)]
pub struct CandidateFeed {
    worker: Arc<CandidateWorker>,
    /// Split, where the candidate has a share.
    split: Option<Split>,
    window_nanos: u64,
    /// Number of the window of the last batch: time over its length.
    window: u64,
    /// Bytes that a batch takes for each of its request, by the last one that was read here.
    growth: usize,
    /// What has happened since the last job.
    gaps: Gaps,
    /// What the baseline held of units that still waited.
    late: LateFlushes,
    /// Batches of the last seconds, by which the candidate's worker is judged.
    load: Load,
    may_sample: bool,
    limits: CandidateLimits,
    /// True once the baseline's stages have sent what they held when the candidate was cut out of delivery.
    followed: bool,
}

impl CandidateFeed {
    /// A feed of `worker`, with the split where the candidate has a share. `by_point` tells whether both variants look at each
    /// point by itself, so that the candidate may get fewer entities where nothing of it is delivered.
    pub fn new(
        worker: Arc<CandidateWorker>,
        split: Option<Split>,
        window_nanos: u64,
        limits: CandidateLimits,
        by_point: bool,
    ) -> Self {
        let may_sample = by_point && split.is_none();
        let window_nanos = window_nanos.max(1);
        Self {
            worker,
            split,
            window_nanos,
            window: 0,
            growth: 1,
            gaps: Gaps::default(),
            late: LateFlushes::default(),
            load: Load::new(may_sample),
            may_sample,
            limits,
            followed: false,
        }
    }

    /// Time for which units of a split wait for the candidate.
    pub fn max_added_latency(&self) -> Duration {
        self.limits.max_added_latency
    }

    /// The candidate's worker.
    pub fn worker(&self) -> &Arc<CandidateWorker> {
        &self.worker
    }

    /// Runs the baseline on one request, admitted at `now`, and leaves to the caller what follows.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(
        &mut self,
        message: Bytes,
        now: u64,
        baseline: &mut VariantPipeline,
    ) -> Result<BatchOutput, RunError> {
        if !self.waits()
            && !baseline.has_stages()
            && let Ok(points) = count::items(Signal::Metrics, &message)
        {
            return Ok(self.pass(message, points, now));
        }
        if self.is_crowded(message.len(), baseline) {
            return self.run_alone(message, now, baseline);
        }
        let received = message.len().max(1);
        let mut input = self.worker.spare();
        input.reparse(message)?;
        let rules = self.rules(baseline, now);
        if baseline.has_stages() {
            // Its rules and what its stages hold back are told by series.
            input.identify();
        }
        let started = thread_time();
        let outcome = baseline.process(&input, now);
        let spent = thread_time().saturating_sub(started);
        let mut output = BatchOutput { points: input.point_count() as u64, ..BatchOutput::default() };
        // As much again for what the candidate makes of it.
        let bytes = input.held_bytes() + 2 * baseline.output(&input).held_bytes();
        self.growth = bytes.div_ceil(received);
        let permits = self.room(bytes);
        let (run, failure) = match outcome {
            Err(failure) => (BaselineRun::Failed, Some(failure)),
            Ok(()) => {
                let missing = permits.is_none().then_some(bytes);
                self.divide(&mut output, &input, baseline.output(&input), missing);
                let made = baseline.take_output(|| self.worker.spare());
                (BaselineRun::Done(made.map(Box::new), spent), None)
            }
        };
        if let Some(permits) = permits {
            let gaps = std::mem::take(&mut self.gaps);
            let left = output.leaving.clone();
            output.job = Some(Box::new(BatchJob {
                now,
                number: baseline.last_batch().unwrap_or_default(),
                input: BatchInput::Read(Box::new(input)),
                baseline: run,
                left,
                share: None,
                rules,
                gaps,
                permits,
            }));
        } else {
            self.gaps.failures += u64::from(failure.is_some());
            self.leave_out();
            self.worker.give_back(input);
        }
        match failure {
            None => Ok(output),
            Some(failure) => {
                self.push(output.job.take());
                Err(RunError::Baseline(failure))
            }
        }
    }

    /// Tells whether units wait for the candidate.
    fn waits(&self) -> bool {
        self.split.is_some() && !self.worker.is_apart()
    }

    /// Tells whether a request of so many bytes finds no room, as far as that is known before it is read. In a split, and where
    /// stages of the baseline hold points, it is read in any case: units wait, and what is held is told by series.
    fn is_crowded(&self, bytes: usize, baseline: &VariantPipeline) -> bool {
        !self.waits() && !baseline.holds() && self.worker.is_full(bytes.saturating_mul(self.growth))
    }

    /// Passes on a request of a baseline without stages, for the price of one that nobody observes: the candidate's worker reads
    /// it, and until then it takes no more than the request.
    fn pass(&mut self, message: Bytes, points: u64, now: u64) -> BatchOutput {
        let leaving = (points > 0).then(|| Encoded { bytes: message.clone(), points });
        let mut output = BatchOutput { points, leaving, untouched: true, ..BatchOutput::default() };
        let room = if self.worker.is_full(message.len()) { None } else { self.room(message.len()) };
        let Some(permits) = room else {
            self.leave_out();
            return output;
        };
        output.job = Some(Box::new(BatchJob {
            now,
            number: 0,
            input: BatchInput::Unread(message),
            baseline: BaselineRun::Done(None, Duration::ZERO),
            left: output.leaving.clone(),
            share: None,
            rules: None,
            gaps: std::mem::take(&mut self.gaps),
            permits,
        }));
        output
    }

    /// Runs the baseline on a request that is left out, for the price of one that nobody observes.
    fn run_alone(
        &mut self,
        message: Bytes,
        now: u64,
        baseline: &mut VariantPipeline,
    ) -> Result<BatchOutput, RunError> {
        let mut input = self.worker.spare();
        let (points, outcome) = baseline.process_alone(message, now, &mut input)?;
        self.gaps.failures += u64::from(outcome.is_err());
        let output = outcome.map_err(RunError::Baseline).map(|()| {
            let mut output = BatchOutput { points, ..BatchOutput::default() };
            output.leave(baseline.output(&input), Keep::All);
            output
        });
        self.leave_out();
        self.worker.give_back(input);
        output
    }

    /// Counts a batch that is left out.
    fn leave_out(&mut self) {
        self.gaps.left_out += 1;
        self.worker.leave_out();
    }

    /// Queues what the candidate's worker is to do with a batch.
    pub fn push(&self, job: Option<Box<BatchJob>>) {
        if let Some(job) = job {
            self.worker.push(Job::Batch(job));
        }
    }

    /// Divides the baseline's output: what leaves at once, and what leaves if the candidate is not done in time. `missing` is the
    /// number of bytes for which there is no room.
    fn divide(&mut self, output: &mut BatchOutput, input: &Batch, made: &Batch, missing: Option<usize>) {
        let Some(split) = self.split.as_mut().filter(|_| !self.worker.is_apart()) else {
            return output.leave(made, Keep::All);
        };
        if let Some(bytes) = missing {
            if self.worker.keep_apart() {
                let full = "a batch of the split found its queue full".to_owned();
                let no_memory = || {
                    format!("a batch of the split, {}, found no memory: {}", mebibytes(bytes), self.memory())
                };
                output.cut = Some(if self.worker.has_room() { no_memory() } else { full });
            }
            return output.leave(made, Keep::All);
        }
        let shares = split.divide(input);
        if shares.has_all(Variant::Baseline) {
            return output.leave(made, Keep::All);
        }
        output.leave(made, Keep::Homes(shares.homes(Variant::Baseline)));
        output.fallback = Some(made.encode(Keep::Homes(shares.homes(Variant::Candidate))));
    }

    /// Budget for a batch that waits, if there is room for so many bytes.
    fn room(&self, bytes: usize) -> Option<[Permit; 2]> {
        let [agent, own] = self.worker.budgets();
        if !self.worker.has_room() {
            return None;
        }
        Some([agent.take(bytes)?, own.take(bytes)?])
    }

    /// What the baseline's rules did in windows before that of `now`, once another one has begun.
    fn rules(&mut self, baseline: &mut VariantPipeline, now: u64) -> Option<Vec<RuleStats>> {
        let window = now / self.window_nanos;
        let another = window > self.window;
        self.window = self.window.max(window);
        another.then(|| baseline.take_rule_stats())
    }

    /// Tells whether the candidate sends its share of what the baseline's stages hold.
    pub fn delivers(&self) -> bool {
        self.split.is_some() && !self.followed
    }

    /// Number of the first batch whose units all leave by the baseline, once: what its stages hold of batches before is to
    /// leave under the split still, because the candidate sends its share of it.
    pub fn take_first_apart(&mut self) -> Option<u64> {
        let first = self.worker.first_apart().filter(|_| self.split.is_some() && !self.followed)?;
        self.followed = true;
        Some(first)
    }

    /// Number of the last batch whose share the candidate has sent, where it delivers: shares of later ones may wait.
    pub fn claimed(&self) -> Option<u64> {
        self.delivers().then(|| self.worker.claimed())
    }

    /// Takes what the baseline has held of units that left by it since, see [`LateFlushes`].
    pub fn take_late(&mut self) -> Vec<Encoded> {
        let leaving = self.late.take(self.worker.first_apart(), self.worker.claimed());
        self.gaps.late.extend(leaving.iter().map(|encoded| (encoded.points, encoded.bytes.len() as u64)));
        leaving
    }

    /// Puts aside what is the candidate's of a flush of the baseline that came by a batch whose share may wait.
    pub fn put_aside(&mut self, flush: &Flush, batch: u64) {
        let Some(split) = &mut self.split else { return };
        let encoded = split.encode(Variant::Candidate, &flush.input, &flush.output, true);
        if encoded.points > 0 {
            let [agent, _] = self.worker.budgets();
            let permit = agent.hold(encoded.bytes.len());
            self.late.add(batch, encoded, permit);
        }
    }

    /// Share that leaves by the baseline of a flush of its own, of which the candidate's worker is told. `delivers` tells
    /// whether the candidate sends its share of it.
    pub fn flush(&mut self, flush: Flush, delivers: bool) -> Encoded {
        let Flush { input, output, .. } = &flush;
        let encoded = match self.split.as_mut().filter(|_| delivers) {
            Some(split) => split.encode(Variant::Baseline, input, output, true),
            None => output.encode(Keep::All),
        };
        if self.worker.has_room() {
            self.worker.push(Job::Flush(Box::new((flush, encoded.clone()))));
        } else {
            self.gaps.left_out += 1;
        }
        encoded
    }

    /// Counts points that a stage of the baseline held and that nothing sends any more: those that it would have delivered.
    pub fn lose(&mut self, held: &HeldPoints) -> LostHeld {
        let delivers = self.delivers();
        let points =
            self.split.as_mut().map_or(held.points(), |split| split.count(Variant::Baseline, held, delivers));
        let lost = LostHeld { points, ..LostHeld::of_baseline(held) };
        self.gaps.lose(&lost);
        lost
    }

    /// Counts a failure of the baseline between batches.
    pub fn baseline_failed(&mut self) {
        self.gaps.failures += 1;
    }

    /// Reason for which a candidate that needs more than its budget is cut out.
    fn why(&self, overload: Overload) -> String {
        let Overload { spent, batches, left_out, seconds, one_in } = overload;
        let of = match (one_in, self.may_sample, &self.split) {
            (1, false, None) => {
                " (it cannot get fewer entities, because a stage looks at several together)".to_owned()
            }
            (1, ..) => String::new(),
            _ => format!(" for 1 in {one_in} entities"),
        };
        let needs = match spent {
            Spent::Cpu => format!("it needs more than {} of the CPU{of}", self.limits.share()),
            Spent::Memory => format!("there is no memory for its batches{of}: {}", self.memory()),
        };
        format!("{needs}: of {batches} batches in {seconds} s, {left_out} were left out")
    }

    /// What it keeps and what the agent has, each with its limit, for a person.
    fn memory(&self) -> String {
        let [agent, own] = self.worker.budgets();
        let (resident, limit) = agent.process();
        let [kept, own, resident, limit] = [own.used(), own.limit(), resident, limit].map(mebibytes);
        format!(
            "batches that wait, its stages and what is compared take {kept} of {own} (phoenix.budget.memory), the agent has {resident} of {limit} (phoenix.memory_limit)"
        )
    }

    /// Tells the candidate's worker that time has passed until `now`; `flushes` tells whether its stages may send. Has the
    /// candidate get less, or be cut out, if it needs more than its budget.
    pub fn tick(&mut self, baseline: &mut VariantPipeline, now: u64, flushes: bool) {
        match self.load.tick(now, self.worker.take_load()) {
            None => {}
            Some(Excess::Sample(one_in)) => self.worker.sample(one_in),
            Some(Excess::CutOut(overload)) => self.worker.cut_out(self.why(overload)),
        }
        if self.worker.has_tick() {
            return;
        }
        let (rules, gaps) = (baseline.take_rule_stats(), std::mem::take(&mut self.gaps));
        self.window = self.window.max(now / self.window_nanos);
        self.worker.push(Job::Tick(Tick { now, rules, flushes, gaps }));
    }

    /// Ends the candidate's worker, and returns its state, unless it is not done within `patience`; and the cut that the
    /// baseline's stages have not followed yet. A worker that is abandoned is cut out of delivery by that.
    pub fn stop(
        mut self,
        baseline: &mut VariantPipeline,
        patience: Duration,
    ) -> (Option<ExperimentState>, Option<DeliveryCut>) {
        let mut state = self.worker.close(patience);
        if let Some(state) = &mut state {
            state.observer.account(baseline.take_rule_stats());
        }
        let late = self.take_late();
        let first = self.take_first_apart();
        if let Some(state) = &mut state {
            state.observer.take_gaps(std::mem::take(&mut self.gaps));
        }
        (state, first.zip(self.split).map(|(first, split)| DeliveryCut { first, split, late }))
    }
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
