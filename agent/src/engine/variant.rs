//! One variant's pipeline, and what it made of the batch at hand.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, Malformed};
use pipelines::config::{ComponentId, Plan, Scope, Stage};
use pipelines::processors::{
    Flush, HeldPoints, Pipeline, Pressure, Refusal, RuleCount, RuleStats, StageCount, StateSize,
};

/// A pipeline with its state and its output, whose memory is reused from batch to batch. A plan
/// without stages has no pipeline: its output is the input itself.
#[derive(Debug)]
pub struct VariantPipeline {
    plan: Plan,
    pipeline: Option<Pipeline>,
    output: Batch,
    /// Points that its stages held and that nothing sends any more, since this was last asked.
    lost: Vec<HeldPoints>,
    /// True if inputs of the stage that holds points are kept until they are asked for.
    keeps_inputs: bool,
    /// Series that were forgotten when that was last told.
    told_evicted: u64,
}

impl VariantPipeline {
    /// A pipeline without any state yet, from `now` on, Unix nanoseconds.
    pub fn build(plan: &Plan, now: u64) -> Self {
        let pipeline = (!plan.stages().is_empty()).then(|| Pipeline::build(plan, now));
        Self {
            plan: plan.clone(),
            pipeline,
            output: Batch::default(),
            lost: Vec::new(),
            keeps_inputs: false,
            told_evicted: 0,
        }
    }

    /// Builds a pipeline of its own and runs it over `input` at `now`, Unix nanoseconds.
    ///
    /// # Errors
    /// The words of a panic; another failure is the input's.
    pub fn warm(plan: &Plan, input: &Batch, now: u64) -> Result<(), String> {
        let run = || {
            let mut output = Batch::default();
            // What it makes of a request that says nothing tells nothing.
            let _of_no_matter = Pipeline::build(plan, now).process(input, now, &mut output);
        };
        guarded(run)
    }

    /// Tells whether points may wait in its stages.
    pub fn holds(&self) -> bool {
        !self.plan.hold().is_zero()
    }

    /// Tells whether no stage looks at several entities together.
    pub fn looks_at_points(&self) -> bool {
        self.plan.scope() == Scope::Point
    }

    /// Tells whether it runs the same plan.
    pub fn runs_the_plan_of(&self, other: &Self) -> bool {
        self.plan.digest() == other.plan.digest()
    }

    /// Its pipeline, to hand state over.
    pub fn pipeline(&mut self) -> Option<&mut Pipeline> {
        self.pipeline.as_mut()
    }

    /// Runs the pipeline over `input` at `now`, Unix nanoseconds.
    ///
    /// # Errors
    /// What went wrong, for a person. After a panic the pipeline starts anew, without state.
    pub fn process(&mut self, input: &Batch, now: u64) -> Result<(), String> {
        self.process_until(input, now, &|| false)
    }

    /// Does as [`Self::process`] does until `stop` says yes. Then the pipeline is in no state to go on; what its stages hold
    /// can be asked for by [`Self::release`].
    ///
    /// # Errors
    /// As [`Self::process`]; and it was stopped.
    pub fn process_until(&mut self, input: &Batch, now: u64, stop: &dyn Fn() -> bool) -> Result<(), String> {
        let Self { pipeline: Some(pipeline), output, .. } = self else { return Ok(()) };
        let outcome = guarded(|| {
            let outcome = pipeline.process_until(input, now, output, stop);
            #[cfg(test)]
            tests::panic_on_poison(&self.plan, input);
            outcome
        });
        outcome.map_or_else(|panic| Err(self.begin_anew(panic, now)), told)
    }

    /// Runs the pipeline over a request that nobody else reads; `input` lends its memory. Returns the points that came,
    /// and how it went.
    ///
    /// # Errors
    /// The request is no OTLP, and nothing has seen it.
    pub fn process_alone(
        &mut self,
        message: Bytes,
        now: u64,
        input: &mut Batch,
    ) -> Result<(u64, Result<(), String>), Malformed> {
        let Self { pipeline: Some(pipeline), output, .. } = self else {
            input.reparse(message)?;
            return Ok((input.point_count() as u64, Ok(())));
        };
        match guarded(|| pipeline.process_alone(message, now, output, input)) {
            Ok(ran) => ran.map(|(points, outcome)| (points, told(outcome))),
            Err(panic) => {
                *input = Batch::default();
                Ok((0, Err(self.begin_anew(panic, now))))
            }
        }
    }

