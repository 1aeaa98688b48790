//! Pipeline: a plan with the state of its stages.

use bytes::Bytes;

use crate::Batch;
use crate::batch::{Encoded, Malformed};
use crate::config::{ComponentId, Digest, Plan};
use crate::ottl::Failure;
use crate::processors::{CachedFilter, DecisionCache, Processor};

use super::{
    Flush, HeldPoints, Pressure, RuleStats, StageBatch, StageError, State, StateSize, Stop, Tallies, Tally,
};

/// A pipeline that processes batches, one at a time, and lets time pass between them.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) stages: Vec<RunningStage>,
    /// Decisions of the first stage about resources, where it is asked about them alone.
    decisions: DecisionCache,
    /// Number of the last batch, by which stages that hold points know what it brought.
    pub(super) batches: u64,
    /// Points that stages held and sent, and that one behind them refused, since this was last asked.
    refused: Vec<HeldPoints>,
}

/// One turn of a pipeline's stages.
pub(super) struct Turn<'a> {
    pub(super) input: &'a Batch,
    pub(super) now: u64,
    pub(super) number: u64,
    pub(super) stop: &'a Stop<'a>,
}

/// Stage with its state and counts.
#[derive(Debug)]
pub(crate) struct RunningStage {
    pub(super) id: ComponentId,
    digest: Digest,
    processor: Processor,
    /// Its state between batches, if it has one.
    pub(super) state: Option<Box<dyn State>>,
    /// Counts of each of the processor's rules.
    tallies: Vec<Tally>,
    /// Points that came and left.
    passed: [u64; 2],
    /// What came to it and was not all passed on, where that is kept.
    pub(super) inputs: Option<Vec<Encoded>>,
}

/// Reason why a batch was refused: a condition failed in a stage that propagates errors, or the stage cannot work on
/// it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage} refused the batch: {rule} failed: {why}")]
pub struct Refusal {
    /// The stage.
    pub stage: ComponentId,
    /// The condition, as it is written in the config, or what else failed.
    pub rule: String,
    /// Error of the failure.
    pub why: Failure,
    /// True if the rest of the batch went on all the same: then the output is what leaves.
    pub passed_on: bool,
}

/// Number of points a rule dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The stage that has the rule.
    pub stage: ComponentId,
    /// The rule, as it is written in the config.
    pub rule: String,
    /// The points that it dropped. One that several rules would drop counts for the first.
    pub points: u64,
}

/// Points that came to a stage and left it since this was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageCount {
    /// The stage.
    pub stage: ComponentId,
    /// Points that came to it.
    pub incoming: u64,
    /// Points that left it, those that it had held included.
    pub outgoing: u64,
}

impl RunningStage {
    fn run(&mut self, turn: &Turn<'_>, batch: &mut Batch) -> Result<(), Refusal> {
        let Turn { input, now, number, stop } = *turn;
        let came = self.inputs.is_some().then(|| self.processor.may_hold(batch));
        let tallies = Tallies::new(input, &mut self.tallies);
        let before = batch.point_count();
        let turn = StageBatch { input, batch: &mut *batch, now, number, tallies, stop };
        let outcome = match &mut self.state {
            _ if stop.ask() => Err(StageError::stopped()),
            Some(state) => state.run(turn),
            None => self.processor.run(turn),
        };
        let came = came.filter(|_| batch.point_count() < before);
        if let (Some(inputs), Some(came)) = (&mut self.inputs, came) {
            inputs.push(came);
        }
        let outcome = if stop.is_over() { Err(StageError::stopped()) } else { outcome };
        outcome.map_err(|failed| Refusal {
            stage: self.id.clone(),
            rule: failed.rule,
            why: failed.why,
            passed_on: failed.passes_on,
        })
    }

    pub(super) fn key(&self) -> (&ComponentId, Digest) {
        (&self.id, self.digest)
    }

    /// Its type.
    pub(super) fn kind(&self) -> &str {
        self.id.kind()
    }

    /// Tells whether points may wait in it.
    pub(super) fn holds(&self) -> bool {
        !self.processor.hold().is_zero()
    }

    /// Takes over saved state. Returns false if that cannot be read or is not all of it: then the state is as at `start`.
    pub(super) fn restore(&mut self, bytes: &mut &[u8], start: u64) -> bool {
        let Some(state) = &mut self.state else { return false };
        let restored = state.restore(bytes).is_some() && bytes.is_empty();
        if !restored {
            self.state = self.processor.start(start);
        }
        restored
    }
}

