//! The candidate beside the baseline: run, observed, and assigned its share.
//!
//! What always holds: the candidate sees every batch and touches nothing of the baseline. If it fails
//! it is cut out for the rest of its generation, and the batch it failed on leaves as the baseline
//! made it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use observe::{Observer, Summary, Variant};
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, ResourceRow};
use pipelines::processors::Flush;
use pipelines::split::Splitter;

use super::side::Side;
use crate::assignment::Assignment;
use crate::config::Experiment;
use crate::deliver::Meter;

/// A window that closed, and the scrape interval observed by then.
pub type Closed = (Summary, Option<u64>);

/// The candidate's part of a lane.
#[derive(Debug)]
pub struct Trial {
    /// The pipeline; nothing once it was cut out.
    pub side: Option<Side>,
    /// Observer of both.
    pub observer: Observer,
    /// Meter of the destinations.
    pub meter: Arc<Meter>,
    /// Windows that closed and were not collected yet.
    pub closed: Vec<Closed>,
    /// The most that a batch may take in the candidate's pipeline.
    max_batch_latency: Option<Duration>,
    /// Settings of the measurement; an observer serves as long as they stay the same.
    pub observation: Arc<observe::Settings>,
    splitter: Splitter,
    assignment: Assignment,
    /// By variant and index of the input resource: how many points its pipeline made of the batch at hand.
    made: [Vec<u64>; 2],
}

impl Trial {
    /// A candidate nobody has seen a batch of, from `now` on, Unix nanoseconds.
    pub fn build(experiment: &Experiment, agent_uid: &str, now: u64) -> Self {
        let observation = Arc::clone(&experiment.observation);
        Self {
            side: Some(Side::build(&experiment.candidate, now)),
            observer: Observer::new(Arc::clone(&observation), now),
            meter: Arc::default(),
            closed: Vec::new(),
            max_batch_latency: experiment.max_batch_latency,
            observation,
            splitter: Splitter::new(experiment.split.clone(), agent_uid),
            assignment: Assignment::default(),
            made: Default::default(),
        }
    }

    /// A batch was admitted at `now`.
    pub fn admit(&mut self, input: &Batch, baseline: &mut Side, now: u64) {
        self.roll(baseline, now);
        self.observer.input(input, now);
        self.assignment.assign(&mut self.splitter, input);
    }

    /// Closes the window that has ended by `now`.
    pub fn roll(&mut self, baseline: &mut Side, now: u64) {
        if self.observer.is_over(now) {
            self.account(baseline);
        }
        if let Some(summary) = self.observer.roll(now) {
            self.closed.push((summary, self.observer.interval_nanos()));
        }
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, baseline: &mut Side, now: u64) {
        self.roll(baseline, now);
        self.account(baseline);
        let summary = self.observer.cut(now);
        self.closed.push((summary, self.observer.interval_nanos()));
    }

    /// Tells the observer what the rules of both pipelines and the destinations did.
    fn account(&mut self, baseline: &mut Side) {
        for variant in Variant::BOTH {
            self.observer.settled(variant, &self.meter.take(variant));
        }
        self.observer.account(Variant::Baseline, baseline.take_account());
        if let Some(side) = &mut self.side {
            self.observer.account(Variant::Candidate, side.take_account());
        }
    }

    /// Runs the candidate. Why it was cut out, if it failed.
    pub fn run(&mut self, input: &Batch, now: u64, points: u64) -> Option<String> {
        let started = Instant::now();
        let failure = self.side.as_mut()?.process(input, now).err().or_else(|| self.too_slow(started));
        if failure.is_some() {
            self.cut();
        } else {
            self.spent(Variant::Candidate, started, points);
        }
        failure
    }

    fn too_slow(&self, started: Instant) -> Option<String> {
        let (took, limit) = (started.elapsed(), self.max_batch_latency?);
        (took > limit).then(|| format!("a batch took {took:?} in it, at most {limit:?} is allowed"))
    }

    /// Cost of a variant's pipeline.
    pub fn spent(&mut self, variant: Variant, since: Instant, points: u64) {
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.observer.spent(variant, nanos, points);
    }

    /// Shows both outputs to the observer.
    pub fn observe(&mut self, input: &Batch, baseline: &mut Side) {
        baseline.identify();
        let output = baseline.output(input);
        self.observer.output(Variant::Baseline, input, output, output.encoded_len() as u64);
        if let Some(side) = &mut self.side {
            side.identify();
            let output = side.output(input);
            self.observer.output(Variant::Candidate, input, output, output.encoded_len() as u64);
        } else {
            self.assignment.fall_back();
        }
    }

    /// The candidate failed: it is cut out for the rest of its generation.
    pub fn cut(&mut self) {
        self.side = None;
        self.observer.failed(Variant::Candidate);
    }

