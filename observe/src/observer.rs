//! The observer: it sees each batch with both outputs and closes a summary a window.
//!
//! The tables outlive windows, so that per point there is a lookup that is nearly always a comparison, a few
//! bits and, under a lens, one value; names are made when a series is first seen. A window's summary is taken
//! from the rows seen in it when it closes. Tables are bounded; what does not fit is counted in sketches.

use std::sync::Arc;

use drift::Latency;
use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{Inputs, MetricRow, PointRow, ResourceRow};

use crate::collision::{Collision, Writers};
use crate::critical::Watched;
use crate::fate::{Fate, Record};
use crate::label::{Label, Labels, Process};
use crate::lens::{Groups, LensState};
use crate::outputs::{Names, OutputTable};
use crate::series::{NONE, SeriesTable, UNTRACKED};
use crate::summary::{Active, Summary};
use crate::{Settings, Variant};

/// Backends bill the series of the trailing twenty minutes.
const ACTIVE_NANOS: u64 = 20 * 60 * 1_000_000_000;
/// When the tables have this many rows, those not seen for [`ACTIVE_NANOS`] are forgotten.
const SWEEP_AT: usize = drift::BOUND / 2;

/// See the module.
#[derive(Debug)]
pub struct Observer {
    settings: Arc<Settings>,
    /// When watching began, Unix nanoseconds.
    since: u64,
    /// The open window's number: its start divided by its length.
    epoch: u32,
    /// When the open summary began: where its window does, or its generation.
    opened: u64,
    series: SeriesTable,
    outputs: [OutputTable; 2],
    watched: Vec<(u32, Watched)>,
    watched_places: HashMap<Arc<Process>, u32>,
    labels: Labels,
    groups: Groups,
    intervals: Latency,
    open: Summary,
    /// Row of each point of the batch at hand.
    places: Vec<u32>,
    /// How many descendants each has in the output at hand.
    descendants: Vec<u8>,
}

/// An output point and what stands above it.
struct Descendant<'a> {
    output: &'a Batch,
    resource: &'a ResourceRow,
    metric: &'a MetricRow,
    point: &'a PointRow,
    variant: Variant,
}

