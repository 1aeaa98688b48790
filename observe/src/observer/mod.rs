//! The observer: it sees each batch with both outputs and closes a summary a window.
//!
//! The tables outlive windows, so that per point there is a lookup that is nearly always a comparison, a few
//! bits and, under a lens, one value; names are made when a series is first seen. A window's summary is taken
//! from the rows seen in it when it closes. Tables are bounded; what does not fit is counted in sketches.

mod close;
mod descend;
mod fates;
mod intervals;
mod sampling;
mod slices;
mod values;

use std::sync::Arc;

use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{MetricRow, PointRow, ResourceRow};
use pipelines::processors::RuleStats;

use crate::critical::CriticalTrack;
use crate::delivery::Delivery;
use crate::fate::{FateMarks, Record};
use crate::label::{Label, Labels, Process, executable_of};
use crate::lens::{Groups, Panels};
use crate::made::RemovedAttributes;
use crate::outputs::OutputTable;
use crate::rows::Said as _;
use crate::sample::Sampling;
use crate::series::{NONE, SeriesTable, UNTRACKED};
use crate::shape::Shapes;
use crate::slice::Slicing;
use crate::summary::Summary;
use crate::{Settings, Variant};
use fates::{Several, Splits};
use intervals::Intervals;
use sampling::Part;
use values::Counterparts;

/// Facts about a resource of the input that its new series share.
#[derive(Default)]
struct Source {
    process: Option<Arc<Process>>,
    is_followed: Option<bool>,
}

/// Facts about a resource of an output that its new series share.
#[derive(Debug, Default)]
struct OfResource {
    /// Place of its attributes in the shapes.
    attributes: Option<u32>,
    /// Number of the process that it names.
    process: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Observer {
    settings: Arc<Settings>,
    /// Begin of watching, Unix nanoseconds.
    since: u64,
    /// Time of what is at hand, Unix nanoseconds: a batch's admission, or the time of a flush.
    now: u64,
    /// The open window's number: its start divided by its length.
    epoch: u32,
    /// Begin of the open summary: that of its window, or of its generation.
    opened: u64,
    series: SeriesTable,
    outputs: [OutputTable; 2],
    watched: Vec<(u32, CriticalTrack)>,
    watched_places: HashMap<Arc<Process>, u32>,
    labels: Labels,
    groups: Groups,
    panels: Panels,
    intervals: Intervals,
    open: Summary,
    /// Row of each point of the batch at hand.
    places: Vec<u32>,
    /// The baseline's descendants of each.
    counterparts: Counterparts,
    /// The candidate's descendants that are not the only ones of their input point, in the output at hand.
    several: Vec<Several>,
    /// Input series of which the baseline makes several series.
    splits: Splits,
    shapes: Shapes,
    /// The output resource at hand, once a new series of it was met.
    of_resource: OfResource,
    /// Attributes that were found to be removed from series.
    removed: RemovedAttributes,
    /// Rule by which slices are taken, and the number of them so far; nothing where no other agent is compared with.
    slicing: Option<(Slicing, u32)>,
    /// Share of the entities that are followed.
    sampling: Sampling,
    /// Part of the batch at hand that is seen, where not all of it is.
    part: Option<Part>,
    /// True if lenses are put on what arrives as it comes.
    at_once: bool,
}

impl Observer {
    /// Begins to watch at `now`, Unix nanoseconds.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: u64) -> Self {
        let groups = Groups::new(&settings);
        let mut observer = Self {
            settings,
            since: now,
            now,
            epoch: 0,
            opened: now,
            series: SeriesTable::default(),
            outputs: Default::default(),
            watched: Vec::new(),
            watched_places: HashMap::new(),
            labels: Labels::default(),
            groups,
            panels: Panels::default(),
            intervals: Intervals::default(),
            open: Summary::default(),
            places: Vec::new(),
            counterparts: Counterparts::default(),
            several: Vec::new(),
            splits: Splits::default(),
            shapes: Shapes::default(),
            of_resource: OfResource::default(),
            removed: RemovedAttributes::default(),
            slicing: None,
            sampling: Sampling::default(),
            part: None,
            at_once: false,
        };
        observer.epoch = observer.epoch_at(now);
        observer
    }

    /// Closes the set of lenses of what arrives, as soon as something is in it: those of a rollout stay as they were in its
    /// mirror step.
    pub fn settle_lenses(&mut self) {
        self.groups.settle();
    }

