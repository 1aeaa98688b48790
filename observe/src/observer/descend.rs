//! Descent of each point: series, collisions, lenses and critical coverage of one output.

use std::sync::Arc;

use pipelines::Batch;
use pipelines::batch::{Inputs, MetricRow, PointRow, ResourceRow, ScopeRow};
use pipelines::entity::Entity;

use super::{Observer, OfResource};
use crate::Variant;
use crate::collision::Collision;
use crate::fate::FateMarks;
use crate::label::{Label, Process, process_number};
use crate::lens::{SeriesTrack, Under};
use crate::marks::Marks;
use crate::outputs::{Collides, Names, OutputFacts, OutputTable};
use crate::rows::Said as _;
use crate::series::{NONE, PENDING, Series, UNTRACKED, stranger};
use crate::writers::{Again, Last, LastWrite};

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
            self.of_resource = OfResource::default();
            for scope in output.scopes(resource) {
                for metric in output.metrics(scope) {
                    points += metric.points.len() as u64;
                    for point in output.points(metric) {
                        let descendant = || Descendant { output, resource, scope, metric, point, variant };
                        match output.inputs(point) {
                            Inputs::One(of) => {
                                self.descends(input, (output, variant), (of, point), descendant);
                            }
                            Inputs::Many(members) => self.aggregates(input, &descendant(), members),
                        }
                    }
                }
            }
        }
        self.tell_several();
        let (points, bytes) = self.of_all(output, points, bytes);
        self.open.outputs[at].add(points, bytes);
    }

    #[inline]
    fn descends<'a>(
        &mut self,
        input: &Batch,
        (output, variant): (&Batch, Variant),
        (of, point): (u32, &PointRow),
        descendant: impl Fn() -> Descendant<'a>,
    ) {
        if !self.descends_as_before((output, variant.index()), (of, point)) {
            self.descends_anew(input, &descendant(), of);
        }
        match variant {
            Variant::Baseline if point.is_touched() => {
                let Descendant { metric, .. } = descendant();
                self.counterparts.note_touched(of, output, metric, point);
            }
            Variant::Baseline => self.counterparts.note_plain(of),
            Variant::Candidate if self.counterparts.may_differ(of, point) => {
                self.compare(input, &descendant(), of);
            }
            Variant::Candidate => {}
        }
    }

    /// Notes a point as nearly every one is: the only descendant of one input point, of the series that the input series
    /// became last time, written by nobody else. Returns false where it is anything more, and then nothing was noted.
    #[inline]
    fn descends_as_before(&mut self, (output, at): (&Batch, usize), (of, point): (u32, &PointRow)) -> bool {
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
        let plain =
            becomes.identity == output.identity(point) && row.critical == NONE && becomes.lens != PENDING;
        if !plain || !becomes.last.goes_on(*writer, point, output.value_digest(point)) {
            return false;
        }
        open.kept[at].add(FateMarks::PENDING);
        *seen = seen.and(Marks::SEEN);
        // Most are under a lens; of none there is none at that place.
        table.lenses.observe(becomes.lens, output, point, [self.now, self.since]);
        true
    }

    fn descends_anew(&mut self, input: &Batch, descendant: &Descendant<'_>, of: u32) {
        let Some(writer) = self.places.get(of as usize).copied() else { return };
        let several = self.is_one_of_several(descendant.variant, of, writer);
        self.keeps(input, descendant.variant, (of, writer));
        let Some(place) = self.emits(input, descendant, (of, writer)) else { return };
        if several {
            self.is_made_with_others(input, descendant, (of, writer), place);
        } else {
            self.becomes(descendant.variant, writer, place);
            let open = self.series.open.get_mut(writer as usize);
            open.into_iter().for_each(|open| open.kept[descendant.variant.index()].add(FateMarks::PENDING));
        }
        if self.counterparts.held {
            self.holds_back(writer);
        }
    }

    fn aggregates(&mut self, input: &Batch, descendant: &Descendant<'_>, members: &[u32]) {
        let Some(stands) = self.writer_of(descendant.variant.index(), descendant, members) else { return };
        let Some(writer) = self.places.get(stands as usize).copied() else { return };
        for member in members {
            let Some(place) = self.places.get(*member as usize).copied() else { continue };
            self.keeps(input, descendant.variant, (*member, place));
        }
        let at = descendant.variant.index();
        let emitted = self.emits(input, descendant, (stands, writer));
        let known = emitted.map(|output| &mut self.outputs[at].asides[output as usize].mixed);
        if known.as_deref() != Some(&true) && are_of_several(input, members) {
            known.into_iter().for_each(|known| *known = true);
            self.groups.mixes(descendant.output.text(descendant.metric.name));
        }
        let Some(output) = emitted else { return };
        self.outputs[at].asides[output as usize].aggregate |= members.len() > 1;
        for member in members {
            let Some(place) = self.places.get(*member as usize).copied() else { continue };
            self.becomes(descendant.variant, place, output);
            if let Some(row) = self.series.rows.get(place as usize).copied() {
                self.keep_critical(row, at, output);
            }
        }
        match descendant.variant {
            Variant::Baseline => self.counterparts.aggregated(descendant, members),
            Variant::Candidate => {
                self.merges(members, output);
                self.compare_aggregate(input, descendant, (members, writer));
            }
        }
    }

    /// The member that stands for an aggregate as its writer: that of the point before, if it is still among them, so that
    /// only aggregates that have nothing in common write over each other.
    fn writer_of(&self, at: usize, descendant: &Descendant<'_>, members: &[u32]) -> Option<u32> {
        let first = *members.first()?;
        let place = |member: u32| self.places.get(member as usize).copied().unwrap_or(UNTRACKED);
        let guess = self.series.rows.get(place(first) as usize).map_or(NONE, |row| row.outputs[at]);
        let table = &self.outputs[at];
        let Some(row) = table.find(descendant.output.identity(descendant.point), guess) else {
            return Some(first);
        };
        let writer = table.rows[row as usize].last.writer();
        members.iter().copied().find(|member| place(*member) == writer).or(Some(first))
    }

    /// Notes that the variant made something of input point `of`, of the series at `place`.
    #[inline]
    fn keeps(&mut self, input: &Batch, variant: Variant, (of, place): (u32, u32)) {
        if let Some(open) = self.series.open.get_mut(place as usize) {
            open.kept[variant.index()].add(FateMarks::MADE);
        } else if let Some(point) = input.all_points().get(of as usize) {
            let mut kept = [FateMarks::default(); 2];
            kept[variant.index()] = FateMarks::MADE;
            self.open.fates.add_unnamed(input.identity(point), kept);
        }
    }

    /// Notes an output point, mainly of the input series `writer`; the place of its series, if there is room for it.
    #[inline]
    fn emits(&mut self, input: &Batch, descendant: &Descendant<'_>, (of, writer): (u32, u32)) -> Option<u32> {
        let at = descendant.variant.index();
        let identity = descendant.output.identity(descendant.point);
        let known = self.series.rows.get(writer as usize).copied();
        let guess = known.map_or(NONE, |row| row.outputs[at]);
        let found = self.outputs[at].find(identity, guess);
        // One that has no row is told from others where it writes what is followed.
        let named = if writer == UNTRACKED { stranger_of(input, of) } else { writer };
        let place = match found {
            Some(place) => place,
            None if known.is_some() || self.sampling.follows_identity(identity) => {
                self.emerges(input, descendant, (of, named))
            }
            None => UNTRACKED,
        };
        if place == UNTRACKED {
            self.groups.left_out(descendant.output.text(descendant.metric.name));
            self.open.made[at].insert(identity);
            self.is_not_followed(descendant.variant, writer, identity);
            return None;
        }
        if self.outputs[at].rows[place as usize].lens == PENDING {
            self.enters_lenses(descendant, place);
        }
        self.emitted(at, place, descendant);
        if found.is_some() {
            self.written(input, of, (place, named), descendant);
        }
        match known {
            Some(row) => self.keep_critical(row, at, place),
            // What the candidate makes of it cannot be told.
            None => self.outputs[at].open[place as usize].join(&Marks::NOT_FOLLOWED),
        }
        Some(place)
    }

    #[inline]
    fn emitted(&mut self, at: usize, place: u32, descendant: &Descendant<'_>) {
        let Descendant { output, point, .. } = *descendant;
        let table = &mut self.outputs[at];
        table.open[place as usize].join(&Marks::SEEN);
        table.lenses.observe(table.rows[place as usize].lens, output, point, [self.now, self.since]);
    }

    /// Notes by whom an output series that is known was written again.
    #[inline]
    fn written(&mut self, input: &Batch, of: u32, (place, writer): (u32, u32), descendant: &Descendant<'_>) {
        let Descendant { output, point, variant, .. } = *descendant;
        let at = variant.index();
        let table = &mut self.outputs[at];
        let (row, aside) = (&mut table.rows[place as usize], &mut table.asides[place as usize]);
        let value = output.value_digest(point);
        if row.last.goes_on(writer, point, value) {
            return;
        }
        let strange = aside.stranger;
        let entity = |of_writer: u32| match self.series.label(of_writer) {
            Some(label) => label.process.entity,
            None if of_writer == writer => entity_of(input, of, &self.settings.agent_uid),
            None => strange,
        };
        let before = row.last.writer();
        let found = row.last.observe(&mut aside.past, LastWrite { writer, time: point.time, value }, entity);
        if self.series.label(writer).is_none() {
            aside.stranger = entity_of(input, of, &self.settings.agent_uid);
        }
        if before != writer && !aside.aggregate && entity(before) != entity(writer) {
            table.began[place as usize] = self.epoch;
        }
        self.open.collisions[at].truncated |= aside.past.as_ref().is_some_and(|past| past.forgot);
        match found.again {
            // All series beyond the bound look like one.
            _ if writer == UNTRACKED => {}
            Some(Again::Duplicate) => self.open.repeats[at].duplicates += 1,
            Some(Again::Conflict) => self.open.repeats[at].conflicts += 1,
            None => {}
        }
        if let Some(other) = found.other {
            self.collides(place, [other, writer], descendant);
        }
    }

    fn collides(&mut self, place: u32, writers: [u32; 2], descendant: &Descendant<'_>) {
        let at = descendant.variant.index();
        let shared = self.is_shared(descendant.variant, writers);
        let epoch = self.epoch;
        let known = self.outputs[at].asides[place as usize].collision.as_mut();
        let is_known = known.is_some();
        if let Some(known) = known {
            known.epoch = epoch;
            if shared || !known.shared {
                return;
            }
        }
        // Of two entities it is neither's alone.
        self.groups.mixes(descendant.output.text(descendant.metric.name));
        let named = Arc::new(self.named(writers, descendant));
        let OutputTable { asides, colliding, .. } = &mut self.outputs[at];
        asides[place as usize].collision = Some(Collides { epoch, writers, shared, named });
        if !is_known {
            colliding.push(place);
        }
    }

    fn named(&mut self, writers: [u32; 2], descendant: &Descendant<'_>) -> Collision {
        let output = descendant.output;
        let texts = [descendant.resource.attrs, descendant.point.attrs]
            .map(|rows| self.labels.attributes(output, rows).to_string());
        let name = |writer: u32| match self.series.label(writer) {
            Some(label) => label.process.to_string(),
            None => "(a series that is not followed)".to_owned(),
        };
        Collision {
            metric: output.text(descendant.metric.name).to_owned(),
            series: texts.join(","),
            writers: writers.map(name),
        }
    }

    /// Tells whether two writers that collide in the candidate's output do so in the baseline's, too.
    pub(super) fn is_shared(&self, variant: Variant, writers: [u32; 2]) -> bool {
        let becomes = |writer: u32| self.series.rows.get(writer as usize).map(|row| row.outputs[0]);
        let [one, other] = writers.map(becomes);
        let same =
            one.filter(|one| Some(*one) == other).and_then(|row| self.outputs[0].asides.get(row as usize));
        variant == Variant::Candidate && same.is_some_and(|aside| aside.collision.is_some())
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
    fn emerges(&mut self, input: &Batch, descendant: &Descendant<'_>, (of, writer): (u32, u32)) -> u32 {
        let Descendant { output, resource, scope, metric, point, variant } = *descendant;
        let is_critical = || self.series.rows.get(writer as usize).is_some_and(|row| row.critical != NONE);
        if !self.has_room(self.outputs[variant.index()].rows.len(), is_critical) {
            self.groups.left_out = true;
            return UNTRACKED;
        }
        let writes = self.series.label(writer).cloned();
        // Lenses are of the entities that are followed.
        let lens = writes.as_ref().and_then(|label| self.lenses_of(descendant, &label.process));
        let strange = writes.is_none().then(|| entity_of(input, of, &self.settings.agent_uid));
        let names =
            Names::of(output, resource.attrs, point.attrs, writes.as_ref().map(|label| &*label.process));
        let of_input = self.series.rows.get(writer as usize).map(|row| row.identity);
        let label = match writes {
            // One that is as it came has the names of its input.
            Some(label) if of_input == Some(output.identity(point)) => label,
            _ => Label {
                metric: self.labels.text(output.text(metric.name)),
                process: writes.map_or_else(
                    || self.labels.process(Process::of(output, resource.attrs, &self.settings.agent_uid)),
                    |label| label.process,
                ),
                attributes: self.labels.attributes(output, point.attrs),
            },
        };
        let attributes = &mut self.of_resource.attributes;
        let shape = self.shapes.of(&mut self.labels, output, (resource, scope, metric), point, attributes);
        let billed = self.settings.price.billed(output, resource.attrs, metric, point);
        let known = OutputFacts { label, shape, names, billed };
        let last = Last::new(LastWrite { writer, time: point.time, value: output.value_digest(point) });
        let epoch = self.epoch;
        let table = &mut self.outputs[variant.index()];
        let place = table.insert(output.identity(point), epoch, known, last, lens);
        table.asides[place as usize].stranger = strange.unwrap_or(0);
        place
    }
}

