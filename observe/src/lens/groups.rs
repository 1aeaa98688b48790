//! Groups of each lens, and what a lens learns of the series that come in.
//!
//! Groups are bounded. Past the bound a name falls into one of 256 buckets by its hash, each a group of its own, and the lens
//! says so. A series' part in the lenses is found when it is first seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{MetricKind, MetricRow, PointRow, Rows};

use super::arrival::{Arrivals, OWNER, owner};
use super::class::{ClassRange, Classes, Way};
use super::near::nearest;
use super::table::{Entry, KIND_DISTRIBUTION, KIND_INCREASE, KIND_VALUE};
use super::track::{LensSeries, Member};
use super::{Lens, LensFunction, LensValue, UnwatchedNames};
use crate::Settings;
use crate::label::{Labels, Process, value_text};

/// Groups that a lens keeps apart.
const MAX_GROUPS: usize = 1_024;
/// Buckets of the names past them.
const BUCKETS: u64 = 256;
/// The most metric names that are remembered, to name the nearest of them and those that no lens looks at.
const MAX_NAMES: usize = 1_024;
/// The most attributes that are named where none is the one of the lens.
const MAX_ATTRIBUTES: usize = 8;
/// Group of the series that do not have the attribute.
pub(crate) const WITHOUT: &str = "(none)";

/// Part that a series has in a lens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Its value at an instant.
    Value,
    /// Its increase; of a histogram or a summary that of the number of its observations.
    Increase,
    /// The increase of the sum of its observations.
    SumIncrease,
    /// That it is there.
    Presence,
}

/// Facts about a series under lenses that never change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Under {
    pub classes: ClassRange,
    /// The process that it is of, as its output names it.
    pub process: u64,
    /// The entity that it is of.
    pub member: Member,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    pub lenses: Vec<LensGroups>,
    /// Time that a stage may hold points back.
    pub hold_nanos: u64,
    /// True if some stage gathers state, or holds points back.
    pub gathers: bool,
    /// Number of lenses that the settings name; those of what arrives follow them.
    pub asked: usize,
    /// Places of the lenses on each metric.
    by_metric: HashMap<String, Vec<u16>>,
    arrivals: Arrivals,
    names: BTreeSet<Arc<str>>,
    /// True if there were more names than are remembered.
    names_cut: bool,
    pub classes: Classes,
    /// True if a series did not fit.
    pub truncated: bool,
    /// True if one that is followed found no room since the last instant.
    pub left_out: bool,
}

/// A lens and its groups so far.
#[derive(Clone, Debug)]
pub(crate) struct LensGroups {
    pub lens: Lens,
    pub lookback: u64,
    pub names: Vec<Arc<str>>,
    /// Places of the names in ascending order of these.
    pub by_name: Vec<u16>,
    places: HashMap<Arc<str>, u16>,
    pub entry: Entry,
    /// True if a series of it was made of several entities together.
    pub mixed: bool,
    /// Number of names when the nearest were looked for.
    looked: usize,
}

impl Groups {
    pub fn new(settings: &Settings) -> Self {
        let mut groups = Self {
            lenses: Vec::new(),
            by_metric: HashMap::new(),
            asked: settings.lenses.len(),
            arrivals: Arrivals::new(&settings.lenses),
            hold_nanos: settings.hold_nanos,
            gathers: settings.hold_nanos > 0 || settings.warm_up_scrapes > 0,
            names: BTreeSet::new(),
            names_cut: false,
            classes: Classes::default(),
            truncated: false,
            left_out: false,
        };
        settings.lenses.iter().for_each(|lens| groups.look_at(LensGroups::new(lens)));
        groups
    }

    fn look_at(&mut self, lens: LensGroups) {
        self.by_metric.entry_ref(lens.lens.metric.as_str()).or_default().push(self.lenses.len() as u16);
        self.lenses.push(lens);
    }