impl Observer {
    /// Begins to watch at `now`, Unix nanoseconds.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: u64) -> Self {
        let groups = Groups::new(&settings.lenses);
        let mut observer = Self {
            settings,
            since: now,
            epoch: 0,
            opened: now,
            series: SeriesTable::default(),
            outputs: Default::default(),
            watched: Vec::new(),
            watched_places: HashMap::new(),
            labels: Labels::default(),
            groups,
            intervals: Latency::default(),
            open: Summary::default(),
            places: Vec::new(),
            descendants: Vec::new(),
        };
        observer.epoch = observer.epoch_at(now);
        observer
    }

    fn epoch_at(&self, now: u64) -> u32 {
        u32::try_from(now / self.settings.window_nanos.max(1)).unwrap_or(u32::MAX)
    }

    /// The observed scrape interval, nanoseconds: the median time between two points of a resource. None before
    /// any resource came twice.
    #[must_use]
    pub fn interval_nanos(&self) -> Option<u64> {
        let intervals = self.intervals.summary();
        (intervals.count > 0).then_some(intervals.p50)
    }

    /// To be called with the time before anything else of a batch, and now and then without one: closes the
    /// open window if `now` is past its end. Time that runs backwards stays in the open window.
    pub fn roll(&mut self, now: u64) -> Option<Summary> {
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
        for row in &mut self.series.rows {
            row.epoch = row.epoch.min(self.epoch.saturating_sub(1));
        }
        for row in self.outputs.iter_mut().flat_map(|table| &mut table.rows) {
            row.epoch = row.epoch.min(self.epoch.saturating_sub(1));
        }
        for (epoch, _) in &mut self.watched {
            *epoch = (*epoch).min(self.epoch.saturating_sub(1));
        }
        closed
    }

    /// A batch was admitted at `now`; its identities must be computed.
    pub fn input(&mut self, batch: &Batch, now: u64) {
        self.open.input.add(batch.point_count() as u64, batch.source().len() as u64);
        self.places.clear();
        for resource in batch.resources() {
            let mut first = true;
            for scope in batch.scopes(resource) {
                for metric in batch.metrics(scope) {
                    for point in batch.points(metric) {
                        let place = self.seen(batch, resource, metric, point);
                        self.places.push(place);
                        if first && place != UNTRACKED {
                            self.arrived(place, now);
                            first = false;
                        }
                    }
                }
            }
        }
    }

    #[inline]
    fn seen(&mut self, batch: &Batch, resource: &ResourceRow, metric: &MetricRow, point: &PointRow) -> u32 {
        let identity = batch.identity(point);
        let place = match self.series.find(identity) {
            Some(place) => place,
            None => self.meet(batch, resource, metric, point),
        };
        if place == UNTRACKED {
            self.open.fates.add_unnamed(identity, [Fate::default(); 2]);
            return place;
        }
        let row = &mut self.series.rows[place as usize];
        if row.epoch != self.epoch {
            row.epoch = self.epoch;
            row.fates = [Fate::default(); 2];
        }
        if row.critical != NONE {
            let (epoch, watched) = &mut self.watched[row.critical as usize];
            if *epoch != self.epoch {
                *epoch = self.epoch;
                (watched.required, watched.kept) = (0, [0; 2]);
            }
            watched.required |= row.bit;
        }
        place
    }

    fn arrived(&mut self, place: u32, now: u64) {
        let row = &mut self.series.rows[place as usize];
        if row.arrived != 0 && now > row.arrived {
            self.intervals.record(now - row.arrived);
        }
        row.arrived = now;
    }

    #[cold]
    fn meet(&mut self, batch: &Batch, resource: &ResourceRow, metric: &MetricRow, point: &PointRow) -> u32 {
        if self.series.is_full() {
            return UNTRACKED;
        }
        let process = self.labels.process(Process::of(batch, resource.attrs));
        let name = self.labels.text(batch.text(metric.name));
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
            let process = process.clone();
            self.watched.push((0, Watched { process, granularity, required: 0, kept: [0; 2] }));
            self.watched.len() as u32 - 1
        });
        Some((place, bit))
    }

    /// What a variant made of the batch that [`Observer::input`] was last given; identities computed. `bytes`
    /// is what the whole output takes on the wire.
    pub fn output(&mut self, variant: Variant, input: &Batch, output: &Batch, bytes: u64) {
        self.descendants.clear();
        self.descendants.resize(self.places.len(), 0);
        let mut points = 0;
        for resource in output.resources() {
            for scope in output.scopes(resource) {
                for metric in output.metrics(scope) {
                    points += metric.points.len() as u64;
                    for point in output.points(metric) {
                        let descendant = Descendant { output, resource, metric, point, variant };
                        match output.inputs(point) {
                            Inputs::One(of) => self.descends(input, &descendant, of, 0),
                            Inputs::Many(members) => self.aggregates(input, &descendant, members),
                        }
                    }
                }
            }
        }
        self.open.outputs[variant.index()].add(points, bytes);
    }

    fn aggregates(&mut self, input: &Batch, descendant: &Descendant<'_>, members: &[u32]) {
        let Some((first, rest)) = members.split_first() else { return };
        self.descends(input, descendant, *first, Fate::MERGED);
        let place = self.places.get(*first as usize).copied().unwrap_or(UNTRACKED);
        let at = descendant.variant.index();
        let output = self.series.rows.get(place as usize).map_or(NONE, |row| row.outputs[at]);
        for member in rest {
            self.fate(input, descendant.variant, *member, Fate::MERGED);
            let place = self.places.get(*member as usize).copied().unwrap_or(UNTRACKED);
            self.keep_critical(place, at, output);
        }
    }

    /// Notes that input point `of` has one more descendant; `bit` is what became of it, or 0 for untracked.
    #[inline]
    fn fate(&mut self, input: &Batch, variant: Variant, of: u32, bit: u8) {
        let (Some(place), Some(count)) =
            (self.places.get(of as usize).copied(), self.descendants.get_mut(of as usize))
        else {
            return;
        };
        *count = count.saturating_add(1);
        let bit = if *count > 1 { Fate::SPLIT } else { bit };
        if place == UNTRACKED {
            let mut fates = [Fate::default(); 2];
            fates[variant.index()].0 = bit;
            self.open.fates.add_unnamed(input.identity(&input.all_points()[of as usize]), fates);
        } else {
            self.series.rows[place as usize].fates[variant.index()].0 |= bit;
        }
    }

    #[inline]
    fn descends(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32, merged: u8) {
        let Some(writer) = self.places.get(of as usize).copied() else { return };
        let at = descendant.variant.index();
        let identity = descendant.output.identity(descendant.point);
        let (guess, same) = match self.series.rows.get(writer as usize) {
            Some(row) => (row.outputs[at], row.identity == identity),
            None => (NONE, input.identity(&input.all_points()[of as usize]) == identity),
        };
        let bit = match merged {
            0 if same => Fate::KEPT,
            0 => Fate::RENAMED,
            merged => merged,
        };
        self.fate(input, descendant.variant, of, bit);
        let place = match self.outputs[at].find(identity, guess) {
            Some(place) => place,
            None => self.emerges(descendant, writer),
        };
        if place == UNTRACKED {
            self.open.output_series[at].insert(identity);
            return;
        }
        self.emitted(at, place, writer, descendant);
        if writer != UNTRACKED {
            self.series.rows[writer as usize].outputs[at] = place;
            self.keep_critical(writer, at, place);
        }
    }

    #[inline]
    fn emitted(&mut self, at: usize, place: u32, writer: u32, descendant: &Descendant<'_>) {
        let table = &mut self.outputs[at];
        let row = &mut table.rows[place as usize];
        let fresh = row.epoch != self.epoch;
        row.epoch = self.epoch;
        if let Some(lens) = table.lenses.get_mut(row.lens as usize) {
            if fresh {
                lens.restart();
            }
            lens.observe(descendant.point, self.since);
        }
        if let Some(other) = row.writers.observe(writer, descendant.point.time) {
            self.collides(at, place, [other, writer], descendant);
        }
    }

    fn collides(&mut self, at: usize, place: u32, writers: [u32; 2], descendant: &Descendant<'_>) {
        let row = &mut self.outputs[at].rows[place as usize];
        if let Some((epoch, _)) = &mut row.collision {
            *epoch = self.epoch;
            return;
        }
        let name = |writer: u32| match self.series.labels.get(writer as usize) {
            Some(label) => label.process.to_string(),
            None => "(a series beyond the bound)".to_owned(),
        };
        let output = descendant.output;
        let texts = [descendant.resource.attrs, descendant.point.attrs]
            .map(|rows| self.labels.attributes(output, rows).to_string());
        let collision = Collision {
            metric: output.text(descendant.metric.name).to_owned(),
            series: texts.join(","),
            writers: writers.map(name),
        };
        row.collision = Some((self.epoch, Arc::new(collision)));
    }

    #[inline]
    fn keep_critical(&mut self, writer: u32, at: usize, output: u32) {
        let Some(series) = self.series.rows.get(writer as usize) else { return };
        if series.critical == NONE {
            return;
        }
        let Some(row) = self.outputs[at].rows.get(output as usize) else { return };
        let (_, watched) = &mut self.watched[series.critical as usize];
        if watched.is_named_by(row.names) {
            watched.kept[at] |= series.bit;
        }
    }

    #[cold]
    fn emerges(&mut self, descendant: &Descendant<'_>, writer: u32) -> u32 {
        let Descendant { output, resource, metric, point, variant } = *descendant;
        if self.outputs[variant.index()].is_full() {
            return UNTRACKED;
        }
        let groups = self.groups.of(&mut self.labels, output, resource.attrs, metric, point);
        let lens = (!groups.is_empty()).then(|| LensState::new(groups, metric));
        let process = self.series.labels.get(writer as usize).map(|label| label.process.clone());
        let names = Names::of(output, resource.attrs, point.attrs, process.as_deref());
        let writers = Writers::new(writer, point.time);
        self.outputs[variant.index()].insert(output.identity(point), names, writers, lens)
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

    /// A unit (by the hash that the split made of it) is assigned to the variant; `delivered` tells whether
    /// something of it left by that variant.
    pub fn assigned(&mut self, variant: Variant, unit: u64, delivered: bool) {
        self.open.units[variant.index()].insert(u128::from(unit));
        if delivered {
            self.open.units_delivered[variant.index()].insert(u128::from(unit));
        }
    }

    /// So many points had no unit; the baseline keeps them.
    pub fn unassigned(&mut self, points: u64) {
        self.open.unassigned_points += points;
    }

    /// A request with so many points and bytes left by the variant.
    pub fn delivered(&mut self, variant: Variant, points: u64, bytes: u64) {
        self.open.delivered[variant.index()].add(points, bytes);
    }

    fn close(&mut self, end: u64) -> Summary {
        let mut summary = std::mem::take(&mut self.open);
        summary.windows = 1;
        (summary.start, summary.end) = (self.opened, end);
        summary.nanos = end.saturating_sub(self.opened);
        self.opened = end;
        for (row, label) in self.series.rows.iter().zip(&self.series.labels) {
            if row.epoch == self.epoch {
                summary.fates.add(row.identity, &Record { label: label.clone(), fates: row.fates });
            }
        }
        let active_epochs =
            u32::try_from(ACTIVE_NANOS / self.settings.window_nanos.max(1)).unwrap_or(u32::MAX);
        let active_since = self.epoch.saturating_sub(active_epochs.saturating_sub(1)).max(1);
        summary.active.at = summary.end;
        for variant in Variant::BOTH {
            self.close_outputs(variant, active_since, &mut summary);
        }
        let seen = self.watched.iter().filter(|(epoch, _)| *epoch == self.epoch);
        summary.critical.extend(seen.map(|(_, watched)| (watched.process.clone(), watched.clone())));
        self.sweep(active_since);
        summary
    }

    fn close_outputs(&self, variant: Variant, active_since: u32, summary: &mut Summary) {
        let at = variant.index();
        let table = &self.outputs[at];
        for row in table.rows.iter().filter(|row| row.epoch == self.epoch) {
            summary.output_series[at].insert(row.identity);
            if let Some(lens) = table.lenses.get(row.lens as usize) {
                for (of, group) in &lens.groups {
                    summary.lenses.add((at as u8, *of, row.identity), group, lens.value);
                }
            }
            if let Some((epoch, collision)) = &row.collision
                && *epoch == self.epoch
            {
                summary.collisions[at].add(row.identity, collision);
            }
        }
        let active: &mut Active = &mut summary.active;
        active.outputs[at] = table.active_since(active_since);
    }

    /// Forgets what was not seen for twenty minutes, once there is much of it.
    fn sweep(&mut self, active_since: u32) {
        let rows = [self.series.rows.len(), self.outputs[0].rows.len(), self.outputs[1].rows.len()];
        if rows.into_iter().max().unwrap_or(0) < SWEEP_AT {
            return;
        }
        let moved = self.series.retain_since(active_since);
        for table in &mut self.outputs {
            table.retain_since(active_since, &moved);
        }
        let mut old: Vec<Option<(u32, Watched)>> = self.watched.drain(..).map(Some).collect();
        self.watched_places.clear();
        for row in self.series.rows.iter_mut().filter(|row| row.critical != NONE) {
            if let Some(watched) = old.get_mut(row.critical as usize).and_then(Option::take) {
                self.watched_places.insert(watched.1.process.clone(), self.watched.len() as u32);
                self.watched.push(watched);
            }
        }
        for (row, label) in self.series.rows.iter_mut().zip(&self.series.labels) {
            if row.critical != NONE {
                row.critical = self.watched_places.get(&label.process).copied().unwrap_or(NONE);
            }
        }
        self.labels.sweep();
    }
}
