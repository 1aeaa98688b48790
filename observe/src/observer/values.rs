//! Values: the candidate's point of an input point against the baseline's.
//!
//! A point that no stage has touched equals its input point, so only touched ones are looked at. Aggregates are compared
//! where both variants made them of the same input points: an aggregate of one point with that point, and one of several
//! with the baseline's of the same identity. Times are the aggregating stage's own and are not compared; nor is an increase,
//! unless both count from the same start.

use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{Inputs, Measured, MetricKind, MetricRow, PointRow};

use super::Observer;
use super::descend::Descendant;
use crate::Variant;
use crate::changed::Difference;
use crate::lens::increases;
use crate::marks::Marks;
use crate::rows::Said as _;

/// The baseline's point is as it came.
const PLAIN: u8 = 1;
/// A stage of the baseline has touched it.
const TOUCHED: u8 = 2;
/// The baseline made several points of it.
const SEVERAL: u8 = 4;
/// The candidate did.
const SEVERAL_OF_CANDIDATE: u8 = 8;
/// The baseline made a point of it and of others.
const AGGREGATED: u8 = 16;

/// The baseline's descendants of each input point of the batch at hand.
#[derive(Debug, Default)]
pub(super) struct Counterparts {
    states: Vec<u8>,
    /// Values of the touched points, and their places by input point.
    measured: Vec<Measured>,
    slots: Vec<u32>,
    counts: Vec<u8>,
    /// The baseline's aggregates, by their input points; none where there are several of the same.
    aggregates: HashMap<u64, Option<(u128, Measured)>>,
    /// True while what a stage held back is observed: nothing of the other variant comes with it.
    pub held: bool,
}