impl Pipeline {
    /// Builds what a plan says, to start at `start`, Unix nanoseconds. A plan was checked, so nothing can be
    /// wrong with it.
    pub fn build(plan: &Plan, start: u64) -> Self {
        let stages = plan.stages().iter().map(|stage| RunningStage {
            id: stage.id.clone(),
            digest: stage.digest,
            tallies: vec![Tally::default(); stage.processor.rules().len()],
            passed: [0; 2],
            inputs: None,
            state: stage.processor.start(start),
            processor: stage.processor.clone(),
        });
        let stages = stages.collect();
        Self { stages, decisions: DecisionCache::default(), batches: 0, refused: Vec::new() }
    }

    /// Reads and processes a request, where nobody else asks about its input: `batch` becomes what leaves the last
    /// stage, and `spare` lends its memory. Returns how many points came, and what [`Self::process`] would. Of
    /// resources that the first stage drops by what they are themselves, points are counted, and the rest is not looked
    /// into.
    ///
    /// # Errors
    /// As [`Batch::parse`], and then no stage has seen it; what is not looked into is not checked either.
    pub fn process_alone(
        &mut self,
        source: Bytes,
        now: u64,
        batch: &mut Batch,
        spare: &mut Batch,
    ) -> Result<(u64, Result<(), Refusal>), Malformed> {
        self.batches += 1;
        if self.stages.iter().any(|stage| stage.processor.remembers_input()) {
            let points = self.read(source, now, spare)?;
            return Ok((points, self.process(spare, now, batch)));
        }
        let points = self.read(source, now, batch)?;
        let (input, number) = (&Batch::default(), self.batches);
        let turn = Turn { input, now, number, stop: &Stop::new(&never) };
        Ok((points, run(&mut self.stages, &turn, batch)))
    }

