//! Descent of each point: series, collisions, lenses and critical coverage of one output.

use std::sync::Arc;

use pipelines::Batch;
use pipelines::batch::{Inputs, MetricRow, PointRow, ResourceRow, ScopeRow};

use super::Observer;
use crate::Variant;
use crate::collision::{Collision, Writers};
use crate::fate::Kept;
use crate::label::{Label, Process};
use crate::lens::Tracked;
use crate::marks::Marks;
use crate::outputs::{Known, Names, OutputTable};
use crate::rows::Said as _;
use crate::series::{NONE, Series, UNTRACKED};

/// An output point and what stands above it.
pub(super) struct Descendant<'a> {
    pub output: &'a Batch,
    pub resource: &'a ResourceRow,
    pub scope: &'a ScopeRow,
    pub metric: &'a MetricRow,
    pub point: &'a PointRow,
    pub variant: Variant,
}

impl Observer {
    /// Takes in a variant's output of the batch that [`Observer::input`] was last given; identities computed. `bytes`
    /// is what the whole output takes on the wire.
    pub fn output(&mut self, variant: Variant, input: &Batch, output: &Batch, bytes: u64) {
        let at = variant.index();
        self.counterparts.begin(variant, &self.places, output);
        let mut points = 0;
        for resource in output.resources() {
            for scope in output.scopes(resource) {
                for metric in output.metrics(scope) {
                    points += metric.points.len() as u64;
                    for point in output.points(metric) {
                        let descendant = Descendant { output, resource, scope, metric, point, variant };
                        match output.inputs(point) {
                            Inputs::One(of) => self.descends(input, &descendant, of),
                            Inputs::Many(members) => self.aggregates(input, &descendant, members),
                        }
                    }
                }
            }
        }
        self.tell_several();
        self.open.outputs[at].add(points, bytes);
    }

    #[inline]
    fn descends(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32) {
        if !self.descends_as_before(descendant, of) {
            self.descends_anew(input, descendant, of);
        }
        let Descendant { output, metric, point, variant, .. } = *descendant;
        match variant {
            Variant::Baseline => self.counterparts.note(of, output, metric, point),
            Variant::Candidate if self.counterparts.may_differ(of, point) => {
                self.compare(input, descendant, of);
            }
            Variant::Candidate => {}
        }
    }

    /// Notes a point as nearly every one is: the only descendant of one input point, of the series that the input series
    /// became last time, written by nobody else. Returns false where it is anything more, and then nothing was noted.
    #[inline]
    fn descends_as_before(&mut self, descendant: &Descendant<'_>, of: u32) -> bool {
        let Descendant { output, point, variant, .. } = *descendant;
        let at = variant.index();
        let Self { series, outputs, places, counterparts, .. } = self;
        let table = &mut outputs[at];
        let (Some(writer), true) =
            (places.get(of as usize), counterparts.is_single(of) && !counterparts.held)
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
        let plain = becomes.identity == output.identity(point) && row.critical == NONE;
        if !plain || !becomes.writers.goes_on(*writer, point.time) {
            return false;
        }
        open.kept[at].add(Kept::PENDING);
        *seen = seen.and(Marks::SEEN);
        if becomes.lens != NONE {
            table.lenses.observe(becomes.lens, point, self.now, self.since);
        }
        true
    }

    fn descends_anew(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32) {
        let Some(writer) = self.places.get(of as usize).copied() else { return };
        let several = self.is_one_of_several(descendant.variant, of, writer);
        self.keeps(input, descendant.variant, (of, writer));
        let Some(place) = self.emits(descendant, writer) else { return };
        if several {
            self.is_made_with_others(input, descendant, (of, writer), place);
        } else {
            self.becomes(descendant.variant, writer, place);
            let open = self.series.open.get_mut(writer as usize);
            open.into_iter().for_each(|open| open.kept[descendant.variant.index()].add(Kept::PENDING));
        }
        if self.counterparts.held {
            self.holds_back(writer);
        }
    }

