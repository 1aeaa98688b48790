//! Following fewer entities, once there are more series than are followed one by one.

use pipelines::Batch;
use pipelines::entity::Entity;

use super::Observer;
use crate::SERIES_BYTES;
use crate::label::{Process, executable_of};
use crate::marks::Marks;
use crate::rows::Said as _;
use crate::series::place_of;

/// Part of a batch that is seen: the entities that are followed.
#[derive(Debug)]
pub(super) struct Part {
    /// Points that came in, left out or not.
    pub came: u64,
    /// Entities for each one that is in the sample.
    one_in: u64,
    /// True, by index of the input resource, if its entity is in the sample, and not followed because it is critical.
    in_sample: Vec<bool>,
}

impl Observer {
    /// Follows one in so many entities at most from here on, because no more is given to the candidate. To be called between
    /// batches. Returns true if more were followed before.
    pub fn follow_one_in(&mut self, most: u32) -> bool {
        let mut fewer = false;
        while self.sampling.one_in() < u64::from(most) && self.sampling.halve() {
            self.follow_fewer();
            fewer = true;
        }
        if fewer {
            self.labels.sweep();
        }
        fewer
    }

    /// Takes note that of the batch at hand, or of what was held back of this input, only the entities that are followed are
    /// seen. Returns, by index of the input resource, whether it is of one: the rest is to be left out of the batch and of the
    /// outputs that follow ([`Batch::narrow`]).
    pub fn takes_part_of(&mut self, batch: &Batch) -> Vec<bool> {
        let (mut in_sample, mut followed, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for resource in batch.resources() {
            let key = Entity::key_of(batch, resource.attrs, &self.settings.agent_uid, &mut buffer);
            let is_of_sample = self.sampling.follows_entity(key);
            in_sample.push(is_of_sample);
            followed.push(is_of_sample || self.is_critical(&executable_of(batch, resource.attrs)));
        }
        let (came, one_in) = (batch.point_count() as u64, self.sampling.one_in());
        self.part = Some(Part { came, one_in, in_sample });
        self.open.sampling.sees_no_more();
        followed
    }

    /// Takes note that all of what comes is seen.
    pub fn takes_all(&mut self) {
        self.part = None;
    }

    /// Points and bytes of a whole output of which this is what is seen: those of the sample times its share.
    pub(super) fn of_all(&self, output: &Batch, points: u64, bytes: u64) -> (u64, u64) {
        let Some(part) = &self.part else { return (points, bytes) };
        let scopes = output.resources().iter().flat_map(|resource| output.scopes(resource));
        let seen = scopes.flat_map(|scope| output.metrics(scope)).flat_map(|metric| output.points(metric));
        let is_of_sample = |home: u32| part.in_sample.get(home as usize).copied().unwrap_or(false);
        let of_sample = seen.filter(|point| is_of_sample(point.home)).count() as u64;
        let scaled = of_sample * part.one_in;
        // Each point with as many bytes as another.
        let bytes = u128::from(bytes) * u128::from(scaled) / u128::from(points.max(1));
        (scaled, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// Tells whether the series of an entity are followed.
    pub(super) fn follows(&self, process: &Process) -> bool {
        self.sampling.follows_entity(process.entity) || self.is_critical(&process.executable)
    }

    pub(super) fn is_critical(&self, executable: &str) -> bool {
        let criteria = self.settings.critical.iter();
        criteria.flat_map(|criterion| &criterion.executables).any(|name| name == executable)
    }

    /// Tells whether a table with so many rows has room for another. With the next batch fewer entities are followed, and
    /// there is room again; what is critical has some until then.
    pub(super) fn has_room(&self, rows: usize, is_critical: impl Fn() -> bool) -> bool {
        let bound = self.settings.bound;
        rows < bound || (rows < bound + bound / 8 && is_critical())
    }

    /// Bytes of memory that what is kept of series is counted with: tables, and the summaries made of them.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.most_rows() * SERIES_BYTES
    }

    fn most_rows(&self) -> usize {
        self.series.rows.len().max(self.outputs[0].rows.len()).max(self.outputs[1].rows.len())
    }

    fn is_crowded(&self) -> bool {
        self.most_rows() >= self.settings.bound
    }

    /// Follows half of the entities, and half of that, until there is room again. To be called between batches.
    pub(super) fn thin_out(&mut self) {
        let mut thinned = false;
        while self.is_crowded() && self.sampling.halve() {
            self.follow_fewer();
            thinned = true;
        }
        if thinned {
            self.labels.sweep();
        }
        if self.sampling.is_least() && self.is_crowded() {
            // Nothing but critical entities is left.
            self.sampling.cuts_critical();
        }
    }

    /// Drops the rows of what is followed no more; what was seen of it in the open window is counted.
    fn follow_fewer(&mut self) {
        self.settle_all();
        let all = 0..self.series.rows.len();
        let kept: Vec<bool> = all
            .map(|place| self.series.label(place as u32).is_some_and(|label| self.follows(&label.process)))
            .collect();
        let rows = self.series.rows.iter().zip(&self.series.open).zip(&kept);
        for ((row, record), _) in rows.filter(|((_, record), kept)| !**kept && record.is_there()) {
            self.open.fates.add_unnamed(row.identity, record.kept);
        }
        let moved = self.series.retain(&kept);
        for at in 0..2 {
            let table = &mut self.outputs[at];
            let of_followed =
                |writer: u32| (writer as usize) < moved.len() && place_of(writer, &moved).is_some();
            // Whether all its writers were seen is not known of one whose writer is followed no more: it is met anew.
            let kept: Vec<bool> = table.rows.iter().map(|row| of_followed(row.last.writer())).collect();
            let rows = table.rows.iter().zip(&table.open).zip(&kept);
            for ((row, _), _) in rows.filter(|((_, marks), kept)| !**kept && marks.has(Marks::SEEN)) {
                self.open.made[at].insert(row.identity);
            }
            table.retain(&kept, &moved);
        }
        self.forget_watched();
    }
}
