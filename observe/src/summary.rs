//! Measurements of a stretch of time: a window, a horizon, a generation.
//!
//! `merge` is the one operation, associative and commutative with the empty summary as identity, so windows can
//! be put together in any order and by anybody.

use std::collections::BTreeMap;

use drift::{Count, SeriesSet};

use crate::Variant;
use crate::audit::Missing;
use crate::changed::ChangedPoints;
use crate::collision::Collisions;
use crate::cost::Cost;
use crate::critical::{self, CriticalTable};
use crate::delivery::Delivery;
use crate::distribution::Sketches;
use crate::fate::{Fates, Record};
use crate::lens::LensTable;
use crate::made::MarkedSeries;
use crate::marks::{Fate, Marks};
use crate::rules::Rules;
use crate::sample::Sampling;
use crate::slice::Slices;

/// Points and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Volume {
    /// Requests.
    pub requests: u64,
    /// Data points.
    pub points: u64,
    /// Bytes of uncompressed OTLP.
    pub bytes: u64,
}

impl Volume {
    /// Adds one request.
    pub fn add(&mut self, points: u64, bytes: u64) {
        self.requests += 1;
        self.points += points;
        self.bytes += bytes;
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.points += other.points;
        self.bytes += other.bytes;
    }
}

/// Points that came again: facts about the input, or about what a variant makes of it; none of them is a collision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Repeats {
    /// Points of the same series, time and value as one before.
    pub duplicates: u64,
    /// Points of the same series and time as one before, with another value.
    pub conflicts: u64,
}

impl Repeats {
    fn merge(&mut self, other: Self) {
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
    }
}

/// Series alive in the trailing twenty minutes, as backends bill them, at the end of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active {
    pub at: u64,
    pub outputs: [u64; 2],
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Windows in it.
    pub windows: u32,
    /// Time that they took together, nanoseconds.
    pub nanos: u64,
    /// Start of the first window, Unix nanoseconds; 0 where there is none.
    pub start: u64,
    /// End of the last window, Unix nanoseconds.
    pub end: u64,
    /// Input.
    pub input: Volume,
    /// Output of each variant, delivered or not.
    pub outputs: [Volume; 2],
    /// Points and bytes that left by each variant.
    pub delivered: [Volume; 2],
    /// Input points of the units that are assigned to each variant; those without a unit come on top.
    pub assigned_points: [u64; 2],
    /// Units assigned to each variant.
    pub(crate) units: [SeriesSet; 2],
    /// Units of which something left by the variant they are assigned to.
    pub(crate) units_delivered: [SeriesSet; 2],
    /// Points without the unit's attributes, which the baseline keeps.
    pub unassigned_points: u64,
    pub(crate) fates: Fates,
    pub(crate) made: [MarkedSeries; 2],
    pub(crate) changed: ChangedPoints,
    pub(crate) active: Active,
    pub(crate) collisions: [Collisions; 2],
    /// Points that came again, in the output of each variant.
    pub repeats: [Repeats; 2],
    pub(crate) lenses: LensTable,
    pub(crate) critical: CriticalTable,
    pub(crate) rules: [Rules; 2],
    /// By place of the first lens on a metric: the metric's values.
    pub(crate) values: BTreeMap<u16, Sketches>,
    /// Units that the split lost, and batches that were left out.
    pub missing: Missing,
    /// Settlements of each variant's points by the destinations.
    pub delivery: [Delivery; 2],
    /// Cost of each variant.
    pub cost: [Cost; 2],
    /// What other agents are to be compared with.
    pub slices: Slices,
    /// Share of the entities that were followed.
    pub(crate) sampling: Sampling,
}

impl Summary {
    /// Adds what `other` holds. The windows of both must be different ones.
    pub fn merge(&mut self, other: &Self) {
        if other.windows > 0 {
            self.start = if self.windows == 0 { other.start } else { self.start.min(other.start) };
        }
        self.windows += other.windows;
        self.nanos += other.nanos;
        self.end = self.end.max(other.end);
        self.input.merge(other.input);
        self.unassigned_points += other.unassigned_points;
        self.fates.merge(&other.fates);
        self.changed.merge(&other.changed);
        self.lenses.merge(&other.lenses);
        critical::merge(&mut self.critical, &other.critical);
        self.merge_active(other.active);
        self.missing.merge(&other.missing);
        self.slices.merge(&other.slices);
        self.sampling.join(other.sampling);
        for (metric, values) in &other.values {
            self.values.entry(*metric).or_default().merge(values);
        }
        for variant in Variant::BOTH {
            let at = variant.index();
            self.outputs[at].merge(other.outputs[at]);
            self.delivered[at].merge(other.delivered[at]);
            self.assigned_points[at] += other.assigned_points[at];
            self.units[at].merge(&other.units[at]);
            self.units_delivered[at].merge(&other.units_delivered[at]);
            self.made[at].merge(&other.made[at]);
            self.collisions[at].merge(&other.collisions[at]);
            self.repeats[at].merge(other.repeats[at]);
            self.rules[at].merge(&other.rules[at]);
            self.cost[at].merge(&other.cost[at]);
            self.delivery[at].merge(&other.delivery[at]);
        }
    }

    /// The latest count stands; of one time, different agents' counts add up.
    fn merge_active(&mut self, other: Active) {
        if other.at == self.active.at {
            self.active.outputs[0] += other.outputs[0];
            self.active.outputs[1] += other.outputs[1];
        } else if other.at > self.active.at {
            self.active = other;
        }
    }

    /// Distinct input series.
    #[must_use]
    pub fn input_series(&self) -> Count {
        if self.sampling.is_overloaded() {
            return self.sampling.count_all(self.fates.came_where(|_| true));
        }
        self.fates.input()
    }

    /// Input series of which a variant kept nothing.
    #[must_use]
    pub fn lost_by(&self, variant: Variant) -> Count {
        if self.sampling.is_overloaded() {
            let is_lost = move |record: &Record| record.kept[variant.index()].is_lost();
            return self.sampling.count_all(self.fates.came_where(is_lost));
        }
        self.fates.lost(variant)
    }

    /// Distinct series that a variant put out.
    #[must_use]
    pub fn output_series(&self, variant: Variant) -> Count {
        let made = &self.made[variant.index()];
        if self.sampling.is_overloaded() {
            return self.sampling.count_all(made.seen_where(|_| true).map(|(label, _)| label));
        }
        made.count()
    }

    /// Series of the baseline of which the candidate keeps nothing.
    #[must_use]
    pub fn lost_by_candidate(&self) -> Count {
        let is_lost = |marks: Marks| marks.fate() == Fate::Lost;
        if self.sampling.is_overloaded() {
            return self.sampling.count_all(self.made[0].seen_where(is_lost).map(|(label, _)| label));
        }
        let named = self.made[0].marks().filter(|marks| is_lost(*marks)).count();
        self.fates.lost_by_candidate(named)
    }

    /// Output identities of a variant with several writers.
    #[must_use]
    pub fn colliding(&self, variant: Variant) -> Count {
        let Count { value, exact } = self.collisions[variant.index()].count();
        Count { value, exact: exact && self.sampling.is_of_all() }
    }
}