    fn aggregates(&mut self, input: &Batch, descendant: &Descendant<'_>, members: &[u32]) {
        let Some(first) = members.first() else { return };
        let Some(writer) = self.places.get(*first as usize).copied() else { return };
        for member in members {
            let Some(place) = self.places.get(*member as usize).copied() else { continue };
            self.keeps(input, descendant.variant, (*member, place));
        }
        let Some(output) = self.emits(descendant, writer) else { return };
        let at = descendant.variant.index();
        for member in members {
            let Some(place) = self.places.get(*member as usize).copied() else { continue };
            self.becomes(descendant.variant, place, output);
            if let Some(row) = self.series.rows.get(place as usize).copied() {
                self.keep_critical(row, at, output);
            }
        }
        match descendant.variant {
            Variant::Baseline => self.counterparts.aggregated(members),
            Variant::Candidate => self.merges(members, output),
        }
    }

    /// Notes that the variant made something of input point `of`, of the series at `place`.
    #[inline]
    fn keeps(&mut self, input: &Batch, variant: Variant, (of, place): (u32, u32)) {
        if let Some(open) = self.series.open.get_mut(place as usize) {
            open.kept[variant.index()].add(Kept::MADE);
        } else if let Some(point) = input.all_points().get(of as usize) {
            let mut kept = [Kept::default(); 2];
            kept[variant.index()] = Kept::MADE;
            self.open.fates.add_unnamed(input.identity(point), kept);
        }
    }

    /// Notes an output point, mainly of the input series `writer`; the place of its series, if there is room for it.
    #[inline]
    fn emits(&mut self, descendant: &Descendant<'_>, writer: u32) -> Option<u32> {
        let at = descendant.variant.index();
        let identity = descendant.output.identity(descendant.point);
        let known = self.series.rows.get(writer as usize).copied();
        let guess = known.map_or(NONE, |row| row.outputs[at]);
        let place = match self.outputs[at].find(identity, guess) {
            Some(place) => place,
            None => self.emerges(descendant, writer),
        };
        if place == UNTRACKED {
            self.open.made[at].insert(identity);
            self.is_not_followed(descendant.variant, writer, identity);
            return None;
        }
        self.emitted(at, place, writer, descendant);
        match known {
            Some(row) => self.keep_critical(row, at, place),
            // What the candidate makes of it cannot be told.
            None => self.outputs[at].open[place as usize].join(&Marks::NOT_FOLLOWED),
        }
        Some(place)
    }

    #[inline]
    fn emitted(&mut self, at: usize, place: u32, writer: u32, descendant: &Descendant<'_>) {
        let table = &mut self.outputs[at];
        table.open[place as usize].join(&Marks::SEEN);
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
        let Descendant { output, resource, scope, metric, point, variant } = *descendant;
        if self.outputs[variant.index()].is_full() {
            self.groups.left_out(output.text(metric.name));
            return UNTRACKED;
        }
        let shown = || Process::of(output, resource.attrs).number();
        let under = self.groups.of(&mut self.labels, (output, resource.attrs), metric, point, shown);
        let lens = under.map(|under| (under, Tracked::new(metric)));
        let writes = self.series.label(writer).cloned();
        let names =
            Names::of(output, resource.attrs, point.attrs, writes.as_ref().map(|label| &*label.process));
        let label = Label {
            metric: self.labels.text(output.text(metric.name)),
            process: writes.map_or_else(
                || self.labels.process(Process::of(output, resource.attrs)),
                |label| label.process,
            ),
            attributes: self.labels.attributes(output, point.attrs),
        };
        let shape = self.shapes.of(&mut self.labels, output, (resource, scope, metric), point);
        let billed = self.settings.price.billed(output, resource.attrs, metric, point);
        let known = Known { label, shape, names, billed };
        let writers = Writers::new(writer, point.time);
        self.outputs[variant.index()].insert(output.identity(point), known, writers, lens)
    }
}
