//! Swapping generations, and the clock's part: windows close without a batch, too.

use std::sync::Arc;

use observe::{Evidence, Experiment, Variant};
use pipelines::processors::{Variants, hand_over};
use pipelines::split::Weight;

use super::generation::{Current, Generation, Routes};
use super::lane::Lane;
use super::side::Side;
use super::trial::Trial;
use super::{Acknowledge, Engine};
use crate::config::Intent;

/// Generation to install.
#[derive(Debug)]
pub struct Next<'a> {
    /// The generation's number, committed already.
    pub number: u64,
    /// Its parts.
    pub intent: &'a Intent,
    /// Destinations of all signals.
    pub routes: Routes,
    /// Moment at which senders are answered.
    pub acknowledge: Acknowledge,
    /// Names the host where no attribute does.
    pub agent_uid: &'a str,
}

impl Engine {
    /// Puts `next` in charge at `now`, Unix nanoseconds, between two batches. The same generation with
    /// other destinations keeps its lane as it is.
    pub fn install(&self, next: Next<'_>, now: u64) {
        let old = self.current.load_full();
        let Next { number, intent, routes, acknowledge, agent_uid } = next;
        if old.generation.number == number {
            let generation = Arc::clone(&old.generation);
            self.current.store(Arc::new(Current { generation, routes, acknowledge }));
            return;
        }
        let mut lane = lane(intent, agent_uid, now);
        // Held until the new generation is in place, so that no batch finds neither.
        let mut retiring = old.generation.lane();
        if let Some(mut before) = retiring.as_mut().and_then(|lane| lane.take()) {
            // Under the old generation and by its destinations: what no stage goes on holding.
            let (left, failed) = before.retire(lane.as_mut(), now);
            self.take(&old, left, failed);
            self.close(&mut before, now);
            if let Some(lane) = &mut lane {
                adopt(lane, before);
            }
        }
        self.show_levels(lane.as_ref());
        let splits = intent.experiment.as_ref().is_some_and(|e| e.split.weight > Weight::NONE);
        self.succeed(number, intent);
        let generation = Arc::new(Generation::new(number, splits, lane));
        self.current.store(Arc::new(Current { generation, routes, acknowledge }));
        drop(retiring);
        self.health.update(|condition| {
            condition.generation = number;
            condition.candidate_cut = None;
        });
    }

    /// To be called now and then, off the data path's threads: lets time pass in the pipelines, sends what is due,
    /// closes windows that have ended, and files them.
    pub fn tick(&self, now: u64) {
        let current = self.current.load_full();
        let mut guard = current.generation.lane();
        let Some(lane) = guard.as_mut().and_then(|lane| lane.as_mut()) else { return };
        self.advance(&current, lane, now);
        self.count_rules(lane);
        let Lane { baseline, trial: Some(trial), .. } = lane else { return };
        trial.roll(baseline, now);
        let closed = std::mem::take(&mut trial.closed);
        // Taken while the lane is still held, so that no other generation comes in between; filing
        // takes a while, and batches need not wait for it.
        let evidence = self.evidence();
        drop(guard);
        self.file(evidence, closed);
    }

    /// Counts and files what is left in a lane whose generation ends at `now`.
    fn close(&self, lane: &mut Lane, now: u64) {
        self.count_rules(lane);
        let Lane { baseline, trial: Some(trial), .. } = lane else { return };
        trial.end(baseline, now);
        self.file(self.evidence(), std::mem::take(&mut trial.closed));
    }

    fn count_rules(&self, lane: &mut Lane) {
        self.metrics.rules(Variant::Baseline, lane.baseline.take_rule_counts());
        self.metrics.kept(Variant::Baseline, lane.baseline.kept());
        if let Some(side) = lane.trial.as_mut().and_then(|trial| trial.side.as_mut()) {
            self.metrics.rules(Variant::Candidate, side.take_rule_counts());
            self.metrics.kept(Variant::Candidate, side.kept());
        }
        self.show_levels(Some(lane));
    }

    fn show_levels(&self, lane: Option<&Lane>) {
        let candidate = lane.and_then(|lane| lane.trial.as_ref()?.side.as_ref());
        let sides = [(Variant::Baseline, lane.map(|lane| &lane.baseline)), (Variant::Candidate, candidate)];
        self.metrics.levels(sides.into_iter().flat_map(|(variant, side)| {
            side.into_iter().flat_map(Side::levels).map(move |(stage, level)| (variant, stage, level))
        }));
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

/// A lane for `intent`, or nothing if metrics pass through untouched and unobserved.
fn lane(intent: &Intent, agent_uid: &str, now: u64) -> Option<Lane> {
    let baseline = intent.baseline.as_ref()?;
    let trial = intent.experiment.as_ref().map(|experiment| Trial::build(experiment, agent_uid, now));
    let idle = baseline.stages().is_empty() && trial.is_none();
    (!idle).then(|| Lane::new(Side::build(baseline, now), trial))
}

/// Hands state over, and the observer where it goes on observing the same.
fn adopt(lane: &mut Lane, mut old: Lane) {
    let same_plans = match (&lane.trial, &old.trial) {
        (Some(Trial { side: Some(new), .. }), Some(Trial { side: Some(old_side), .. })) => {
            // What was observed of other plans says nothing about these.
            lane.baseline.runs_the_plan_of(&old.baseline) && new.runs_the_plan_of(old_side)
        }
        _ => false,
    };
    hand_over(variants(&mut old), variants(lane));
    if let (Some(new), Some(old)) = (&mut lane.trial, old.trial)
        && same_plans
        && same(&new.observation, &old.observation)
    {
        new.observer = old.observer;
        new.meter = old.meter;
    }
}

/// The pipelines of a lane, by variant.
pub fn variants(lane: &mut Lane) -> Variants<'_> {
    let candidate = lane.trial.as_mut().and_then(|trial| trial.side.as_mut());
    [lane.baseline.pipeline(), candidate.and_then(Side::pipeline)]
}

/// An observer serves on as long as it is asked the same.
fn same(a: &observe::Settings, b: &observe::Settings) -> bool {
    a.window_nanos == b.window_nanos
        && a.report_nanos == b.report_nanos
        && a.hold_nanos == b.hold_nanos
        && a.warm_up_scrapes == b.warm_up_scrapes
        && a.lenses == b.lenses
        && a.critical == b.critical
        && a.price == b.price
}
