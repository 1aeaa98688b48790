//! Descent of each point: fates, collisions, lenses and critical coverage of one output.

use std::sync::Arc;

use pipelines::Batch;
use pipelines::batch::{Inputs, MetricRow, PointRow, ResourceRow};

use super::Observer;
use crate::Variant;
use crate::collision::{Collision, Writers};
use crate::distinct::Seen;
use crate::fate::Fate;
use crate::label::Process;
use crate::lens::Tracked;
use crate::outputs::{Names, OutputTable};
use crate::series::{NONE, Series, UNTRACKED};

/// An output point and what stands above it.
struct Descendant<'a> {
    output: &'a Batch,
    resource: &'a ResourceRow,
    metric: &'a MetricRow,
    point: &'a PointRow,
    variant: Variant,
}

impl Observer {
    /// Takes in a variant's output of the batch that [`Observer::input`] was last given; identities computed. `bytes`
    /// is what the whole output takes on the wire.
    pub fn output(&mut self, variant: Variant, input: &Batch, output: &Batch, bytes: u64) {
        let at = variant.index();
        self.descendants.clear();
        self.descendants.resize(self.places.len(), 0);
        let mut points = 0;
        for resource in output.resources() {
            for scope in output.scopes(resource) {
                for metric in output.metrics(scope) {
                    points += metric.points.len() as u64;
                    for point in output.points(metric) {
                        if self.descends_as_before(at, output, point) {
                            continue;
                        }
                        let descendant = Descendant { output, resource, metric, point, variant };
                        match output.inputs(point) {
                            Inputs::One(of) => self.descends(input, &descendant, of, 0),
                            Inputs::Many(members) => self.aggregates(input, &descendant, members),
                        }
                    }
                }
            }
        }
        self.open.outputs[at].add(points, bytes);
    }

    /// Notes a point as nearly every one is: the first descendant of one input point, of the series that the input series
    /// became last time, written by nobody else. Returns false where it is anything more, and then nothing was noted.
    #[inline]
    fn descends_as_before(&mut self, at: usize, output: &Batch, point: &PointRow) -> bool {
        let Inputs::One(of) = output.inputs(point) else { return false };
        let Self { series, outputs, places, descendants, .. } = self;
        let table = &mut outputs[at];
        let (Some(writer), Some(count @ 0)) = (places.get(of as usize), descendants.get_mut(of as usize))
        else {
            return false;
        };
        let (Some(row), Some(open)) =
            (series.rows.get(*writer as usize), series.open.get_mut(*writer as usize))
        else {
            return false;
        };
        let place = row.outputs[at] as usize;
        let (Some(becomes), Some(seen)) = (table.rows.get_mut(place), table.open.get_mut(place)) else {
            return false;
        };
        let identity = output.identity(point);
        let plain = becomes.identity == identity && row.critical == NONE;
        if !plain || !becomes.writers.goes_on(*writer, point.time) {
            return false;
        }
        *count = 1;
        open.fates[at].0 |= if row.identity == identity { Fate::KEPT } else { Fate::RENAMED };
        *seen = Seen(true);
        if becomes.lens != NONE {
            table.lenses.observe(becomes.lens, point, self.now, self.since);
        }
        true
    }

    fn aggregates(&mut self, input: &Batch, descendant: &Descendant<'_>, members: &[u32]) {
        let Some((first, rest)) = members.split_first() else { return };
        self.descends(input, descendant, *first, Fate::MERGED);
        let place = self.places.get(*first as usize).copied().unwrap_or(UNTRACKED);
        let at = descendant.variant.index();
        let output = self.series.rows.get(place as usize).map_or(NONE, |row| row.outputs[at]);
        for member in rest {
            let Some(place) = self.places.get(*member as usize).copied() else { continue };
            self.fate(input, descendant.variant, (*member, place), Fate::MERGED);
            if let Some(row) = self.series.rows.get(place as usize).copied() {
                self.keep_critical(row, at, output);
            }
        }
    }