    /// Number of resources of which the decision of the first stage is remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.decisions.len()
    }

    fn read(&mut self, source: Bytes, now: u64, input: &mut Batch) -> Result<u64, Malformed> {
        let first =
            self.stages.first_mut().map(|first| (&first.processor, &mut first.tallies, &mut first.passed));
        let Some((filter, tallies, [came, _])) = first
            .and_then(|(processor, tallies, passed)| Some((processor.resource_filter()?, tallies, passed)))
        else {
            input.reparse(source)?;
            return Ok(input.point_count() as u64);
        };
        let mut filter = CachedFilter::new(filter, &mut self.decisions, now);
        input.reparse_filtered(source, &mut filter)?;
        let dropped = filter.settle(tallies);
        *came += dropped;
        Ok(input.point_count() as u64 + dropped)
    }

    /// Processes a batch: `out` becomes what leaves the last stage. `now` is the time in nanoseconds since
    /// 1970, for stages that have a clock. What was due before must have been asked for by [`Self::advance`].
    ///
    /// # Errors
    /// A stage refused the batch; then `out` holds nothing to rely on, unless the error says that it was passed
    /// on. Of several that pass it on, the first is told.
    pub fn process(&mut self, input: &Batch, now: u64, out: &mut Batch) -> Result<(), Refusal> {
        self.process_until(input, now, out, &never)
    }

    /// Does as [`Self::process`] does until `stop` says yes, which is asked every few hundred rows and statements. A
    /// pipeline that was stopped in the midst of a batch is in no state to go on, since only stages before have seen it; each
    /// stage with a state has seen it whole or not at all, so [`Self::release`] may be asked for what they hold.
    ///
    /// # Errors
    /// As [`Self::process`]; and it was stopped.
    pub fn process_until(
        &mut self,
        input: &Batch,
        now: u64,
        out: &mut Batch,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Refusal> {
        out.copy_from(input);
        self.batches += 1;
        run(&mut self.stages, &Turn { input, now, number: self.batches, stop: &Stop::new(stop) }, out)
    }

    /// Advances the clock to `now`, Unix nanoseconds: what stages send when their time has come goes through those
    /// behind them. Each flush that leaves something is an output of its own, in the order of time.
    pub fn advance(&mut self, now: u64) -> Vec<Flush> {
        let mut flushes = Vec::new();
        while let Some((at, place)) = self.next_due().filter(|(at, _)| *at <= now) {
            let until = self.others_due(place).map_or(now, |other| other.min(now));
            let flush = self.stages[place].state.as_mut().and_then(|state| state.fire(at, until));
            flushes.extend(flush.and_then(|flush| self.pass(place, flush)));
        }
        flushes
    }

    fn next_due(&self) -> Option<(u64, usize)> {
        self.all_due().min()
    }

    fn others_due(&self, but: usize) -> Option<u64> {
        self.all_due().filter(|(_, place)| *place != but).map(|(at, _)| at).min()
    }

    fn all_due(&self) -> impl Iterator<Item = (u64, usize)> {
        let due = |(place, stage): (usize, &RunningStage)| Some((stage.state.as_ref()?.due()?, place));
        self.stages.iter().enumerate().filter_map(due)
    }

    /// Time at which [`Self::advance`] next has something to do, Unix nanoseconds.
    pub fn due(&self) -> Option<u64> {
        self.next_due().map(|(at, _)| at)
    }

    /// Shuts down at `now`: all that waits in a stage is sent through those behind it.
    pub fn shutdown(&mut self, now: u64) -> Vec<Flush> {
        self.finish(now, |_| true)
    }

    /// Flushes the stages that `successor`, which takes over at `now`, does not have, through the stages that stand
    /// behind them here.
    pub fn retire(&mut self, successor: Option<&Self>, now: u64) -> Vec<Flush> {
        let stays = |stage: &RunningStage| {
            successor.is_some_and(|successor| successor.keys().any(|key| key == stage.key()))
        };
        self.finish(now, |stage| !stays(stage))
    }

    fn finish(&mut self, now: u64, which: impl Fn(&RunningStage) -> bool) -> Vec<Flush> {
        let mut flushes = self.advance(now);
        flushes.extend(self.flush_stages(now, None, which));
        flushes
    }

    /// Sends what waits in stages at `now`, through those behind them: all of it, or what came by batches before the one of
    /// the number `from`. The rest goes on waiting.
    pub fn release(&mut self, now: u64, from: Option<u64>) -> Vec<Flush> {
        self.flush_stages(now, from, |_| true)
    }

    /// Sends, as [`Self::release`] does, what came by batches before the one of the number `from` and is due at `now`: the rest
    /// of it is [`Self::advance`]'s.
    pub fn release_due(&mut self, now: u64, from: u64) -> Vec<Flush> {
        let is_due = |stage: &RunningStage| {
            stage.state.as_ref().and_then(|state| state.due()).is_some_and(|due| due <= now)
        };
        self.flush_stages(now, Some(from), is_due)
    }

    fn flush_stages(
        &mut self,
        now: u64,
        from: Option<u64>,
        which: impl Fn(&RunningStage) -> bool,
    ) -> Vec<Flush> {
        let mut flushes = Vec::new();
        for place in 0..self.stages.len() {
            if which(&self.stages[place]) {
                let flush = self.stages[place].state.as_mut().and_then(|state| state.finish(now, from));
                flushes.extend(flush.and_then(|flush| self.pass(place, flush)));
            }
        }
        flushes
    }

    /// Passes a flush through the stages behind the one that sent it. Returns what leaves; what one of them refuses is
    /// lost, as it is in the Collector, and counted, see [`Self::take_refused`].
    fn pass(&mut self, from: usize, mut flush: Flush) -> Option<Flush> {
        let (sender, behind) = self.stages[from..].split_first_mut()?;
        let (by_resource, mixed) = flush.points_by_resource();
        let Flush { at, input, output } = &mut flush;
        sender.passed[1] += output.point_count() as u64;
        let outcome = run(behind, &Turn { input, now: *at, number: 0, stop: &Stop::new(&never) }, output);
        if outcome.is_err_and(|refused| !refused.passed_on) {
            let (stage, input) = (sender.id.clone(), flush.input);
            self.refused.push(HeldPoints { stage, input, by_resource, mixed });
            return None;
        }
        (!flush.output.resources().is_empty()).then_some(flush)
    }

    /// Points that stages held and sent, and that one behind them refused, since this was last asked.
    pub fn take_refused(&mut self) -> Vec<HeldPoints> {
        std::mem::take(&mut self.refused)
    }

    /// Points that wait in stages: all of them, or those of batches before the one of the number `from`.
    pub fn held(&self, from: Option<u64>) -> Vec<HeldPoints> {
        let held = |stage: &RunningStage| {
            let (input, by_resource, mixed) = stage.state.as_ref()?.held(from)?;
            Some(HeldPoints { stage: stage.id.clone(), input, by_resource, mixed })
        };
        self.stages.iter().filter_map(held).filter(|held| held.points() > 0).collect()
    }

    /// Points that wait in stages, of which only their number is asked.
    pub fn held_unknown(&self) -> Vec<HeldPoints> {
        let waiting = self.kept().filter(|(_, kept)| kept.held > 0);
        waiting.map(|(stage, kept)| HeldPoints::of_unknown(stage.clone(), kept.held)).collect()
    }

    /// Tells its stages how short memory is, until it is told otherwise.
    pub fn press(&mut self, pressure: Pressure) {
        self.stages
            .iter_mut()
            .filter_map(|stage| stage.state.as_mut())
            .for_each(|state| state.press(pressure));
    }

    /// State of each stage that has one.
    pub fn kept(&self) -> impl Iterator<Item = (&ComponentId, StateSize)> {
        self.stages.iter().filter_map(|stage| Some((&stage.id, stage.state.as_ref()?.kept())))
    }

    /// Bytes of memory that the state of all stages takes, without what the allocator adds.
    pub fn state_bytes(&self) -> usize {
        self.stages.iter().filter_map(|stage| stage.state.as_ref()).map(|state| state.bytes()).sum()
    }

    /// The level in force of each stage that has levels.
    pub fn levels(&self) -> impl Iterator<Item = (&ComponentId, &str)> {
        self.stages.iter().filter_map(|stage| Some((&stage.id, stage.state.as_ref()?.level()?)))
    }

    /// Returns whether every batch leaves as it came.
    pub fn is_identity(&self) -> bool {
        self.stages.iter().all(|stage| stage.processor.is_identity())
    }

    /// Points that each rule has dropped since this was last asked.
    pub fn take_rule_counts(&mut self) -> Vec<RuleCount> {
        let mut counts = Vec::new();
        for stage in &mut self.stages {
            for (rule, tally) in stage.processor.rules().iter().zip(&mut stage.tallies) {
                let (stage, rule) = (stage.id.clone(), rule.clone());
                counts.push(RuleCount { stage, rule, points: std::mem::take(&mut tally.points) });
            }
        }
        counts
    }

    /// Points that came to each stage and left it since this was last asked.
    pub fn take_stage_counts(&mut self) -> Vec<StageCount> {
        let count = |stage: &mut RunningStage| {
            let [incoming, outgoing] = std::mem::take(&mut stage.passed);
            StageCount { stage: stage.id.clone(), incoming, outgoing }
        };
        self.stages.iter_mut().map(count).collect()
    }

    /// Counts of each rule since this was last asked. Series are told where the input was identified.
    pub fn take_rule_stats(&mut self) -> Vec<RuleStats> {
        let mut all = Vec::new();
        for stage in &mut self.stages {
            let rules = stage.processor.rules().iter().zip(&mut stage.tallies);
            all.extend(rules.map(|(rule, tally)| tally.take(&stage.id, rule)));
        }
        all
    }

    /// Number of the last batch, from 1.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Numbers batches from behind `last`, by which stages remember what they hold.
    pub fn number_from(&mut self, last: u64) {
        self.batches = self.batches.max(last);
    }

    /// Keys by which the stages' state is handed over.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&ComponentId, Digest)> {
        self.stages.iter().map(RunningStage::key)
    }

    /// Returns whether it has the very stages of another, in the same order.
    pub(crate) fn same_stages(&self, other: &Self) -> bool {
        self.keys().eq(other.keys())
    }

    /// Takes the state of a stage; what stays here is as new, tallies included.
    pub(crate) fn take_stage(&mut self, place: usize) -> StageState {
        let stage = &mut self.stages[place];
        let nothing = vec![Tally::default(); stage.tallies.len()];
        (stage.state.take(), std::mem::replace(&mut stage.tallies, nothing))
    }

    /// Copies the state of a stage for another variant; tallies stay here.
    pub(crate) fn copy_stage(&self, place: usize) -> StageState {
        let stage = &self.stages[place];
        (stage.state.as_ref().map(|state| state.copy()), vec![Tally::default(); stage.tallies.len()])
    }

    /// Stages that have a state, each with its id and config digest.
    pub(super) fn states(&self) -> impl Iterator<Item = (&ComponentId, Digest, &dyn State)> {
        self.stages.iter().filter_map(|stage| Some((&stage.id, stage.digest, stage.state.as_deref()?)))
    }

    pub(super) fn stages_mut(&mut self) -> impl Iterator<Item = &mut RunningStage> {
        self.stages.iter_mut()
    }

    pub(crate) fn put_stage(&mut self, place: usize, (state, tallies): StageState) {
        self.stages[place].tallies = tallies;
        if state.is_some() {
            self.stages[place].state = state;
        }
    }
}

/// State of a stage between batches, if it has one, and the tallies of its rules.
pub(crate) type StageState = (Option<Box<dyn State>>, Vec<Tally>);

/// Stop of whoever wants all of a batch.
pub(super) fn never() -> bool {
    false
}

pub(super) fn run(stages: &mut [RunningStage], turn: &Turn<'_>, batch: &mut Batch) -> Result<(), Refusal> {
    let mut first = Ok(());
    let mut points = if stages.is_empty() { 0 } else { batch.point_count() as u64 };
    for stage in stages {
        stage.passed[0] += points;
        match stage.run(turn, batch) {
            Err(refused) if !refused.passed_on => return Err(refused),
            outcome => first = first.and(outcome),
        }
        points = batch.point_count() as u64;
        stage.passed[1] += points;
    }
    first
}