    /// Replaces what a panic left half done, which sends nothing any more. Returns the panic's words.
    fn begin_anew(&mut self, panic: String, now: u64) -> String {
        // What the batch brought is lost with it, or its units leave by the other variant.
        self.lost.extend(self.held(self.last_batch()));
        self.build_anew(now);
        self.output = Batch::default();
        panic
    }

    /// Builds the pipeline anew, without state, at `now`; batches are numbered on.
    fn build_anew(&mut self, now: u64) {
        let mut pipeline = Pipeline::build(&self.plan, now);
        pipeline.number_from(self.last_batch().unwrap_or_default());
        pipeline.keep_inputs(self.keeps_inputs);
        self.pipeline = Some(pipeline);
    }

    /// Lets time pass until `now`, Unix nanoseconds, and returns what is sent.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn advance(&mut self, now: u64) -> Result<Vec<Flush>, String> {
        if !self.is_due(now) {
            return Ok(Vec::new());
        }
        self.flush(now, |pipeline| pipeline.advance(now))
    }

    /// Tells whether something is due at `now`, Unix nanoseconds.
    pub fn is_due(&self, now: u64) -> bool {
        self.pipeline.as_ref().and_then(Pipeline::due).is_some_and(|due| due <= now)
    }

    /// Returns what is due at `now` and came by batches before the one of the number `from`.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn release_due(&mut self, now: u64, from: u64) -> Result<Vec<Flush>, String> {
        self.flush(now, |pipeline| pipeline.release_due(now, from))
    }

    /// Returns what waits in stages at `now`: all of it, or what came by batches before the one of the number `from`.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn release(&mut self, now: u64, from: Option<u64>) -> Result<Vec<Flush>, String> {
        let held = self.held(from);
        self.ask(now, held, |pipeline| pipeline.release(now, from))
    }

    /// Number of the last batch; nothing without stages.
    pub fn last_batch(&self) -> Option<u64> {
        self.pipeline.as_ref().map(Pipeline::batches)
    }

    /// Asks the pipeline for what it sends without a batch.
    ///
    /// # Errors
    /// As [`Self::process`]; all that its stages held is lost then, see [`Self::take_lost`].
    pub fn flush(
        &mut self,
        now: u64,
        ask: impl FnOnce(&mut Pipeline) -> Vec<Flush>,
    ) -> Result<Vec<Flush>, String> {
        let held = self.held(None);
        self.ask(now, held, ask)
    }

    fn ask(
        &mut self,
        now: u64,
        held: Vec<HeldPoints>,
        ask: impl FnOnce(&mut Pipeline) -> Vec<Flush>,
    ) -> Result<Vec<Flush>, String> {
        let Self { pipeline: Some(pipeline), lost, .. } = self else { return Ok(Vec::new()) };
        let flushes = guarded(|| {
            let flushes = ask(pipeline);
            #[cfg(test)]
            tests::panic_behind(&self.plan, flushes.len());
            flushes
        });
        lost.extend(pipeline.take_refused());
        if flushes.is_err() {
            lost.extend(held);
            self.build_anew(now);
        }
        flushes
    }

    /// Points that wait in its stages: all of them, or those of batches before the one of the number `from`.
    pub fn held(&self, from: Option<u64>) -> Vec<HeldPoints> {
        let Some(pipeline) = &self.pipeline else { return Vec::new() };
        // A panic may have left it half done.
        guarded(|| pipeline.held(from)).unwrap_or_else(|_| pipeline.held_unknown())
    }

    /// Points that its stages held and that nothing sends any more, since this was last asked: a panic lost them, or a
    /// stage behind refused them.
    pub fn take_lost(&mut self) -> Vec<HeldPoints> {
        std::mem::take(&mut self.lost)
    }

    /// Points that wait in its stages, and series that these forgot for want of room.
    pub fn kept(&self) -> StateSize {
        let all = self.pipeline.iter().flat_map(Pipeline::kept).map(|(_, kept)| kept);
        all.fold(StateSize::default(), |sum, kept| StateSize {
            series: sum.series + kept.series,
            held: sum.held + kept.held,
            evicted: sum.evicted + kept.evicted,
        })
    }

    /// Bytes of memory that its stages take.
    pub fn state_bytes(&self) -> usize {
        self.pipeline.as_ref().map_or(0, Pipeline::state_bytes)
    }

    /// Says whether inputs of the stage that holds points are kept until they are asked for.
    pub fn keep_inputs(&mut self, keeps: bool) {
        self.keeps_inputs = keeps;
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.keep_inputs(keeps);
        }
    }

    /// Inputs of which the stage that holds points has taken some since this was last asked.
    pub fn take_inputs(&mut self) -> Vec<Encoded> {
        self.pipeline.as_mut().map(Pipeline::take_inputs).unwrap_or_default()
    }

    /// All that the stage that holds points has, as one input of it.
    pub fn held_as_input(&self) -> Option<Encoded> {
        self.pipeline.as_ref()?.held_as_input()
    }

    /// Stage that takes what a stage of a type held; without one it goes through all of them.
    pub fn holder(&self, kind: &str) -> Option<&Stage> {
        self.plan.holder(kind)
    }

    /// Has its stages take an input of one of the type `kind` that held points behind those of the ids `before`, at `now`, Unix
    /// nanoseconds. Returns what leaves of it at once.
    ///
    /// # Errors
    /// As [`Self::process`].
    pub fn play(
        &mut self,
        input: Bytes,
        (kind, before): (&str, &[&str]),
        now: u64,
    ) -> Result<Encoded, String> {
        let Some(pipeline) = &mut self.pipeline else {
            let input = Batch::parse(input).map_err(|malformed| malformed.to_string())?;
            return Ok(input.encode(Keep::All));
        };
        let played = guarded(|| pipeline.play(input, (kind, before), now));
        let played = played.map_err(|panic| self.begin_anew(panic, now))?;
        played.map_err(|malformed| malformed.to_string())?.map_err(|refused| refused.to_string())
    }

    /// Tells its stages how short memory is.
    pub fn press(&mut self, pressure: Pressure) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.press(pressure);
        }
    }

    /// Stages that have forgotten, or not taken, twice as many series as when this last told of it, each with their number.
    pub fn newly_evicted(&mut self) -> Vec<(String, u64)> {
        let kept = self.pipeline.iter().flat_map(Pipeline::kept);
        let evicted: Vec<_> = kept
            .filter(|(_, kept)| kept.evicted > 0)
            .map(|(id, kept)| (id.to_string(), kept.evicted))
            .collect();
        let all = evicted.iter().map(|(_, evicted)| evicted).sum();
        if all < (2 * self.told_evicted).max(1) {
            return Vec::new();
        }
        self.told_evicted = all;
        evicted
    }

    /// State of its stages as bytes, with which [`Self::restore`] goes on; nothing without any.
    pub fn save(&self) -> Option<Vec<u8>> {
        let pipeline = self.pipeline.as_ref()?;
        // A panic may have left it half done.
        guarded(|| pipeline.save()).ok().flatten()
    }

    /// Takes over saved state at `now`, Unix nanoseconds. Returns the stages that go on with theirs.
    pub fn restore(&mut self, saved: &[u8], now: u64) -> Vec<ComponentId> {
        self.pipeline.as_mut().map(|pipeline| pipeline.restore(saved, now)).unwrap_or_default()
    }

    /// The level in force of each stage that has levels.
    pub fn levels(&self) -> impl Iterator<Item = (&ComponentId, &str)> {
        self.pipeline.iter().flat_map(Pipeline::levels)
    }

    /// Points that each rule has dropped since this was last asked.
    pub fn take_rule_counts(&mut self) -> Vec<RuleCount> {
        self.pipeline.as_mut().map(Pipeline::take_rule_counts).unwrap_or_default()
    }

    /// Points that came to each stage and left it since this was last asked.
    pub fn take_stage_counts(&mut self) -> Vec<StageCount> {
        self.pipeline.as_mut().map(Pipeline::take_stage_counts).unwrap_or_default()
    }

    /// Counts of each rule since this was last asked.
    pub fn take_rule_stats(&mut self) -> Vec<RuleStats> {
        self.pipeline.as_mut().map(Pipeline::take_rule_stats).unwrap_or_default()
    }

    /// The output of the last [`Self::process`] of `input`.
    pub fn output<'a>(&'a self, input: &'a Batch) -> &'a Batch {
        if self.pipeline.is_some() { &self.output } else { input }
    }

    /// Computes the identities of the output, unless it is the input.
    pub fn identify(&mut self) {
        if self.pipeline.is_some() {
            self.output.identify();
        }
    }

    /// Tells whether it has stages; without any the output is the input.
    pub fn has_stages(&self) -> bool {
        self.pipeline.is_some()
    }

    /// Takes the output of the last [`Self::process`], unless that is the input; the next one has this memory.
    pub fn take_output(&mut self, memory: impl FnOnce() -> Batch) -> Option<Batch> {
        self.pipeline.is_some().then(|| std::mem::replace(&mut self.output, memory()))
    }

    /// Gives back the memory of the last output.
    pub fn shrink(&mut self) {
        self.output = Batch::default();
    }
}