    /// Notes that input point `of`, of the series at `place`, has one more descendant; `bit` is what became of it.
    #[inline]
    fn fate(&mut self, input: &Batch, variant: Variant, (of, place): (u32, u32), bit: u8) {
        let Some(count) = self.descendants.get_mut(of as usize) else { return };
        *count = count.saturating_add(1);
        let bit = if *count > 1 { Fate::SPLIT } else { bit };
        if place == UNTRACKED {
            let mut fates = [Fate::default(); 2];
            fates[variant.index()].0 = bit;
            self.open.fates.add_unnamed(input.identity(&input.all_points()[of as usize]), fates);
        } else {
            self.series.open[place as usize].fates[variant.index()].0 |= bit;
        }
    }

    #[inline]
    fn descends(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32, merged: u8) {
        let Some(writer) = self.places.get(of as usize).copied() else { return };
        let at = descendant.variant.index();
        let identity = descendant.output.identity(descendant.point);
        let known = self.series.rows.get(writer as usize).copied();
        let (guess, same) = match known {
            Some(row) => (row.outputs[at], row.identity == identity),
            None => (NONE, input.identity(&input.all_points()[of as usize]) == identity),
        };
        let bit = match merged {
            0 if same => Fate::KEPT,
            0 => Fate::RENAMED,
            merged => merged,
        };
        self.fate(input, descendant.variant, (of, writer), bit);
        let place = match self.outputs[at].find(identity, guess) {
            Some(place) => place,
            None => self.emerges(descendant, writer),
        };
        if place == UNTRACKED {
            self.open.output_series[at].insert(identity);
            return;
        }
        self.emitted(at, place, writer, descendant);
        if let Some(row) = known {
            if guess != place {
                self.series.rows[writer as usize].outputs[at] = place;
            }
            self.keep_critical(row, at, place);
        }
    }

    #[inline]
    fn emitted(&mut self, at: usize, place: u32, writer: u32, descendant: &Descendant<'_>) {
        let table = &mut self.outputs[at];
        table.open[place as usize] = Seen(true);
        let row = &mut table.rows[place as usize];
        table.lenses.observe(row.lens, descendant.point, self.now, self.since);
        if let Some(other) = row.writers.observe(writer, descendant.point.time) {
            self.collides(at, place, [other, writer], descendant);
        }
    }

    fn collides(&mut self, at: usize, place: u32, writers: [u32; 2], descendant: &Descendant<'_>) {
        let OutputTable { asides, colliding, .. } = &mut self.outputs[at];
        let aside = &mut asides[place as usize];
        if let Some((epoch, _)) = &mut aside.collision {
            *epoch = self.epoch;
            return;
        }
        let name = |writer: u32| match self.series.label(writer) {
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
        aside.collision = Some((self.epoch, Arc::new(collision)));
        colliding.push(place);
    }

    #[inline]
    fn keep_critical(&mut self, series: Series, at: usize, output: u32) {
        if series.critical == NONE {
            return;
        }
        let Some(aside) = self.outputs[at].asides.get(output as usize) else { return };
        let (_, watched) = &mut self.watched[series.critical as usize];
        if watched.is_named_by(aside.names) {
            watched.kept[at] |= series.bit;
        }
    }

    #[cold]
    fn emerges(&mut self, descendant: &Descendant<'_>, writer: u32) -> u32 {
        let Descendant { output, resource, metric, point, variant } = *descendant;
        if self.outputs[variant.index()].is_full() {
            self.groups.left_out(output.text(metric.name));
            return UNTRACKED;
        }
        let shown = || Process::of(output, resource.attrs).number();
        let under = self.groups.of(&mut self.labels, (output, resource.attrs), metric, point, shown);
        let lens = under.map(|under| (under, Tracked::new(metric)));
        let process = self.series.label(writer).map(|label| label.process.clone());
        let names = Names::of(output, resource.attrs, point.attrs, process.as_deref());
        let billed = self.settings.price.billed(output, resource.attrs, metric, point);
        let writers = Writers::new(writer, point.time);
        self.outputs[variant.index()].insert(output.identity(point), (names, billed), writers, lens)
    }
}
