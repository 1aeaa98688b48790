//! Swapping generations, and the clock's part: windows close without a batch, too.

use std::sync::Arc;

use observe::{Evidence, Experiment, Variant};

use super::generation::{Current, Generation, Routes};
use super::lane::Lane;
use super::side::Side;
use super::trial::Trial;
use super::{Acknowledge, Engine};
use crate::config::Intent;
use crate::split::Weight;

/// What to install.
#[derive(Debug)]
pub struct Next<'a> {
    /// The generation's number, committed already.
    pub number: u64,
    /// What it is made of.
    pub intent: &'a Intent,
    /// Where everything goes.
    pub routes: Routes,
    /// When senders are answered.
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
        if let Some(mut old) = retiring.as_mut().and_then(|lane| lane.take()) {
            self.collect(&mut old, Some(now));
            if let Some(lane) = &mut lane {
                adopt(lane, old);
            }
        }
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

    /// To be called now and then: closes windows that have ended.
    pub fn tick(&self, now: u64) {
        let current = self.current.load_full();
        let mut guard = current.generation.lane();
        let Some(lane) = guard.as_mut().and_then(|lane| lane.as_mut()) else { return };
        if let Some(trial) = &mut lane.trial {
            trial.roll(now);
        }
        self.collect(lane, None);
    }

    /// Files what was measured and counted; with `cut_at` also in the open window, because its
    /// generation ends.
    fn collect(&self, lane: &mut Lane, cut_at: Option<u64>) {
        self.metrics.rules(Variant::Baseline, lane.baseline.take_rule_counts());
        let Some(trial) = &mut lane.trial else { return };
        if let Some(side) = &mut trial.side {
            self.metrics.rules(Variant::Candidate, side.take_rule_counts());
        }
        if let Some(now) = cut_at {
            trial.roll(now);
            let summary = trial.observer.cut(now);
            trial.closed.push((summary, trial.observer.interval_nanos()));
        }
        if let Some(evidence) = self.evidence().as_mut() {
            for (summary, interval) in trial.closed.drain(..) {
                evidence.add(&summary, interval);
            }
        }
    }

    fn succeed(&self, number: u64, intent: &Intent) {
        let mut evidence = self.evidence();
        let Some(experiment) = &intent.experiment else {
            *evidence = None;
            return;
        };
        let digest =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        let settings = Arc::clone(&experiment.observation);
        let compared = Experiment {
            name: "local".into(),
            generation: number,
            weight_bp: experiment.split.weight.bp(),
            unit: experiment.split.unit.to_string(),
            baseline: digest(intent.digests.baseline),
            candidate: digest(intent.digests.candidate),
        };
        *evidence = Some(match evidence.take() {
            Some(before) => before.succeeded_by(settings, compared),
            None => Evidence::new(settings, compared),
        });
    }
}

/// A lane for `intent`, or nothing if metrics pass through untouched and unobserved.
fn lane(intent: &Intent, agent_uid: &str, now: u64) -> Option<Lane> {
    let baseline = intent.baseline.as_ref()?;
    let trial = intent.experiment.as_ref().map(|experiment| Trial::build(experiment, agent_uid, now));
    let idle = baseline.stages().is_empty() && trial.is_none();
    (!idle).then(|| Lane::new(Side::build(baseline), trial))
}

/// Hands state over: from the same variant, or from the other where that ran the very plan that this
/// one runs now, so that a promotion keeps what the candidate has gathered.
fn adopt(lane: &mut Lane, old: Lane) {
    let (mut baseline, mut trial) = (Some(old.baseline), old.trial);
    let mut candidate = trial.as_mut().and_then(|trial| trial.side.take());
    let new_candidate = lane.trial.as_mut().and_then(|trial| trial.side.as_mut());
    inherit(&mut lane.baseline, &mut baseline, &mut candidate);
    if let Some(new) = new_candidate {
        inherit(new, &mut candidate, &mut baseline);
    }
    if let (Some(new), Some(old)) = (&mut lane.trial, trial)
        && same(&new.observation, &old.observation)
    {
        new.observer = old.observer;
    }
}

fn inherit(new: &mut Side, same: &mut Option<Side>, other: &mut Option<Side>) {
    let runs = |old: &Option<Side>| old.as_ref().is_some_and(|old| new.runs_the_plan_of(old));
    let from = if runs(other) && !runs(same) { other } else { same };
    if let Some(old) = from.take() {
        new.adopt(old);
    }
}

/// An observer serves on as long as it is asked the same.
fn same(a: &observe::Settings, b: &observe::Settings) -> bool {
    a.window_nanos == b.window_nanos
        && a.hold_nanos == b.hold_nanos
        && a.warm_up_scrapes == b.warm_up_scrapes
        && a.lenses == b.lenses
        && a.critical == b.critical
        && a.price == b.price
}
