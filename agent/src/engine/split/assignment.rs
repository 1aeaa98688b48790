//! Assignment of a batch's resources to variants.

use observe::Variant;
use pipelines::Batch;
use pipelines::split::Splitter;

/// Assignment of input resources to variants; its memory is reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// True, by index of the input resource, if the variant's output is delivered for it.
    homes: [Vec<bool>; 2],
    /// Hash of the unit, by index of the input resource.
    units: Vec<Option<u64>>,
}

impl Assignment {
    /// Assigns every resource of an input batch. Without a candidate, all of them to the baseline.
    pub fn assign(&mut self, splitter: &mut Splitter, batch: &Batch, has_candidate: bool) {
        let [baseline, candidate] = &mut self.homes;
        baseline.clear();
        candidate.clear();
        self.units.clear();
        for resource in batch.resources() {
            let unit = splitter.unit(batch, resource);
            let taken = has_candidate && unit.is_some_and(|unit| splitter.split().weight.takes(unit));
            baseline.push(!taken);
            candidate.push(taken);
            self.units.push(unit);
        }
    }

    /// True, by index of the input resource, if this variant's output is delivered for it.
    pub fn homes(&self, variant: Variant) -> &[bool] {
        &self.homes[variant.index()]
    }

    /// Tells whether this variant delivers all of the batch; also of one without resources.
    pub fn has_all(&self, variant: Variant) -> bool {
        self.homes(variant).iter().all(|&home| home)
    }

    /// Each resource's variant and its unit's hash, if it has a unit.
    pub fn units(&self) -> impl Iterator<Item = (Variant, Option<u64>)> {
        self.homes(Variant::Candidate)
            .iter()
            .zip(&self.units)
            .map(|(&candidate, &unit)| (if candidate { Variant::Candidate } else { Variant::Baseline }, unit))
    }
}