    /// Puts lenses on what arrives as it comes, not once all has come twice: for requests that are all there will be.
    #[must_use]
    pub fn watching_at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// Takes slices for a comparison with other agents.
    #[must_use]
    pub fn slicing(self, slicing: Slicing) -> Self {
        Self { slicing: Some((slicing, 1)), ..self }
    }

    fn epoch_at(&self, now: u64) -> u32 {
        u32::try_from(now / self.settings.window_nanos.max(1)).unwrap_or(u32::MAX)
    }

    /// The observed scrape interval, nanoseconds: the median time between two points of a resource. None before
    /// any resource came twice.
    #[must_use]
    pub fn interval_nanos(&self) -> Option<u64> {
        self.intervals.median()
    }

    /// To be called with the time before anything else of a batch, and now and then without one: closes the
    /// open window if `now` is past its end. Time that runs backwards stays in the open window.
    pub fn roll(&mut self, now: u64) -> Option<Summary> {
        self.now = self.now.max(now);
        let epoch = self.epoch_at(now);
        (epoch > self.epoch).then(|| {
            let end = u64::from(self.epoch + 1) * self.settings.window_nanos;
            let closed = self.close(end);
            self.epoch = epoch;
            closed
        })
    }

    /// Closes the open window early, because its generation ends at `now`. The next summary begins at once in
    /// the same window: a summary never spans two generations.
    pub fn cut(&mut self, now: u64) -> Summary {
        let closed = self.close(now.max(self.opened));
        for (epoch, _) in &mut self.watched {
            *epoch = (*epoch).min(self.epoch.saturating_sub(1));
        }
        closed
    }

    /// A batch was admitted at `now`; its identities must be computed.
    pub fn input(&mut self, batch: &Batch, now: u64) {
        self.now = self.now.max(now);
        let points = self.part.as_ref().map_or_else(|| batch.point_count() as u64, |part| part.came);
        self.open.input.add(points, batch.source().len() as u64);
        self.places.clear();
        self.counterparts.clear();
        self.thin_out();
        for resource in batch.resources() {
            let mut first = true;
            let mut source = Source::default();
            for scope in batch.scopes(resource) {
                for metric in batch.metrics(scope) {
                    // Points that were left out before it keep their places.
                    if self.places.len() != metric.points.range().start {
                        self.places.resize(metric.points.range().start, UNTRACKED);
                    }
                    for point in batch.points(metric) {
                        let place = self.seen(batch, (resource, &mut source), metric, point);
                        self.places.push(place);
                        if first && place != UNTRACKED {
                            self.arrived(place, now);
                            first = false;
                        }
                    }
                }
            }
        }
        self.places.resize(batch.all_points().len(), UNTRACKED);
        if self.at_once {
            self.put_lenses();
        }
    }

    #[inline]
    fn seen(
        &mut self,
        batch: &Batch,
        (resource, source): (&ResourceRow, &mut Source),
        metric: &MetricRow,
        point: &PointRow,
    ) -> u32 {
        let identity = batch.identity(point);
        if let Some(place) = self.series.comes_next(identity) {
            return place;
        }
        let place = match self.series.find(identity) {
            Some(place) => place,
            None if self.sampling.is_of_all() => self.meet(batch, (resource, source), metric, point),
            None => {
                let is_followed =
                    || self.follows(&Process::of(batch, resource.attrs, &self.settings.agent_uid));
                if *source.is_followed.get_or_insert_with(is_followed) {
                    self.meet(batch, (resource, source), metric, point)
                } else {
                    UNTRACKED
                }
            }
        };
        if place == UNTRACKED {
            self.open.fates.add_unnamed(identity, [FateMarks::default(); 2]);
            return place;
        }
        self.is_here(place, Record::CAME);
        place
    }

    /// A tracked series has a part in the open window.
    #[inline]
    fn is_here(&mut self, place: u32, record: Record) {
        self.series.open[place as usize].join(&record);
        let row = &self.series.rows[place as usize];
        if row.critical != NONE {
            let (epoch, watched) = &mut self.watched[row.critical as usize];
            if *epoch != self.epoch {
                *epoch = self.epoch;
                (watched.required, watched.kept) = (0, [0; 2]);
            }
            watched.required |= row.bit;
        }
    }

