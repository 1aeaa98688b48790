//! One batch's resources, each assigned to a variant.

use observe::Variant;
use pipelines::Batch;
use pipelines::split::Splitter;

/// Assignment of input resources to variants; its memory is reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// By index of the input resource: whether the variant's output is delivered for it.
    homes: [Vec<bool>; 2],
    /// By index of the input resource: its unit's hash.
    units: Vec<Option<u64>>,
}

impl Assignment {
    /// Assigns every resource of an input batch.
    pub fn assign(&mut self, splitter: &mut Splitter, batch: &Batch) {
        let [baseline, candidate] = &mut self.homes;
        baseline.clear();
        candidate.clear();
        self.units.clear();
        for resource in batch.resources() {
            let unit = splitter.unit(batch, resource);
            let taken = unit.is_some_and(|unit| splitter.split().weight.takes(unit));
            baseline.push(!taken);
            candidate.push(taken);
            self.units.push(unit);
        }
    }

    /// Gives everything to the baseline, because there is no output of the candidate to deliver.
    pub fn fall_back(&mut self) {
        let [baseline, candidate] = &mut self.homes;
        baseline.fill(true);
        candidate.fill(false);
    }

    /// By index of the input resource: whether this variant's output is delivered for it.
    pub fn homes(&self, variant: Variant) -> &[bool] {
        &self.homes[variant.index()]
    }

    /// Tells whether this variant delivers anything of the batch.
    pub fn has_any(&self, variant: Variant) -> bool {
        self.homes(variant).contains(&true)
    }

    /// Each resource's variant and its unit's hash, if it has a unit.
    pub fn units(&self) -> impl Iterator<Item = (Variant, Option<u64>)> {
        self.homes(Variant::Candidate)
            .iter()
            .zip(&self.units)
            .map(|(&candidate, &unit)| (if candidate { Variant::Candidate } else { Variant::Baseline }, unit))
    }
}
