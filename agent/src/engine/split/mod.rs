//! The split: by which variant each unit of a batch leaves, and whether all that was made of it does.

mod assignment;

use std::collections::HashMap;

use observe::Variant;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, ResourceRow};
use pipelines::processors::HeldPoints;
use pipelines::split::Splitter;

use super::variant::VariantPipeline;
pub use assignment::Assignment;

/// Split of a generation; its memory is reused from batch to batch.
#[derive(Clone, Debug)]
pub struct Split {
    splitter: Splitter,
    assignment: Assignment,
    /// Points that a variant's pipeline made, by variant and index of the input resource.
    made: [Vec<u64>; 2],
}

/// Batch whose resources are assigned, with the points that both variants made of each.
#[derive(Debug)]
pub struct AssignedBatch<'a> {
    split: &'a mut Split,
    input: &'a Batch,
}

/// An input resource's share of a batch.
#[derive(Clone, Copy, Debug)]
pub struct UnitShare {
    /// Variant to which the resource is assigned.
    pub variant: Variant,
    /// Hash of its unit; nothing if it names none.
    pub unit: Option<u64>,
    /// Input points of the resource.
    pub points: u64,
    /// True if something of it leaves by the variant.
    pub delivered: bool,
}

impl Split {
    /// A split by this rule. `agent_uid` names the host where no attribute does.
    pub fn new(split: &pipelines::split::Split, agent_uid: &str) -> Self {
        Self {
            splitter: Splitter::new(split.clone(), agent_uid),
            assignment: Assignment::default(),
            made: Default::default(),
        }
    }

    /// Assigns every resource of `input` to the variant by which it has left, of both of which these are the outputs.
    /// `by_candidate` tells whether the candidate's units have left by it; else all are the baseline's.
    pub fn assign<'a>(
        &'a mut self,
        input: &'a Batch,
        baseline: &'a Batch,
        candidate: Option<&'a VariantPipeline>,
        by_candidate: bool,
    ) -> AssignedBatch<'a> {
        self.assignment.assign(&mut self.splitter, input, by_candidate);
        let outputs = [Some(baseline), candidate.map(|pipeline| pipeline.output(input))];
        for (made, output) in self.made.iter_mut().zip(outputs) {
            made.clear();
            if let Some(output) = output {
                count(input, output, made);
            }
        }
        AssignedBatch { split: self, input }
    }

    /// Assigns every resource of `input`, the candidate's units to it.
    pub fn divide(&mut self, input: &Batch) -> &Assignment {
        self.assignment.assign(&mut self.splitter, input, true);
        &self.assignment
    }

    /// Encodes what a variant delivers of an output; `input` is what that came from. `delivers` tells whether the candidate
    /// delivers its units; else all are the baseline's.
    pub fn encode(&mut self, variant: Variant, input: &Batch, output: &Batch, delivers: bool) -> Encoded {
        self.assignment.assign(&mut self.splitter, input, delivers);
        let all = self.assignment.has_all(variant)
            && (variant == Variant::Baseline || !input.resources().is_empty());
        output.encode(if all { Keep::All } else { Keep::Homes(self.assignment.homes(variant)) })
    }

    /// Points of those that wait in a variant's stage that it would deliver. `delivers` tells whether the candidate delivers
    /// its units. Points of which no one resource is known are all counted: at most so many.
    pub fn count(&mut self, variant: Variant, held: &HeldPoints, delivers: bool) -> u64 {
        if variant == Variant::Candidate && !delivers {
            return 0;
        }
        self.assignment.assign(&mut self.splitter, &held.input, delivers);
        let of_it = self.assignment.homes(variant).iter().zip(&held.by_resource).filter(|(home, _)| **home);
        of_it.map(|(_, points)| points).sum::<u64>() + held.mixed
    }

    /// The rule.
    pub fn rule(&self) -> &pipelines::split::Split {
        self.splitter.split()
    }
}

impl AssignedBatch<'_> {
    /// Share of each input resource.
    pub fn units(&self) -> impl Iterator<Item = UnitShare> {
        let Split { assignment, made, .. } = &*self.split;
        let assigned = self.input.resources().iter().zip(assignment.units()).enumerate();
        assigned.map(|(home, (resource, (variant, unit)))| UnitShare {
            variant,
            unit,
            points: points_of(self.input, resource),
            delivered: made[variant.index()].get(home).is_some_and(|points| *points > 0),
        })
    }

    /// Names of the units of which the variant made more than is in what leaves by it.
    pub fn missing(&mut self, variant: Variant, left: &[Encoded]) -> Vec<String> {
        let made = self.made_at_home(variant).map(|(_, points)| points).sum::<u64>();
        if made == left.iter().map(|encoded| encoded.points).sum::<u64>() {
            Vec::new()
        } else {
            self.name_missing(variant, left)
        }
    }

    /// Index of each input resource that is assigned to the variant, and the points that it made of it.
    fn made_at_home(&self, variant: Variant) -> impl Iterator<Item = (usize, u64)> {
        let Split { assignment, made, .. } = &*self.split;
        let homes = made[variant.index()].iter().zip(assignment.homes(variant)).enumerate();
        homes.filter(|(_, (_, home))| **home).map(|(at, (made, _))| (at, *made))
    }

    #[cold]
    fn name_missing(&mut self, variant: Variant, left: &[Encoded]) -> Vec<String> {
        let mut seen = HashMap::<_, u64>::new();
        for arrived in left.iter().filter_map(|encoded| Batch::parse(encoded.bytes.clone()).ok()) {
            for resource in arrived.resources() {
                let points = points_of(&arrived, resource);
                *seen.entry(self.split.splitter.unit(&arrived, resource)).or_default() += points;
            }
        }
        let mut names = Vec::new();
        for (at, made) in self.made_at_home(variant).collect::<Vec<_>>() {
            let resource = &self.input.resources()[at];
            let unit = self.split.splitter.unit(self.input, resource);
            let left = seen.get(&unit).copied().unwrap_or(0);
            if left < made {
                names.push(self.split.splitter.name(self.input, resource));
            }
            seen.insert(unit, left.saturating_sub(made));
        }
        if names.is_empty() {
            names.push(format!("(a unit of the {} that its own attributes do not name)", variant.name()));
        }
        names
    }
}

fn points_of(batch: &Batch, resource: &ResourceRow) -> u64 {
    let metrics = batch.scopes(resource).iter().flat_map(|scope| batch.metrics(scope));
    metrics.map(|metric| metric.points.len() as u64).sum()
}

/// Counts the points of the output by index of the input resource.
fn count(input: &Batch, output: &Batch, counts: &mut Vec<u64>) {
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