    /// A series of this metric came in.
    pub fn came_in(&mut self, metric: &Arc<str>) {
        if !self.names.contains(metric) {
            self.names_cut |= self.names.len() >= MAX_NAMES;
            if !self.names_cut {
                self.names.insert(metric.clone());
            }
        }
        match self.by_metric.get(&**metric) {
            Some(places) => {
                for place in places {
                    self.lenses[usize::from(*place)].entry.came = true;
                }
            }
            None => self.arrivals.came_in(metric),
        }
    }

    /// Adds lenses of what arrived; the first of them, if there is one.
    pub fn choose(&mut self) -> Option<usize> {
        let first = self.lenses.len();
        for lens in self.arrivals.choose() {
            let mut known = LensGroups::new(&lens);
            known.entry.came = true;
            self.look_at(known);
        }
        (self.lenses.len() > first).then_some(first)
    }

    /// Metrics that no lens looks at, where one stands for all of them.
    pub fn unwatched(&self) -> UnwatchedNames {
        if !self.lenses.iter().any(|known| known.lens.is_every()) {
            return UnwatchedNames::default();
        }
        let watched: BTreeSet<&str> = self.lenses.iter().map(|known| known.lens.metric.as_str()).collect();
        let names = self.names.iter().filter(|name| !watched.contains(&***name)).cloned();
        UnwatchedNames::of(names, self.names_cut)
    }

    /// The set of lenses of what arrives is closed once something is in it.
    pub fn settle(&mut self) {
        self.arrivals.settle();
    }

    /// A series of this metric found no room.
    pub fn left_out(&mut self, metric: &str) {
        self.truncated = self.truncated || self.by_metric.contains_key(metric);
    }

    /// Several entities make a series of this metric together.
    pub fn mixes(&mut self, metric: &str) {
        for place in self.by_metric.get(metric).into_iter().flatten() {
            self.lenses[usize::from(*place)].mixed = true;
        }
    }

    /// Part of a series in the lenses, if it enters any.
    pub fn of(
        &mut self,
        labels: &mut Labels,
        (batch, resource): (&Batch, Rows),
        metric: &MetricRow,
        point: &PointRow,
        (process, of): (impl FnOnce() -> u64, &Process),
    ) -> Option<Under> {
        let places = self.by_metric.get(batch.text(metric.name))?;
        let mut entered = Vec::with_capacity(places.len());
        for place in places {
            let known = &mut self.lenses[usize::from(*place)];
            known.entry.kinds |= kind(metric);
            let Some(part) = part(&known.lens, metric) else { continue };
            let text = known.group_of(labels, batch, [point.attrs, resource]);
            let group = known.place(labels, &text);
            entered.push((*place, group, part));
        }
        (!entered.is_empty()).then(|| {
            let counts =
                |(lens, ..): &Way| self.lenses[usize::from(*lens)].lens.function == LensFunction::Count;
            let (is_counted, process) = (entered.iter().any(counts), process());
            // Nobody else asks whether it is.
            let is_itself = is_counted && !of.pid.is_empty() && of.number() == process;
            let member = Member { entity: of.entity as u32, is_itself };
            Under { classes: self.classes.of(entered, &self.lenses), process, member }
        })
    }

    /// Looks for the names most like those of metrics that did not come in.
    pub fn look_for_names(&mut self) {
        for known in self.lenses.iter_mut().filter(|known| !known.entry.came && !known.lens.is_every()) {
            if known.looked != self.names.len() {
                known.entry.near = nearest(&known.lens.metric, &self.names).into_iter().collect();
                known.looked = self.names.len();
            }
        }
    }

    /// Forgets the classes that no series is in any more.
    pub fn sweep(&mut self, mut looked: [&mut LensSeries; 2]) {
        let mut noted = looked.each_mut().map(|looked| looked.no_numbers.drain().collect::<Vec<_>>());
        let of_series = looked.iter_mut().flat_map(|looked| &mut looked.classes);
        let of_values = noted.iter_mut().flatten().map(|((classes, _), _)| classes);
        self.classes.sweep(of_series.chain(of_values));
        for (looked, noted) in looked.into_iter().zip(noted) {
            looked.no_numbers.extend(noted);
        }
    }
}