    /// A variant sent what it had held back: `output` came from `input`, which is known by its identities and was
    /// counted when it came in; identities of the output computed. It belongs to the window in which it is sent.
    pub fn flushed(&mut self, variant: Variant, input: &Batch, output: &Batch, bytes: u64) {
        self.places.clear();
        for point in input.all_points() {
            let place = self.series.find(input.identity(point)).unwrap_or(UNTRACKED);
            if place != UNTRACKED {
                self.is_here(place, Record::HELD);
            }
            self.places.push(place);
        }
        self.counterparts.clear();
        self.counterparts.held = true;
        self.output(variant, input, output, bytes);
        self.counterparts.held = false;
    }

    fn arrived(&mut self, place: u32, now: u64) {
        let arrived = std::mem::replace(&mut self.series.arrived[place as usize], now);
        if arrived != 0 && now > arrived {
            self.intervals.add(now - arrived);
        }
    }

    #[cold]
    fn meet(
        &mut self,
        batch: &Batch,
        (resource, source): (&ResourceRow, &mut Source),
        metric: &MetricRow,
        point: &PointRow,
    ) -> u32 {
        if !self.has_room(self.series.rows.len(), || self.is_critical(&executable_of(batch, resource.attrs)))
        {
            self.groups.left_out = true;
            return UNTRACKED;
        }
        let named = || self.labels.process(Process::of(batch, resource.attrs, &self.settings.agent_uid));
        let process = source.process.get_or_insert_with(named).clone();
        let name = self.labels.text(batch.text(metric.name));
        self.groups.came_in(&name);
        let critical = self.watch(&process, &name);
        let attributes = self.labels.attributes(batch, point.attrs);
        let label = Label { metric: name, process, attributes };
        self.series.insert(batch.identity(point), label, critical)
    }

    /// The row of the critical process and the bit of its metric, if it is one and the metric is required.
    fn watch(&mut self, process: &Arc<Process>, metric: &str) -> Option<(u32, u32)> {
        let criteria = &self.settings.critical;
        let (granularity, bit) = criteria.iter().find_map(|criterion| {
            criterion.bit(&process.executable, metric).map(|bit| (criterion.granularity, bit))
        })?;
        let place = *self.watched_places.entry(process.clone()).or_insert_with(|| {
            self.watched.push((0, CriticalTrack::new(process.clone(), granularity)));
            self.watched.len() as u32 - 1
        });
        Some((place, bit))
    }

    /// Tells whether the open window is over at `now`: then [`Self::roll`] closes it, and what belongs to it must have been
    /// told before.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        self.epoch_at(now) > self.epoch
    }

    /// Takes in the counts of a variant's rules since the last time, into the open window.
    pub fn account(&mut self, variant: Variant, account: Vec<RuleStats>) {
        self.open.rules[variant.index()].add(account);
    }

    /// The variant's pipeline took `nanos` for `points` input points of one batch.
    pub fn spent(&mut self, variant: Variant, nanos: u64, points: u64) {
        let cost = &mut self.open.cost[variant.index()];
        cost.nanos += nanos;
        cost.points += points;
        cost.latency.record(nanos);
    }

    /// The variant failed on a batch: an error or a panic.
    pub fn failed(&mut self, variant: Variant) {
        self.open.cost[variant.index()].failures += 1;
    }

    /// A unit (by the hash that the split made of it) with so many input points is assigned to the variant;
    /// `delivered` tells whether something of it left by that variant.
    pub fn assigned(&mut self, variant: Variant, unit: u64, points: u64, delivered: bool) {
        let at = variant.index();
        self.open.assigned_points[at] += points;
        self.open.units[at].insert(u128::from(unit));
        if delivered {
            self.open.units_delivered[at].insert(u128::from(unit));
        }
    }

    /// Something was made of a unit by the variant that it is assigned to, and did not leave by it.
    pub fn lost_unit(&mut self, name: String) {
        self.open.missing.add(name);
    }

    /// Takes in the settlements of the variant's points since the last time.
    pub fn settled(&mut self, variant: Variant, delivery: &Delivery) {
        self.open.delivery[variant.index()].merge(delivery);
    }

    /// So many points had no unit; the baseline keeps them.
    pub fn unassigned(&mut self, points: u64) {
        self.open.unassigned_points += points;
    }

    /// A request with so many points and bytes left by the variant.
    pub fn delivered(&mut self, variant: Variant, points: u64, bytes: u64) {
        self.open.delivered[variant.index()].add(points, bytes);
    }
}