impl Counterparts {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.states.clear();
        self.measured.clear();
        self.slots.clear();
        self.aggregates.clear();
    }

    /// Begins with a variant's output of a batch whose input points belong to the series at these places.
    pub fn begin(&mut self, variant: Variant, places: &[u32], output: &Batch) {
        if variant == Variant::Baseline {
            self.clear();
        }
        self.states.resize(places.len(), 0);
        if self.held {
            // What was held back may name its input series several times.
            let mut first = HashMap::new();
            let one = |(of, place): (usize, &u32)| *first.entry(*place).or_insert(of);
            let ones: Vec<usize> = places.iter().enumerate().map(one).collect();
            self.count(variant, output, |of| ones.get(of).copied().unwrap_or(of));
        } else if output.all_points().len() > places.len() {
            // Whatever has more descendants than one is a row more.
            self.count(variant, output, |of| of);
        }
    }

    /// Counts the descendants of input points; `one` tells which of those that are alike stands for all.
    fn count(&mut self, variant: Variant, output: &Batch, one: impl Fn(usize) -> usize) {
        self.counts.clear();
        self.counts.resize(self.states.len(), 0);
        let scopes = output.resources().iter().flat_map(|resource| output.scopes(resource));
        let points = scopes.flat_map(|scope| output.metrics(scope)).flat_map(|metric| output.points(metric));
        for point in points {
            let (Inputs::One(of) | Inputs::Many(&[of])) = output.inputs(point) else { continue };
            if let Some(count) = self.counts.get_mut(one(of as usize)) {
                *count = count.saturating_add(1);
            }
        }
        let bit = if variant == Variant::Baseline { SEVERAL } else { SEVERAL_OF_CANDIDATE };
        for (of, state) in self.states.iter_mut().enumerate() {
            let several = self.counts.get(one(of)).is_some_and(|count| *count > 1);
            *state |= if several { bit } else { 0 };
        }
    }

    /// Tells whether neither variant makes several points of it, as far as is known by now.
    #[inline]
    pub fn is_single(&self, of: u32) -> bool {
        let several = SEVERAL | SEVERAL_OF_CANDIDATE;
        self.states.get(of as usize).is_some_and(|state| state & several == 0)
    }

    /// Tells whether the baseline makes several points of it.
    pub fn has_several_of_baseline(&self, of: u32) -> bool {
        self.states.get(of as usize).is_some_and(|state| state & SEVERAL != 0)
    }

    /// Notes that the baseline's point is as it came.
    #[inline]
    pub fn note_plain(&mut self, of: u32) {
        if let Some(state) = self.states.get_mut(of as usize) {
            *state |= PLAIN;
        }
    }

    /// Notes the baseline's point, which a stage has touched.
    pub fn note_touched(&mut self, of: u32, output: &Batch, metric: &MetricRow, point: &PointRow) {
        let Some(state) = self.states.get_mut(of as usize) else { return };
        *state |= TOUCHED;
        self.slots.resize(self.states.len(), 0);
        self.slots[of as usize] = self.measured.len() as u32;
        self.measured.push(output.measured(metric.kind, point));
    }

    /// Notes the baseline's point of several input points.
    pub fn aggregated(&mut self, descendant: &Descendant<'_>, members: &[u32]) {
        for member in members {
            self.states.get_mut(*member as usize).into_iter().for_each(|state| *state |= AGGREGATED);
        }
        if !self.held {
            let Descendant { output, metric, point, .. } = *descendant;
            let measured = (output.identity(point), output.measured(metric.kind, point));
            let known = self.aggregates.entry(together(members));
            known.and_modify(|known| *known = None).or_insert(Some(measured));
        }
    }

    /// Tells whether the candidate's point of it is to be compared: both variants have just one, and one was touched.
    #[inline]
    pub fn may_differ(&self, of: u32, point: &PointRow) -> bool {
        match self.states.get(of as usize) {
            Some(&(TOUCHED | AGGREGATED)) => !self.held,
            Some(&PLAIN) => !self.held && point.is_touched(),
            _ => false,
        }
    }

    /// Difference of the candidate's point from the baseline's; none if both measure the same, or cannot be compared.
    pub fn difference(&self, input: &Batch, descendant: &Descendant<'_>, of: u32) -> Option<Difference> {
        let Descendant { output, metric, point, .. } = *descendant;
        let state = self.states.get(of as usize)? & !SEVERAL_OF_CANDIDATE;
        let baseline = match state {
            PLAIN => input.measured(metric.kind, input.all_points().get(of as usize)?),
            TOUCHED => *self.measured.get(*self.slots.get(of as usize)? as usize)?,
            AGGREGATED => return self.difference_of_aggregates(input, descendant, &[of]),
            _ => return None,
        };
        Difference::between(&baseline, &output.measured(metric.kind, point))
    }

    /// Difference of the candidate's point from the baseline's where one of them, or both, are aggregates of these input
    /// points; none as in [`Self::difference`].
    pub fn difference_of_aggregates(
        &self,
        input: &Batch,
        descendant: &Descendant<'_>,
        members: &[u32],
    ) -> Option<Difference> {
        if self.held {
            return None;
        }
        let Descendant { output, metric, point, .. } = *descendant;
        let baseline = match members {
            [of] if !self.is_single(*of) => return None,
            [of] if self.states.get(*of as usize)? & (PLAIN | TOUCHED) != 0 => {
                let state = *self.states.get(*of as usize)?;
                let plain = || Some(input.measured(metric.kind, input.all_points().get(*of as usize)?));
                let touched = || self.measured.get(*self.slots.get(*of as usize)? as usize).copied();
                if state == PLAIN { plain()? } else { touched()? }
            }
            _ => {
                let (identity, measured) = (*self.aggregates.get(&together(members))?)?;
                let same = members.len() == 1 || identity == output.identity(point);
                same.then_some(measured)?
            }
        };
        let candidate = output.measured(metric.kind, point);
        let counts =
            metric.kind != MetricKind::Gauge && (metric.kind != MetricKind::Sum || increases(metric));
        if counts && baseline.start != candidate.start {
            return None;
        }
        let Measured { time, start, flags, .. } = baseline;
        Difference::between(&baseline, &Measured { time, start, flags, ..candidate })
    }
}

/// A number for the input points of an aggregate, whatever their order.
fn together(members: &[u32]) -> u64 {
    let mix = |member: &u32| (u64::from(*member) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    members.iter().map(mix).map(|mixed| mixed ^ (mixed >> 29)).fold(0, u64::wrapping_add)
}

impl Observer {
    /// Compares the candidate's point of input point `of` with the baseline's.
    pub(super) fn compare(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32) {
        let Some(writer) = self.places.get(of as usize).copied() else { return };
        let Some(([baseline, _], link)) = self.link(writer) else { return };
        if link.has(Marks::OTHER_MEANING) {
            return;
        }
        if let Some(difference) = self.counterparts.difference(input, descendant, of) {
            self.differs(baseline, difference);
        }
    }

    /// Compares the candidate's aggregate of input points with what the baseline has of the same points.
    pub(super) fn compare_aggregate(
        &mut self,
        input: &Batch,
        descendant: &Descendant<'_>,
        (members, writer): (&[u32], u32),
    ) {
        let Some(([baseline, _], link)) = self.link(writer) else { return };
        if link.has(Marks::OTHER_MEANING) {
            return;
        }
        if let Some(difference) = self.counterparts.difference_of_aggregates(input, descendant, members) {
            self.differs(baseline, difference);
        }
    }

    /// A point of the baseline's series at this place is another one in the candidate's output.
    pub(super) fn differs(&mut self, baseline: u32, difference: Difference) {
        let table = &mut self.outputs[0];
        table.open[baseline as usize].join(&Marks::CHANGED);
        if let Some(label) = table.label(baseline) {
            self.open.changed.add(label, difference);
        }
    }
}