impl LensGroups {
    fn new(lens: &Lens) -> Self {
        Self {
            lens: lens.clone(),
            lookback: u64::try_from(lens.lookback.as_nanos()).unwrap_or(u64::MAX),
            names: Vec::new(),
            by_name: Vec::new(),
            places: HashMap::new(),
            entry: Entry::default(),
            mixed: false,
            looked: 0,
        }
    }

    /// Group of a series with these attributes, of its point and of its resource.
    fn group_of(&mut self, labels: &mut Labels, batch: &Batch, rows: [Rows; 2]) -> String {
        let found = if self.lens.group_by == OWNER {
            // The total is of all series, also of those that nobody owns.
            self.entry.named = true;
            owner(batch, rows)
        } else {
            let key = self.lens.group_by.as_bytes();
            let value = rows.into_iter().find_map(|rows| batch.attribute(rows, key));
            // An empty label is none to a backend.
            value.map(value_text).filter(|text| !text.is_empty())
        };
        match &found {
            Some(_) => self.entry.named = true,
            None => self.note_attributes(labels, batch, rows),
        }
        found.unwrap_or_else(|| WITHOUT.to_owned())
    }

    fn place(&mut self, labels: &mut Labels, text: &str) -> u16 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        if self.names.len() >= MAX_GROUPS {
            self.entry.bucketed = true;
            let bucket = bucket(text);
            return self
                .places
                .get(bucket.as_str())
                .copied()
                .unwrap_or_else(|| self.add(labels.text(&bucket)));
        }
        self.add(labels.text(text))
    }

    fn add(&mut self, name: Arc<str>) -> u16 {
        let place = self.names.len() as u16;
        let before = self.by_name.partition_point(|known| self.names[usize::from(*known)] < name);
        self.by_name.insert(before, place);
        self.names.push(name.clone());
        self.places.insert(name, place);
        place
    }

    fn note_attributes(&mut self, labels: &mut Labels, batch: &Batch, rows: [Rows; 2]) {
        let all = rows.into_iter().flat_map(|rows| batch.attributes(rows));
        for attribute in all.filter(|one| !value_text(batch.value(one.value)).is_empty()) {
            if self.entry.attributes.len() < MAX_ATTRIBUTES {
                self.entry.attributes.insert(labels.text(batch.text(attribute.key)));
            }
        }
    }
}

/// The bucket of a name past the bound. It is the same on every host (FNV-1a).
pub(crate) fn bucket(name: &str) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    format!("(bucket {} of {BUCKETS})", (hash ^ (hash >> 32)) % BUCKETS)
}

/// Tells whether a group is a bucket of several names.
pub(crate) fn is_bucket(group: &str) -> bool {
    group.starts_with("(bucket ") && group.ends_with(" of 256)")
}

/// Tells whether a metric's series have increases rather than values.
pub(crate) fn increases(metric: &MetricRow) -> bool {
    metric.kind == MetricKind::Sum && (metric.monotonic || metric.temporality == 1)
}

fn kind(metric: &MetricRow) -> u8 {
    match metric.kind {
        MetricKind::Gauge => KIND_VALUE,
        MetricKind::Sum if increases(metric) => KIND_INCREASE,
        MetricKind::Sum => KIND_VALUE,
        _ => KIND_DISTRIBUTION,
    }
}

/// Part that a series of such a metric has in a function; none where the function has no meaning for it.
fn part(lens: &Lens, metric: &MetricRow) -> Option<Part> {
    match (lens.function, kind(metric)) {
        (LensFunction::Count, _) => Some(Part::Presence),
        (LensFunction::Sum | LensFunction::Avg, KIND_VALUE) => Some(Part::Value),
        (LensFunction::Max | LensFunction::Min, KIND_VALUE) => Some(Part::Value),
        (LensFunction::Sum | LensFunction::Avg | LensFunction::Rate, KIND_INCREASE) => Some(Part::Increase),
        (LensFunction::Sum | LensFunction::Avg | LensFunction::Rate, KIND_DISTRIBUTION) => {
            Some(match lens.value {
                LensValue::Count => Part::Increase,
                LensValue::Sum => Part::SumIncrease,
            })
        }
        _ => None,
    }
}
