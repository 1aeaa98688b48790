//! State of an experiment beside the baseline: the candidate, the split, and what observes both.

use std::sync::Arc;

use observe::{Slicing, Variant};
use pipelines::batch::Encoded;
use pipelines::processors::Flush;

use super::candidate::Candidate;
use super::observer::ExperimentObserver;
use super::split::Split;
use crate::generation::{Experiment, LOCAL};

/// State of an experiment, beside the baseline.
#[derive(Debug)]
pub struct ExperimentState {
    /// The candidate.
    pub candidate: Candidate,
    /// The split, which says by which variant each unit leaves.
    pub split: Split,
    /// The observer of both variants.
    pub observer: ExperimentObserver,
}

impl ExperimentState {
    /// State of an experiment that has seen no batch, from `now` on, Unix nanoseconds.
    pub fn build(experiment: &Experiment, agent_uid: &str, now: u64) -> Self {
        let observation =
            observe::Settings { agent_uid: agent_uid.to_owned(), ..(*experiment.observation).clone() };
        // A file's own experiment has no other agents.
        let slicing = (experiment.id != LOCAL).then(|| Slicing::new(&experiment.id, agent_uid));
        Self {
            candidate: Candidate::build(experiment, now),
            split: Split::new(&experiment.split, agent_uid),
            observer: ExperimentObserver::new(Arc::new(observation), slicing, now),
        }
    }

    /// Observes what the candidate held back and sends now, and returns the part that is delivered: nothing of it while its
    /// units leave by the baseline.
    pub fn flush(&mut self, mut flush: Flush, delivers: bool) -> Encoded {
        let Flush { input, output, .. } = &mut flush;
        output.identify();
        let observation = self.observer.flush(Variant::Candidate, input, output);
        let encoded = self.split.encode(Variant::Candidate, input, output, delivers);
        observation.finish(&encoded);
        encoded
    }

    /// Cuts the candidate out, which failed between batches.
    pub fn cut_candidate(&mut self) {
        self.candidate.cut();
        self.observer.candidate_failed();
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, now: u64) {
        self.observer.end(self.candidate.pipeline_mut(), now);
    }
}