impl Observer {
    /// The lenses that a series enters.
    fn lenses_of(&mut self, descendant: &Descendant<'_>, of: &Process) -> Option<(Under, SeriesTrack)> {
        let Descendant { output, resource, metric, point, .. } = *descendant;
        let process = &mut self.of_resource.process;
        let shown = || *process.get_or_insert_with(|| process_number(output, resource.attrs));
        let under = self.groups.of(&mut self.labels, (output, resource.attrs), metric, point, (shown, of));
        under.map(|under| (under, SeriesTrack::new(metric)))
    }

    /// A known series enters lenses that were chosen since.
    #[cold]
    fn enters_lenses(&mut self, descendant: &Descendant<'_>, place: u32) {
        let writer = self.outputs[descendant.variant.index()].rows[place as usize].last.writer();
        let of = self.series.label(writer).map(|label| label.process.clone()).unwrap_or_default();
        let lens = self.lenses_of(descendant, &of);
        let table = &mut self.outputs[descendant.variant.index()];
        // Lenses are of the entities that are followed.
        let lens = lens.filter(|_| table.asides[place as usize].stranger == 0);
        let lens = lens.map(|(under, mut tracked)| {
            // It was there before the lens: nothing of the first value that the lens sees has risen since.
            let _ = tracked.observe(descendant.output, descendant.point, [self.now, u64::MAX]);
            (under, tracked)
        });
        table.rows[place as usize].lens =
            lens.map_or(NONE, |(under, tracked)| table.lenses.insert(under, tracked));
    }
}

/// A writer that has no row: the input series of a point.
fn stranger_of(input: &Batch, point: u32) -> u32 {
    input.all_points().get(point as usize).map_or(UNTRACKED, |point| stranger(input.identity(point)))
}

/// Tells whether points are of several input resources.
fn are_of_several(input: &Batch, members: &[u32]) -> bool {
    let home = |member: &u32| input.all_points().get(*member as usize).map(|point| point.home);
    members.split_first().is_some_and(|(first, rest)| rest.iter().any(|other| home(other) != home(first)))
}

/// The entity of the input resource of a point.
#[cold]
fn entity_of(input: &Batch, point: u32, agent_uid: &str) -> u64 {
    let home = input.all_points().get(point as usize).map(|point| point.home as usize);
    let resource = home.and_then(|home| input.resources().get(home));
    resource.map_or(0, |resource| Entity::of(input, resource.attrs, agent_uid).key)
}