/// Outcome of a batch, for a person. A mistake of its sender's is no failure of the pipeline.
fn told(outcome: Result<(), Refusal>) -> Result<(), String> {
    outcome.or_else(|refused| if refused.passed_on { Ok(()) } else { Err(refused.to_string()) })
}

/// Runs what may panic, and says so if it did. What it left half done must not be used.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("panic: {}", text.unwrap_or("without a message"))
    })
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use pipelines::Batch;
    use pipelines::config::Plan;

    use super::{VariantPipeline, guarded};
    use crate::app::tests::harness::{export, load};
    use crate::app::tests::held::candidate_holds;

    const NOW: u64 = 1_700_000_000_000_000_000;

    fn has(plan: &Plan, stage: &str) -> bool {
        plan.stages().iter().any(|known| known.id.as_str() == stage)
    }

    /// Panics in a pipeline with a stage of this name once its stages have seen a batch with a metric `poison`: no processor
    /// of ours does.
    pub fn panic_on_poison(plan: &Plan, input: &Batch) {
        let scopes = input.resources().iter().flat_map(|resource| input.scopes(resource));
        let mut metrics = scopes.flat_map(|scope| input.metrics(scope));
        assert!(
            !has(plan, "resource/panics") || !metrics.any(|metric| input.text(metric.name) == "poison"),
            "poison"
        );
    }

    /// Panics in a pipeline with a stage of this name once its stages have sent something without a batch.
    pub fn panic_behind(plan: &Plan, flushes: usize) {
        assert!(!has(plan, "resource/panics_in_flush") || flushes == 0, "behind a flush");
    }

    #[test]
    fn a_panic_loses_what_stages_held_but_not_what_the_batch_at_hand_brought() {
        let settings = load(&candidate_holds("127.0.0.1:9".parse().expect("an address"), "50%", "1h"));
        let plan = &settings.intent.experiment.as_ref().expect("an experiment").candidate;
        let mut variant = VariantPipeline::build(plan, NOW);
        let later = export(50, 2);
        for request in [export(200, 1), later] {
            let input = Batch::parse(request.encode_to_vec().into()).expect("a request");
            variant.process(&input, NOW).expect("it works");
        }
        assert_eq!(variant.begin_anew("panic: half done".to_owned(), NOW), "panic: half done");
        let points = |variant: &mut VariantPipeline| {
            variant.take_lost().iter().map(|held| (held.stage.to_string(), held.points())).collect::<Vec<_>>()
        };
        assert_eq!(points(&mut variant), [("interval".to_owned(), 150)]);
        assert_eq!((points(&mut variant), variant.kept().held), (Vec::new(), 0), "told once, and begun anew");
        assert_eq!(variant.last_batch(), Some(2), "numbered on");
    }

    #[test]
    fn a_panic_is_told_and_goes_no_further() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| -> u8 { panic!("index {}", 3) }), Err("panic: index 3".into()));
        assert_eq!(guarded(|| -> u8 { panic!("plain") }), Err("panic: plain".into()));
    }
}
