//! State of an experiment beside the baseline: the candidate, the split, and what observes both.

use std::sync::Arc;

use observe::{Slicing, Variant};
use pipelines::batch::Encoded;
use pipelines::processors::{Flush, HeldPoints};

use super::candidate::Candidate;
use super::observer::ExperimentObserver;
use super::split::Split;
use super::variant::VariantPipeline;
use crate::generation::{Experiment, LOCAL};

/// Points that a stage held, that a variant would have delivered, and that nothing sends any more.
#[derive(Clone, Debug)]
pub struct LostHeld {
    /// The variant.
    pub variant: Variant,
    /// Id of the stage.
    pub stage: String,
    /// Number of points; at most, where the units of some are not known.
    pub points: u64,
}

impl LostHeld {
    /// Points that the baseline held where nothing else delivers.
    pub fn of_baseline(held: &HeldPoints) -> Self {
        Self { variant: Variant::Baseline, stage: held.stage.to_string(), points: held.points() }
    }
}

/// State of an experiment, beside the baseline.
#[derive(Debug)]
pub struct ExperimentState {
    /// Id of the experiment.
    pub id: String,
    /// The candidate.
    pub candidate: Candidate,
    /// The split, which says by which variant each unit leaves.
    pub split: Split,
    /// The observer of both variants.
    pub observer: ExperimentObserver,
    /// True while the candidate's units leave by it, so that what its stages hold of them is owed to the destination.
    pub delivers: bool,
}

impl ExperimentState {
    /// State of an experiment that has seen no batch, from `now` on, Unix nanoseconds; so many series are followed one by one.
    pub fn build(experiment: &Experiment, agent_uid: &str, series: usize, now: u64) -> Self {
        let settings = (*experiment.observation).clone();
        let bound = settings.bound.min(series);
        let observation = observe::Settings { agent_uid: agent_uid.to_owned(), bound, ..settings };
        // A file's own experiment has no other agents.
        let slicing = (experiment.id != LOCAL).then(|| Slicing::new(&experiment.id, agent_uid));
        Self {
            id: experiment.id.clone(),
            candidate: Candidate::build(experiment, now),
            split: Split::new(&experiment.split, agent_uid),
            observer: ExperimentObserver::new(Arc::new(observation), slicing, now),
            delivers: false,
        }
    }

    /// Observes what the candidate held back and sends now, and returns the part that is delivered: nothing of it while its
    /// units leave by the baseline.
    pub fn flush(&mut self, mut flush: Flush) -> Encoded {
        self.observer.narrow(&mut flush);
        let Flush { input, output, .. } = &mut flush;
        output.identify();
        let observation = self.observer.flush(Variant::Candidate, input, output);
        let encoded = self.split.encode(Variant::Candidate, input, output, self.delivers);
        observation.finish(&encoded);
        encoded
    }

    /// Counts points that a variant's stages held and that nothing sends any more: those that it would have delivered.
    /// They are undelivered, and the window says so by name.
    pub fn lose(&mut self, variant: Variant, held: Vec<HeldPoints>) -> Vec<LostHeld> {
        let mut all = Vec::new();
        for held in held {
            let points = self.split.count(variant, &held, self.delivers);
            if points > 0 {
                let stage = held.stage.to_string();
                self.observer.lost_held(variant, &stage, points);
                all.push(LostHeld { variant, stage, points });
            }
        }
        all
    }

    /// Cuts the candidate out, which failed between batches. Returns its pipeline, with what its stages hold.
    pub fn cut_candidate(&mut self) -> Option<VariantPipeline> {
        self.observer.candidate_failed();
        self.candidate.cut()
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, now: u64) {
        self.observer.end(self.candidate.pipeline_mut(), now);
    }
}
