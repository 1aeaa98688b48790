//! Observation of one batch, in steps of which each consumes the one before: the input, the baseline's output, the
//! candidate's output, and what the split made of both. Steps in another order do not compile.

use std::time::Duration;

use observe::{Observer, Variant};
use pipelines::Batch;
use pipelines::batch::Encoded;

use super::candidate::{Candidate, CandidateOutcome};
use super::split::AssignedBatch;

/// Batch whose input is observed; the baseline's output is next.
#[derive(Debug)]
#[must_use = "the baseline's output is to be observed, or its failure"]
pub struct InputObservation<'a> {
    observer: &'a mut Observer,
    input: &'a Batch,
    /// Points that came in, seen or not.
    came: u64,
}

/// Batch whose baseline output is observed; the candidate's is next.
#[derive(Debug)]
#[must_use = "the candidate's output is to be observed, or its failure"]
pub struct BaselineObservation<'a>(InputObservation<'a>);

/// Batch whose outputs are observed; what leaves by each variant is next.
#[derive(Debug)]
#[must_use = "what leaves is to be observed"]
pub struct OutputObservation<'a>(InputObservation<'a>);

impl<'a> InputObservation<'a> {
    /// Observes `input`, whose identities are computed, admitted at `now`, Unix nanoseconds, with so many points.
    pub(super) fn new(observer: &'a mut Observer, input: &'a Batch, now: u64, came: u64) -> Self {
        observer.input(input, now);
        Self { observer, input, came }
    }

    /// Observes the baseline's output, whose identities are computed, and which took it `spent`.
    pub fn baseline(mut self, output: &Batch, spent: Duration) -> BaselineObservation<'a> {
        let points = self.came;
        self.observe(Variant::Baseline, output, (spent, points));
        BaselineObservation(self)
    }

    /// Observes an output of so many input points, which took so long.
    fn observe(&mut self, variant: Variant, output: &Batch, (spent, points): (Duration, u64)) {
        let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.observer.spent(variant, nanos, points);
        self.observer.output(variant, self.input, output, output.encoded_len() as u64);
    }
}

impl<'a> BaselineObservation<'a> {
    /// Observes the candidate's output, or counts its failure.
    pub fn candidate(
        mut self,
        candidate: &mut Candidate,
        outcome: &CandidateOutcome,
    ) -> OutputObservation<'a> {
        match (outcome, candidate.pipeline_mut()) {
            (CandidateOutcome::Done(spent), Some(pipeline)) => {
                pipeline.identify();
                let points = self.0.input.point_count() as u64;
                self.0.observe(Variant::Candidate, pipeline.output(self.0.input), (*spent, points));
            }
            (CandidateOutcome::Failed(_), _) => self.0.observer.failed(Variant::Candidate),
            (CandidateOutcome::Done(_) | CandidateOutcome::Absent, _) => {}
        }
        OutputObservation(self.0)
    }
}

impl OutputObservation<'_> {
    /// Accounts for what leaves of the batch, see [`audit`].
    pub fn finish(self, assigned: AssignedBatch<'_>, leaving: &[Vec<Encoded>; 2]) -> u64 {
        audit(self.0.observer, assigned, leaving)
    }

    /// Ends the observation of a part of a batch, of which the whole was accounted for.
    pub fn finish_part(self) {}
}

/// Accounts for every unit of a batch, audits what leaves by each variant, and counts it. A unit of which a variant made more
/// than leaves makes the window void, by name. Returns the number of points without a unit.
pub(super) fn audit(
    observer: &mut Observer,
    mut assigned: AssignedBatch<'_>,
    leaving: &[Vec<Encoded>; 2],
) -> u64 {
    let mut unassigned = 0;
    for share in assigned.units() {
        match share.unit {
            None => unassigned += share.points,
            Some(unit) => observer.assigned(share.variant, unit, share.points, share.delivered),
        }
    }
    observer.unassigned(unassigned);
    for variant in Variant::BOTH {
        let left = &leaving[variant.index()];
        for name in assigned.missing(variant, left) {
            observer.lost_unit(name);
        }
        for Encoded { bytes, points } in left {
            observer.delivered(variant, *points, bytes.len() as u64);
        }
    }
    unassigned
}

/// Flush of a variant that is observed; what leaves of it is next.
#[derive(Debug)]
#[must_use = "what leaves is to be observed"]
pub struct FlushObservation<'a> {
    observer: &'a mut Observer,
    variant: Variant,
}

impl<'a> FlushObservation<'a> {
    /// Observes what a variant held back of `input` and sends now; identities of `output` are computed.
    pub(super) fn new(observer: &'a mut Observer, variant: Variant, input: &Batch, output: &Batch) -> Self {
        observer.flushed(variant, input, output, output.encoded_len() as u64);
        Self { observer, variant }
    }

    /// Counts what leaves.
    pub fn finish(self, left: &Encoded) {
        if left.points > 0 {
            self.observer.delivered(self.variant, left.points, left.bytes.len() as u64);
        }
    }
}