    /// Shows the observer what a variant held back and sends now; what of it is delivered.
    pub fn flushed(&mut self, variant: Variant, mut flush: Flush) -> Encoded {
        let Flush { input, output, .. } = &mut flush;
        output.identify();
        self.observer.flushed(variant, input, output, output.encoded_len() as u64);
        let mut assignment = Assignment::default();
        assignment.assign(&mut self.splitter, input);
        if self.side.is_none() {
            assignment.fall_back();
        }
        let homes = assignment.homes(variant);
        let keep = if homes.iter().all(|&home| home) { Keep::All } else { Keep::Homes(homes) };
        let encoded = output.encode(keep);
        if encoded.points > 0 {
            self.observer.delivered(variant, encoded.points, encoded.bytes.len() as u64);
        }
        encoded
    }

    /// Rows to write of a variant's output; nothing if it delivers nothing of this batch.
    pub fn keep(&self, variant: Variant) -> Option<Keep<'_>> {
        let homes = self.assignment.homes(variant);
        if homes.iter().all(|&home| home) {
            // Also for a batch without resources: the baseline's, and empty.
            return (variant == Variant::Baseline || !homes.is_empty()).then_some(Keep::All);
        }
        self.assignment.has_any(variant).then_some(Keep::Homes(homes))
    }

    /// Accounts for every unit of the batch: whose it is, and whether something of it left. Returns
    /// how many points had no unit.
    pub fn settle(&mut self, input: &Batch, baseline: &Side) -> u64 {
        let [of_baseline, of_candidate] = &mut self.made;
        count(input, baseline.output(input), of_baseline);
        of_candidate.clear();
        if let Some(side) = &self.side {
            count(input, side.output(input), of_candidate);
        }
        let mut unassigned = 0;
        for (home, (variant, unit)) in self.assignment.units().enumerate() {
            let points = points_of(input, &input.resources()[home]);
            match unit {
                None => unassigned += points,
                Some(unit) => {
                    let delivered = self.made[variant.index()].get(home).is_some_and(|points| *points > 0);
                    self.observer.assigned(variant, unit, points, delivered);
                }
            }
        }
        self.observer.unassigned(unassigned);
        unassigned
    }

    /// Audits that all that a variant made of the units assigned to it is in what leaves by it. A unit that is not makes
    /// the window void, by name.
    pub fn audit(&mut self, input: &Batch, leaving: &[Option<Encoded>; 2]) {
        for variant in Variant::BOTH {
            let homes = self.assignment.homes(variant);
            let owed = |(made, home): (&u64, &bool)| if *home { *made } else { 0 };
            let owed: u64 = self.made[variant.index()].iter().zip(homes).map(owed).sum();
            let left = leaving[variant.index()].as_ref();
            if owed != left.map_or(0, |encoded| encoded.points) {
                self.name_missing(variant, input, left);
            }
        }
    }

    #[cold]
    fn name_missing(&mut self, variant: Variant, input: &Batch, left: Option<&Encoded>) {
        let arrived = left.and_then(|encoded| Batch::parse(encoded.bytes.clone()).ok()).unwrap_or_default();
        let mut seen = std::collections::HashMap::<_, u64>::new();
        for resource in arrived.resources() {
            let points = points_of(&arrived, resource);
            *seen.entry(self.splitter.unit(&arrived, resource)).or_default() += points;
        }
        let made = self.made[variant.index()].iter().zip(self.assignment.homes(variant));
        let mut named = false;
        for (resource, (made, _)) in input.resources().iter().zip(made).filter(|(_, (_, home))| **home) {
            let unit = self.splitter.unit(input, resource);
            let left = seen.get(&unit).copied().unwrap_or(0);
            if left < *made {
                named = true;
                self.observer.lost_unit(self.splitter.name(input, resource));
            }
            seen.insert(unit, left.saturating_sub(*made));
        }
        if !named {
            self.observer
                .lost_unit(format!("(a unit of the {} that its own attributes do not name)", variant.name()));
        }
    }
}

fn points_of(batch: &Batch, resource: &ResourceRow) -> u64 {
    let metrics = batch.scopes(resource).iter().flat_map(|scope| batch.metrics(scope));
    metrics.map(|metric| metric.points.len() as u64).sum()
}

/// By index of the input resource: how many points of it the output has.
fn count(input: &Batch, output: &Batch, counts: &mut Vec<u64>) {
    counts.clear();
    counts.resize(input.resources().len(), 0);
    for resource in output.resources() {
        for scope in output.scopes(resource) {
            for metric in output.metrics(scope) {
                for point in output.points(metric) {
                    if let Some(count) = counts.get_mut(point.home as usize) {
                        *count += 1;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
