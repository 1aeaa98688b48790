//! Run of both pipelines over the requests, request by request, within the budget.

use std::sync::Arc;
use std::time::{Duration, Instant};

use observe::{Comparison, Evidence, Observer, Settings, Variant};
use pipelines::Batch;
use proto::preview::Previewed;

use super::{Early, PreviewJob, PreviewProgress, Scrapes, Span, read};
use crate::admission::{Budget, Permit};
use crate::engine::deadline::Stopwatch;
use crate::engine::limits::CandidateLimits;
use crate::engine::ring::KeptRequest;
use crate::engine::variant::VariantPipeline;
use crate::engine::worker::{Pace, Turns, thread_time};

/// Time between two looks at what is due, nanoseconds: as on the data path.
const TICK: u64 = 1_000_000_000;
/// Bytes that a byte of a request takes with its index and both outputs.
const TIMES: usize = 3;
/// The longest rest between two looks at whether anybody waits.
const REST: Duration = Duration::from_millis(20);

/// Pipelines and their observer while they run.
#[derive(Debug)]
struct Compared {
    pipelines: [VariantPipeline; 2],
    observer: Observer,
    evidence: Evidence,
    /// Time between two scrapes, nanoseconds.
    interval: u64,
    /// Time that was let pass, Unix nanoseconds.
    now: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Run<'a> {
    pub job: &'a PreviewJob,
    pub limits: CandidateLimits,
    budget: &'a Budget,
    /// Bytes that it holds beside the agent's data.
    permit: Permit,
    progress: &'a PreviewProgress,
    turns: Turns,
    pace: Pace,
}

impl<'a> Run<'a> {
    /// One that has done nothing yet, with the agent's budget and what is beside it.
    pub fn new(
        job: &'a PreviewJob,
        limits: CandidateLimits,
        (budget, beside): (&'a Budget, &Budget),
        progress: &'a PreviewProgress,
    ) -> Self {
        progress.begin(limits.cores());
        let (turns, permit) = (Turns::new(Instant::now()), beside.hold(0));
        let pace = Pace::new(limits.cores(), Instant::now(), thread_time());
        Self { job, limits, budget, permit, progress, turns, pace }
    }

    /// A request, if it can be read.
    pub fn read(&mut self, request: &KeptRequest) -> Result<Option<Batch>, Early> {
        self.hold(TIMES * request.message.len())?;
        Ok(read(request))
    }

    /// Holds so many bytes.
    fn hold(&mut self, bytes: usize) -> Result<(), Early> {
        let most = self.limits.memory;
        if bytes > most {
            return Err(Early::Ended(Previewed::Failed(format!(
                "it needs {bytes} bytes of memory, and {most} is what phoenix.budget.memory and phoenix.memory_limit leave it"
            ))));
        }
        if bytes > 0 && !self.permit.grow_to(bytes) {
            let why = "the agent became short of memory, and runs nothing beside its data; ask again when it has some";
            return Err(Early::Ended(Previewed::Busy(why.to_owned())));
        }
        self.permit.hold(bytes);
        Ok(())
    }

    /// Rests once its share of the CPU is spent.
    pub fn pause(&mut self) -> Result<(), Early> {
        let taken = thread_time();
        self.progress.took(taken);
        let until = Instant::now() + self.pace.rest(Instant::now(), taken);
        loop {
            if self.progress.is_abandoned() {
                return Err(Early::Abandoned);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(REST));
        }
    }

    /// Compares what both pipelines make of the requests.
    pub fn compare(
        &mut self,
        requests: &[KeptRequest],
        span: Span,
        scrapes: Scrapes,
    ) -> Result<Comparison, Early> {
        let asked = (*self.job.experiment.observation).clone();
        let settings = Arc::new(Settings {
            agent_uid: self.job.agent_uid.clone(),
            bound: asked.bound.min(self.limits.series()),
            // Of scrapes that follow each other faster, a window has no more than one: so much is warm-up at least.
            window_nanos: asked.window_nanos.min(scrapes.interval.max(TICK)),
            // No horizon ends in it: all of it is told together.
            report_nanos: u64::MAX,
            ..asked
        });
        let plans = [&self.job.baseline, &self.job.experiment.candidate];
        let mut compared = Compared {
            pipelines: plans.map(|plan| VariantPipeline::build(plan, span.start)),
            observer: Observer::new(Arc::clone(&settings), span.start).watching_at_once(),
            evidence: Evidence::new(Arc::clone(&settings), observe::Experiment::default()),
            interval: scrapes.interval,
            now: span.start,
        };
        for request in requests {
            self.pass(&mut compared, request.at)?;
            if let Some(batch) = self.read(request)? {
                self.batch(&mut compared, &batch, request.at)?;
                self.hold(compared.bytes() + TIMES * batch.held_bytes())?;
            }
            self.pause()?;
        }
        self.pass(&mut compared, span.end)?;
        compared.flush(span.end)?;
        compared.account();
        let last = compared.observer.cut(span.end);
        compared.evidence.add(last, Some(scrapes.interval));
        let whole = settings.hold_nanos == 0 && settings.warm_up_scrapes == 0;
        Ok(priced(compared.evidence.total(), if whole { scrapes.interval } else { 0 }))
    }

    /// Lets time pass until `at`, in steps as the data path does.
    fn pass(&self, compared: &mut Compared, at: u64) -> Result<(), Early> {
        while compared.now < at {
            compared.now = at.min(compared.now + TICK);
            compared.roll();
            compared.flush(compared.now)?;
            if self.progress.is_abandoned() {
                return Err(Early::Abandoned);
            }
        }
        Ok(())
    }

    fn batch(&self, compared: &mut Compared, input: &Batch, at: u64) -> Result<(), Early> {
        let Compared { pipelines, observer, .. } = compared;
        observer.input(input, at);
        let beside = pipelines.iter().map(VariantPipeline::state_bytes).sum();
        for (variant, pipeline) in Variant::BOTH.into_iter().zip(pipelines) {
            pipeline.press(self.budget.pressure(beside));
            let stop = || {
                self.turns.give_way();
                self.progress.took(thread_time());
                self.progress.is_abandoned()
            };
            let taken = Stopwatch::start();
            let outcome = pipeline.process_until(input, at, &stop);
            let spent = taken.cpu();
            if self.progress.is_abandoned() {
                return Err(Early::Abandoned);
            }
            outcome.map_err(|why| failed(variant, &format!("failed on a request: {why}")))?;
            pipeline.identify();
            observer.spent(variant, nanos(spent), input.point_count() as u64);
            let output = pipeline.output(input);
            observer.output(variant, input, output, output.encoded_len() as u64);
        }
        Ok(())
    }
}

impl Compared {
    /// Bytes that are kept from one request to the next.
    fn bytes(&self) -> usize {
        let stages: usize = self.pipelines.iter().map(VariantPipeline::state_bytes).sum();
        stages + self.observer.kept_bytes()
    }

    /// Closes the window that has ended.
    fn roll(&mut self) {
        if self.observer.is_over(self.now) {
            self.account();
        }
        if let Some(summary) = self.observer.roll(self.now) {
            self.evidence.add(summary, Some(self.interval));
        }
    }

    /// Takes in what the rules of both did.
    fn account(&mut self) {
        for (variant, pipeline) in Variant::BOTH.into_iter().zip(&mut self.pipelines) {
            self.observer.account(variant, pipeline.take_rule_stats());
        }
    }

    /// Observes what is due.
    fn flush(&mut self, now: u64) -> Result<(), Early> {
        for (variant, pipeline) in Variant::BOTH.into_iter().zip(&mut self.pipelines) {
            let flushes = pipeline.advance(now);
            let flushes = flushes.map_err(|why| failed(variant, &format!("failed in a flush: {why}")))?;
            for mut flush in flushes {
                flush.output.identify();
                let bytes = flush.output.encoded_len() as u64;
                self.observer.flushed(variant, &flush.input, &flush.output, bytes);
            }
        }
        Ok(())
    }
}

fn failed(variant: Variant, why: &str) -> Early {
    Early::Ended(Previewed::Failed(format!("the {} {why}", variant.name())))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The comparison with the monthly cost of as many bytes as the scrapes bring in the time that they stand for: the last one stands
/// for an interval that has not passed, nanoseconds.
fn priced(mut comparison: Comparison, not_passed: u64) -> Comparison {
    let seconds = comparison.seconds + not_passed as f64 / 1e9;
    let price = comparison.price.clone();
    for side in [&mut comparison.baseline, &mut comparison.candidate] {
        let rate = if seconds > 0.0 { side.output.bytes as f64 / seconds } else { 0.0 };
        side.monthly_usd = price.monthly(side.active_series, rate);
    }
    comparison.with_savings()
}
